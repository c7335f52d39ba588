"""A source only reads: whatever a query tries, a real PostgreSQL, MariaDB or SQLite stays as it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.runtimes.eda.conftest import Ask
from tests.services.mariadb import Mariadb
from tests.services.postgresql import Postgresql
from tests.services.sql_servers import PASSWORD

POSTGRESQL = """
create table kept (id int); insert into kept values (1); create sequence counter;
create function writes() returns int language plpgsql as
  $$ begin insert into kept values (2); return 1; end $$;
"""
ON_POSTGRESQL = (
    "select 1; drop table kept",
    "select 1) as q; drop table kept; --",
    "insert into kept values (0) returning id",
    "with x as (delete from kept returning *) select * from x",
    "explain analyze delete from kept",
    "select nextval('counter')",
    "select writes()",
    "select array[writes()] as x",
    "select set_config('transaction_read_only', 'off', false), writes()",
    "select * from kept for update",
    "copy kept to program 'touch {folder}/written'",
    "copy kept to '{folder}/written'",
    "select lo_export(1, '{folder}/written')",
    "select pg_read_file('/etc/passwd')",
    "create temp table t (x int)",
    "drop table kept",
    "commit",
    "do $$ begin end $$",
)
MARIADB = """
create database safe; use safe; create sequence counter;
create table kept (id int); insert into kept values (1);
delimiter //
create function writes() returns int begin insert into kept values (2); return 1; end//
create procedure calls() begin select 1; end//
"""
ON_MARIADB = (
    "select 1; drop table kept",
    "select 1) as q into outfile '{folder}/written' -- ",
    "select * from kept into outfile '{folder}/written'",
    "select id from kept /*!50000 into outfile '{folder}/written' */",
    "select id into @x from kept",
    "insert into kept values (0) returning id",
    "select nextval(counter)",
    "select writes()",
    "select * from kept for update",
    "call calls()",
    "load data infile '/etc/passwd' into table kept",
    "load data local infile '/etc/passwd' into table kept",
    "create temporary table t (x int)",
    "set session transaction read write",
    "prepare x from 'drop table kept'",
    "drop table kept",
    "commit",
)
ON_SQLITE = (
    "select 1; drop table kept",
    "insert into kept values (0) returning id",
    "attach '{folder}/written' as other",
    "vacuum into '{folder}/written'",
    "select load_extension('{folder}/written')",
    "pragma journal_mode = delete",
    "create temp table t (x int)",
    "drop table kept",
    "commit",
)


def _refused(ask: Ask, source: dict[str, Any], folder: Path, queries: tuple[str, ...]) -> None:
    for query in queries:
        for verb in ("preview", "rows"):
            answer = ask(verb, {**source, "query": query.replace("{folder}", str(folder))})
            assert answer.get("error", {}).get("code") in ("query", "refused"), (query, answer)
    assert not (folder / "written").exists()


@pytest.mark.always
def test_postgresql_is_only_read(ask: Ask, postgresql: Postgresql) -> None:
    postgresql.sql(POSTGRESQL)
    place = {"host": "127.0.0.1", "port": postgresql.port, "user": "postgres", "password": PASSWORD}
    source = {"kind": "sql", "dialect": "postgresql", "connect": {**place, "database": "postgres"}}
    _refused(ask, source, postgresql.folder, ON_POSTGRESQL)
    assert postgresql.sql("select id, is_called from kept, counter").split() == ["1|f"]


@pytest.mark.always
def test_mariadb_is_only_read(ask: Ask, mariadb: Mariadb) -> None:
    mariadb.sql(MARIADB)
    place = {"host": "127.0.0.1", "port": mariadb.port, "user": "admin", "password": PASSWORD}
    source = {"kind": "sql", "dialect": "mysql", "connect": {**place, "database": "safe"}}
    _refused(ask, source, mariadb.folder, ON_MARIADB)
    assert mariadb.sql("select id from kept; select nextval(counter)", database="safe").split() == ["1", "1"]


@pytest.mark.always
def test_sqlite_is_only_read(ask: Ask, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "file") as database:
        database.execute("create table kept (id)")
        database.execute("insert into kept values (1)")
    before = (tmp_path / "file").read_bytes()
    source = {"kind": "sql", "dialect": "sqlite", "connect": {"path": str(tmp_path / "file")}}
    _refused(ask, source, tmp_path, ON_SQLITE)
    assert (tmp_path / "file").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("query", ["select * from kept", "with x as (select 1 as id) select id from x"])
def test_what_reads_is_run(ask: Ask, tmp_path: Path, query: str) -> None:
    with sqlite3.connect(tmp_path / "file") as database:
        database.execute("create table kept (id)")
    source = {"kind": "sql", "dialect": "sqlite", "connect": {"path": str(tmp_path / "file")}, "query": query}
    assert list(ask("rows", source)["result"]["columns"]) == ["id"]
