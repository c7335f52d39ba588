"""SQL databases as sources: types, trees, faults and limits, with a real PostgreSQL, MariaDB and SQLite."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runtimes.eda.conftest import Ask
from tests.runtimes.eda.sql_data import MARIADB, POSTGRESQL, SQLITE
from tests.services.mariadb import Mariadb
from tests.services.postgresql import Postgresql
from tests.services.sql_servers import PASSWORD, SqlServer
from tests.support.jupyter_runtime import jupyter_or_skip

HOSTILE = "a'b\"<&>`/../ü %s {}"
READER = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
#: Bytes of memory.
LITTLE = 256 * 1024**2
Source = Callable[..., dict[str, Any]]


def quoted(name: str, sign: str = '"') -> str:
    return f"{sign}{name.replace(sign, sign * 2)}{sign}"


def source_of(server: SqlServer, dialect: str, *, user: str, database: str) -> Source:
    def source(connect: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        place = {"name": "the one", "host": "127.0.0.1", "port": server.port, "database": database}
        connected = {**place, "user": user, "password": PASSWORD, **(connect or {})}
        return {"kind": "sql", "dialect": dialect, "connect": connected, **more}

    return source


@pytest.fixture(scope="module")
def pg(postgresql: Postgresql) -> Source:
    names = {"schema": quoted(f"s {HOSTILE}"), "table": quoted(HOSTILE), "reader": READER}
    postgresql.sql(POSTGRESQL.format(**names))
    postgresql.sql("create table t (x text); insert into t values ('é')", database="latin")
    postgresql.sql(r"create table t (x text); insert into t values (e'caf\xe9')", database="bytes")
    return source_of(postgresql, "postgresql", user="postgres", database="postgres")


@pytest.fixture(scope="module")
def my(mariadb: Mariadb) -> Source:
    schema = f"s {HOSTILE}"
    names = {"schema": quoted(schema, "`"), "table": quoted(HOSTILE, "`"), "reader": READER}
    mariadb.sql(MARIADB.format(**names))
    return source_of(mariadb, "mysql", user="admin", database=schema)


@pytest.fixture
def lite(tmp_path: Path) -> Source:
    path = tmp_path / HOSTILE.replace("/", "_")
    with sqlite3.connect(path) as database:
        database.executescript(SQLITE.format(table=quoted(HOSTILE)))

    def source(connect: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        return {
            "kind": "sql",
            "dialect": "sqlite",
            "connect": {"name": "the one", "path": str(path), **(connect or {})},
            **more,
        }

    return source


@pytest.mark.always
def test_each_type_of_postgresql_keeps_its_values(ask: Ask, pg: Source) -> None:
    source = pg(schema=f"s {HOSTILE}", table=HOSTILE)
    found = ask.columns(source)
    assert found["i8"] == ("BIGINT", ["9223372036854775807", None])
    assert found["f4"] == ("FLOAT", ["0.3", "nan"])
    assert found["f8"] == ("DOUBLE", ["0.1", "inf"])
    assert found["n"] == ("DECIMAL(38,10)", ["1234567890123456789012345678.0123456789", None])
    assert found["free"] == ("DECIMAL(38,2)", ["1.50", "3.25"])
    assert found["wide"][0] == "DOUBLE"
    assert found["bin"] == ("BLOB", ["\\x00\\xFF", ""])
    assert found["t"] == ("VARCHAR", ["a😀'\"", ""])
    assert found["d"] == ("DATE", ["2020-01-02", None])
    assert found["tm"] == ("TIME", ["24:00:00", None])
    assert found["ts"] == ("TIMESTAMP", ["1850-01-01 10:00:00.123456", None])
    assert found["tsz"][0] == "TIMESTAMP WITH TIME ZONE"
    assert found["tsz"][1] == ["2020-01-01 08:00:00+00", "0044-03-15 (BC) 00:00:00+00"]
    assert found["iv"] == ("INTERVAL", ["1 year 2 months -3 days 04:05:06.5", "-1 day 02:03:00"])
    assert found["u"] == ("UUID", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None])
    assert found["m"] == ("VARCHAR", ["happy", None])
    assert found["arr"] == ("JSON", ["[1,null,3]", "[]"])
    assert found["deep"] == ("JSON", ['[["a","b,c"],["d",null]]', None])
    assert found["p"] == ("JSON", ['{"a":1,"b":"x y"}', None])
    assert found["bits"] == ("VARCHAR", ["10101", None])
    assert (found["gen"][1], found["A"][1], found["a_1"][1]) == (["2", None], ["1", None], ["2", None])
    assert found["o"] == ("UINTEGER", ["4294967295", None])

    answer = ask("rows", source)
    bad = {
        (each["line"], each["reason"].split(":")[0], each["text"])
        for each in answer["result"]["bad"]["first"]
    }
    assert bad == {(2, "column n", "NaN"), (2, "column d", "infinity"), (2, "column ts", "-infinity")}
    assert answer["said"]["warnings"] == [
        "Column wide: some numbers have more than 38 digits: they are kept as floating point numbers."
    ]


@pytest.mark.always
def test_each_type_of_mariadb_keeps_its_values(ask: Ask, my: Source) -> None:
    source = my(schema=f"s {HOSTILE}", table=HOSTILE)
    found = ask.columns(source)
    assert found["u1"] == ("UTINYINT", ["255", None])
    assert found["i8"] == ("BIGINT", ["-9223372036854775808", None])
    assert found["u8"] == ("UBIGINT", ["18446744073709551615", None])
    assert found["z"] == ("UINTEGER", ["42", None])
    assert found["f4"] == ("FLOAT", ["16777216.0", "0.3"])
    assert found["n"] == ("DECIMAL(38,10)", ["1234567890123456789012345678.0123456789", None])
    assert found["nu"] == ("DECIMAL(10,2)", ["99999999.99", None])
    assert found["wide"][0] == "DECIMAL(38,30)"
    assert found["bit1"] == ("BOOLEAN", ["true", "false"])
    assert found["bits"] == ("UBIGINT", ["513", None])
    assert found["bin"] == ("BLOB", ["\\x00\\xFF", ""])
    assert found["t"] == ("VARCHAR", ["a😀'\"", ""])
    assert found["d"] == ("DATE", ["2020-01-02", None])
    assert found["tm"] == ("TIME", ["10:00:00.123", "23:59:59"])
    assert found["dur"] == ("VARCHAR", ["-30:00:00", None])
    assert found["dt"] == ("TIMESTAMP", ["1850-01-01 10:00:00.123456", None])
    assert found["ts"] == ("TIMESTAMP WITH TIME ZONE", ["2020-01-01 10:00:00+00", None])
    assert (found["y"], found["st"]) == (("SMALLINT", ["2020", "0"]), ("VARCHAR", ["a,b", ""]))
    assert found["u"][1] == ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None]
    assert found["gen"] == ("INTEGER", ["-2", None])

    bad = ask("rows", source)["result"]["bad"]
    assert (bad["count"], bad["first"][0]["line"], bad["first"][0]["text"]) == (3, 2, "0000-00-00")


@pytest.mark.always
def test_each_value_of_sqlite_is_kept_whatever_its_column_says(ask: Ask, lite: Source) -> None:
    found = ask.columns(lite(table=HOSTILE))
    assert found["i"] == ("BIGINT", ["9007199254740993", None, "-1", None])
    assert found["r"] == ("DOUBLE", ["1.5", "inf", "2.0", None])
    assert found["s"] == ("VARCHAR", ["007", "😀", "", "caf\ufffd"])
    assert found["b"] == ("BLOB", ["\\x00\\xFF", None, "", None])
    assert found["d"] == ("DATE", ["1700-05-05", None, "2020-01-02", None])
    assert found["ts"] == ("TIMESTAMP", ["1850-01-01 10:00:00", None, None, None])
    assert found["mixed"] == ("VARCHAR", ["1", "x", "\\x01", None])
    assert found["flag"] == ("BOOLEAN", ["true", "false", None, None])
    assert found["late"] == ("VARCHAR", ["2020-01-02", "soon", "", None])
    assert found["g"][0] == "BIGINT"

    answer = ask("rows", lite(table=HOSTILE))
    assert answer["result"]["bad"]["first"] == [
        {
            "line": 4,
            "reason": "column s: characters in no known encoding; they are shown as U+FFFD",
            "text": "caf\ufffd",
        }
    ]
    assert [each.split(":")[0] for each in answer["said"]["warnings"]] == ["Column mixed", "Column late"]


def test_databases_in_other_encodings(ask: Ask, pg: Source, my: Source) -> None:
    assert ask.columns(pg({"database": "latin"}, table="t"))["x"][1] == ["é"]
    assert ask.columns(pg({"database": "bytes"}, table="t"))["x"][1] == ["caf\ufffd"]
    assert ask("rows", pg({"database": "bytes"}, table="t"))["result"]["bad"]["count"] == 1
    assert ask.columns(my(schema="latin", table="t"))["x"][1] == ["é€"]


@pytest.mark.parametrize("kind", ["pg", "my", "lite"])
def test_the_tree_is_filtered_and_tells_columns(ask: Ask, kind: str, request: pytest.FixtureRequest) -> None:
    source: Source = request.getfixturevalue(kind)
    place = "main" if kind == "lite" else f"s {HOSTILE}"
    found = ask("tables", source(filter='B"<&>`/../ü %S'))["result"]
    assert [(each["name"], [table["name"] for table in each["tables"]]) for each in found["schemas"]][-1] == (
        place,
        [HOSTILE, "broken", "plain", "secret", "state"] if kind == "my" else [HOSTILE],
    )
    kinds = {
        table["name"]: table["kind"]
        for each in ask("tables", source(filter="BROKEN"))["result"]["schemas"]
        for table in each["tables"]
    }
    assert kinds == {"broken": "view"}
    assert ask("tables", source(filter="no such name"))["result"] == {"schemas": [], "more": False}
    columns = ask("columns", source(schema=place, table=HOSTILE))["result"]["columns"]
    assert {"lite": "INTEGER", "my": "tinyint(4)", "pg": "smallint"}[kind] == columns[0]["type"]
    assert ask.error(source(schema=place, table="nowhere"), "columns")[:2] == ("missing", "sql.table")


def test_a_tree_has_at_most_a_thousand_tables(ask: Ask, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "many") as database:
        for number in range(1001):
            database.execute(f"create table t{number} (x)")
    source = {"kind": "sql", "dialect": "sqlite", "connect": {"path": str(tmp_path / "many")}}
    found = ask("tables", source)["result"]
    assert (len(found["schemas"][0]["tables"]), found["more"]) == (1000, True)
    assert ask("tables", {**source, "filter": "t1000"})["result"]["more"] is False


def test_a_preview_has_fifty_rows_and_a_limit_counts(ask: Ask, pg: Source, my: Source) -> None:
    for source in (pg, my):
        preview = ask("preview", source(table="plain"))["result"]
        assert [each["kind"] for each in preview["columns"]] == ["number", "text"]
        assert (len(preview["rows"]), preview["rows"][0]) == (50, ["1", "n1"])
        assert len(ask("preview", source(table="plain", limit=3))["result"]["rows"]) == 3
        assert len(ask("rows", source(query="select * from plain;  -- all", limit=7))["result"]["rows"]) == 7
        assert len(ask("rows", source(table="plain"))["result"]["rows"]) == 1000
    long = ask("preview", pg(query="select repeat('ü', 5000) as x"))["result"]["rows"][0][0]
    assert long == "ü" * 1000 + "…"


@pytest.mark.parametrize("kind", ["pg", "my", "lite"])
def test_what_cannot_be_read_is_one_sentence(ask: Ask, kind: str, request: pytest.FixtureRequest) -> None:
    source: Source = request.getfixturevalue(kind)
    assert ask.error(source(table="nowhere"))[:2] == ("missing", "sql.table")
    code, field, sentence = ask.error(source(table="broken"))
    assert (code, field) == ("query", "sql.table")
    assert "the connection the one cannot read the table broken" in sentence.lower()
    assert ask.error(source(query="selec 1"))[:2] == ("query", "sql.query")
    assert ask.error(source(query="select nothing from nowhere"))[0] == "query"


@pytest.mark.always
@pytest.mark.parametrize("kind", ["pg", "my"])
def test_who_is_not_let_in_is_told_why(ask: Ask, kind: str, request: pytest.FixtureRequest) -> None:
    source: Source = request.getfixturevalue(kind)
    assert ask.error(source({"password": "not it"}, table="plain"))[:2] == ("credentials", "sql.connection")
    assert ask.error(source({"user": "nobody"}, table="plain"))[0] == "credentials"
    assert ask.error(source({"database": "nowhere"}, table="plain"))[:2] == ("missing", "sql.connection")
    assert ask.error(source({"port": 1}, table="plain"))[:2] == ("connection", "sql.connection")
    assert ask.error(source({"host": "nowhere.invalid"}, table="plain"))[0] == "connection"
    assert ask.error(source({"user": "reader"}, table="secret"))[:2] == ("refused", "sql.table")
    assert len(ask("rows", source({"user": "reader"}, table="plain"))["result"]["rows"]) == 1000
    secret = "s3cret-name"
    told = ask.error(source({"password": secret, "database": secret, "user": secret}, table="plain"))[2]
    assert secret not in told and "***" in told


def test_certificates_are_checked_where_the_connection_says_so(
    ask: Ask, pg: Source, my: Source, postgresql: Postgresql, mariadb: Mariadb
) -> None:
    for name, fits in (("ca.pem", True), ("other-ca.pem", False)):
        options = [
            (pg, {"sslmode": "verify-full", "sslrootcert": str(postgresql.folder / name)}),
            (
                my,
                {"ssl_ca": str(mariadb.folder / name), "ssl_verify_cert": True, "ssl_verify_identity": True},
            ),
        ]
        for source, given in options:
            answer = ask("rows", source({"options": given}, table="plain", limit=1))
            assert ("result" in answer) is fits, answer
            assert fits or answer["error"]["code"] == "connection"
    assert "result" in ask("rows", my({"options": {"ssl_required": True}}, table="plain", limit=1))


def test_a_file_that_is_no_database(ask: Ask, lite: Source, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all" * 100)
    for path in ("text", "nowhere", "."):
        code, field, sentence = ask.error(lite({"path": str(tmp_path / path)}, table="x"))
        assert code == "missing" and str(tmp_path) in sentence
    assert ask.error(lite(query="select 1", connect={"path": "/dev/zero"}))[0] == "missing"


def test_a_table_without_columns_has_nothing_to_look_at(ask: Ask, pg: Source) -> None:
    assert ask.error(pg(table="nothing"))[:2] == ("empty", "sql.table")
    assert ask("columns", pg(table="nothing"))["result"] == {"columns": []}


def test_a_silent_host_is_not_waited_for(ask: Ask, pg: Source, my: Source) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for source in (pg, my):
            began = time.monotonic()
            code = ask.error(source({"port": port}, table="plain", seconds=1))[0]
            assert code in ("connection", "timeout") and time.monotonic() - began < 10


def test_a_statement_that_takes_too_long_is_interrupted(
    ask: Ask, pg: Source, my: Source, lite: Source
) -> None:
    endless = "with recursive a(x) as (select 1 union all select x + 1 from a) select count(*) as n from a"
    statements = [(pg, "select pg_sleep(60)"), (my, "select sleep(60) as x"), (lite, endless)]
    for source, query in statements:
        began = time.monotonic()
        code, _, sentence = ask.error(source(query=query, seconds=1))
        assert code == "timeout" and "1 seconds" in sentence and time.monotonic() - began < 15


def test_a_server_that_falls_silent_is_left(ask: Ask, my: Source, mariadb: Mariadb) -> None:
    with Reading(ask, my(query="select id, sleep(0.01) from state", seconds=3), mariadb.sql) as told:
        with mariadb.silent():
            assert told()["error"]["code"] == "timeout"


def test_a_server_that_dies_is_told(
    ask: Ask, pg: Source, my: Source, postgresql: Postgresql, mariadb: Mariadb
) -> None:
    slow = [(pg, postgresql, "pg_sleep", signal.SIGQUIT), (my, mariadb, "sleep", signal.SIGKILL)]
    for source, server, sleep, number in slow:
        query = f"select id, {sleep}(0.01) from state"
        with Reading(ask, source(query=query), server.sql) as told:
            server.stop(number)
            try:
                error = told()["error"]
            finally:
                server.start()
        assert error["code"] == "connection" and "broke while the query was read" in error["message"], error


def test_what_others_write_while_it_is_read_is_not_seen(
    ask: Ask, pg: Source, my: Source, postgresql: Postgresql, mariadb: Mariadb
) -> None:
    for source, server, sleep in ((pg, postgresql, "pg_sleep"), (my, mariadb, "sleep")):
        database = source()["connect"]["database"]
        query = f"select id, v, {sleep}(0.003) as s from state"
        with Reading(ask, source(query=query), server.sql) as told:
            server.sql("update state set v = 1; delete from state where id % 2 = 0", database=database)
            rows = told()["result"]["rows"]
        assert len(rows) == 500 and {row[1] for row in rows} == {"0"}


def test_the_disk_that_rows_may_take_is_bounded(ask: Ask, pg: Source) -> None:
    query = "select md5(g::text) || md5((-g)::text) as x from generate_series(1, 60000) g"
    answer = ask("count", pg(query=query), memory=1024**3, disk=1024**2)
    assert answer["error"]["code"] == "disk"


def test_large_cells_are_read_in_bounded_memory(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "large") as database:
        database.execute("create table t (id integer, a text)")
        database.executemany(
            "insert into t values (?, hex(randomblob(500000)))", ((number,) for number in range(120))
        )
        database.execute("create table one as select hex(randomblob(20000000)) as a")
    source = {"kind": "sql", "dialect": "sqlite", "connect": {"path": str(tmp_path / "large")}}
    process = Ask(jupyter_or_skip(), tmp_path)  # a new one: what others needed is not what this needs
    try:
        before = process("count", {**source, "query": "select 1 as x"}, memory=LITTLE)["result"]["peak"]
        found = process("count", {**source, "table": "t"}, memory=LITTLE)["result"]
        one = process("count", {**source, "table": "one"}, memory=4 * LITTLE)["result"]
    finally:
        process.close()
    assert (found["rows"], found["characters"]) == (120, 120_000_000 + 10 + 2 * 90 + 3 * 20)
    assert found["peak"] - before < 170 * 1024**2  # the text twice, as it is without bounds, is 240 MB
    assert one["characters"] == 40_000_000 and one["peak"] - before < 7 * 40_000_000


class Reading:
    """Read in a thread; the block begins when the statement runs, and ``told`` waits for the answer."""

    def __init__(self, ask: Ask, source: dict[str, Any], sql: Callable[[str], str]) -> None:
        self._answer: dict[str, Any] = {}
        self._source, self._sql = source, sql
        self._thread = threading.Thread(target=lambda: self._answer.update(ask("rows", source)))

    def __enter__(self) -> Callable[[], dict[str, Any]]:
        self._thread.start()
        statement = {
            "postgresql": "select count(*) from pg_stat_activity "
            "where query ~ 'sleep.0' and pid <> pg_backend_pid()",
            "mysql": "select count(*) from information_schema.processlist "
            "where info like '%sleep(0%' and id <> connection_id()",
        }[self._source["dialect"]]
        deadline = time.monotonic() + 20
        while not int(self._sql(statement)):
            assert self._thread.is_alive() and time.monotonic() < deadline, self._answer
            time.sleep(0.02)
        return self._told

    def _told(self) -> dict[str, Any]:
        self._thread.join(60)
        return self._answer

    def __exit__(self, *_: object) -> None:
        self._thread.join(60)
