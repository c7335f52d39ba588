"""Backup and restore of a server's tables: every kind of thing comes back, a kill changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.workbench import airflow_settings, checks, server_address, server_database
from couture_workflow.services.workbench import database as workbench_database
from tests.support import databases, homes
from tests.support.databases import Database
from tests.support.homes import couture
from tests.support.servers import free_port
from tests.support.workbench import command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # nine commands, each of which loads Airflow

#: What Airflow has none of, and somebody may have added; PostgreSQL's own way to each.
ODD = r'''
create type "Mood'y" as enum ('a''b', 'ü');
create sequence "free ""one""" increment 5 cycle maxvalue 50;
create table "Odd ""%s""" (
    id bigint generated always as identity,
    "Größe" numeric(10, 2) default 1.5 check ("Größe" > 0),
    twice numeric generated always as ("Größe" * 2) stored,
    mood "Mood'y"[] default array['ü'::"Mood'y"],
    text text collate "C" not null default 'a''b%s',
    raw bytea, data jsonb, at timestamptz, span interval, exact double precision,
    primary key (id), unique (text), exclude using btree (exact with =)
);
create index "part %s" on "Odd ""%s""" (lower(text) desc nulls last) where raw is not null;
create table "empty" ();
create table child (
    odd bigint references "Odd ""%s""" (id) on delete cascade deferrable initially deferred);
insert into "Odd ""%s""" ("Größe", text, raw, data, at, span, exact)
    values (
        2.25, E'tab\t nl\n bs\\ %s \u00fc', '\x00ff', '{"a": 1}', '2026-03-29 02:30+02', '1 mon', 0.1);
insert into child values (1);
select nextval('"free ""one"""');
'''


def make_home(home: Path, database: Database) -> airflow_settings.Layout:
    """Make what the first start makes, up to the start of its services."""
    layout = checks.check_home(home)
    server_address.keep(layout, database.address)
    airflow_settings.write_config(layout, host="127.0.0.1", port=free_port(), examples=False)
    workbench_database.prepare_server(
        layout,
        database.address,
        lambda: server_database.check(database.address, began=True),
        environment=airflow_settings.environment(layout, base=homes.plain_environment()),
        password="correct horse",
    )
    homes.fill(home)
    return layout


def contents(database: Database, *, live: bool = False) -> str:
    """Return a database as the server's own program writes it.

    :param live: only the schema in use.
    """
    address = database.address.url
    variables = {**os.environ, "PGPASSWORD": str(address.password)}
    where = ["-h", "127.0.0.1"]
    words = ["pg_dump", *where, "-p", str(address.port), "-U", str(address.username), str(address.database)]
    words += ["--schema", "public"] if live else []
    done = subprocess.run(words, env=variables, capture_output=True, text=True, check=True)
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("\\"))


def test_everything_comes_back_in_another_database_and_a_kill_changes_nothing(
    kind: str, database: Database, tmp_path: Path
) -> None:
    home, file = tmp_path / "hö'me", tmp_path / "b.tar.gz"
    make_home(home, database)
    if kind == "postgresql":
        run_as_owner(database, ODD)
    done = couture("backup", file, "--home", home)
    if kind == "mariadb":  # it has sequences, as MySQL has not
        assert "sequences, which a backup does not hold" in done.stderr
        assert done.returncode == 1 and not file.exists()
        return
    assert done.returncode == 0, done.stderr
    old = contents(database)
    other = databases.make(kind)
    given = {server_address.VARIABLE: other.url}

    done = couture("restore", file, "--home", tmp_path / "new", **given)

    assert done.returncode == 0, done.stderr
    assert contents(other) == old.replace(database.name, other.name)
    looked = couture("doctor", "--home", tmp_path / "new")
    assert looked.stdout.splitlines()[-2:] == [
        f"Its database: {other.address.shown}",
        f"{tmp_path / 'new'}: all is well.",
    ]
    other.sql("delete from ab_user_role")
    changed = contents(other, live=True)
    for moment in ("load", "migrate", "swap"):
        killed(moment, "restore", str(file), "--replace", "--home", str(tmp_path / "new"))
        assert contents(other, live=True) == changed, moment
    done = couture("restore", file, "--replace", "--home", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert contents(other) == old.replace(database.name, other.name)


KILLED = """
import os, sys
from couture_workflow.services.backup import postgresql, restore, restore_database, restore_postgresql
moment = sys.argv.pop(1)
def die(*_, **__):
    os.kill(os.getpid(), 9)
if moment == "migrate":
    restore.migrate = die
for schemas in (restore_postgresql.PostgresqlSchemas, restore_database.Schemas):
    if moment == "swap":
        schemas.swap = die
if moment == "load":
    restore_postgresql._copy_in = restore_database._insert = die
from couture_workflow.cli import main
sys.exit(main())
"""


def killed(moment: str, *words: str) -> None:
    """Run a command that is killed at a moment of a restore."""
    python = str(Path(command()[0]).with_name("python"))
    done = subprocess.run(
        [python, "-c", KILLED, moment, *words],
        env=homes.plain_environment(),
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def run_as_owner(database: Database, text: str) -> None:
    """Run several statements as the user of the database, each as it stands."""
    import psycopg2

    url = database.address.url
    given: dict[str, Any] = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    connection = psycopg2.connect(**given, password=url.password)
    with connection, connection.cursor() as cursor:
        cursor.execute(text)
    connection.close()


def test_a_backup_of_sqlite_goes_into_no_server(database: Database, tmp_path: Path) -> None:
    homes.make(tmp_path / "home")
    assert couture("backup", tmp_path / "b.tar.gz", "--home", tmp_path / "home").returncode == 0

    given = {server_address.VARIABLE: database.url}
    refused = couture("restore", tmp_path / "b.tar.gz", "--home", tmp_path / "new", **given)

    assert refused.returncode == 1
    assert "The backup is of a database of the kind sqlite, and the database here is" in refused.stderr
    assert server_database.check(database.address, began=False).tables == ()
