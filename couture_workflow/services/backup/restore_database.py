"""The database of a backup, made complete beside the one that is there, and put in its place in one step.

PostgreSQL has a module of its own (``restore_postgresql``). SQLite: a file beside the file. MySQL: a schema
of its own (``<name>_restore``); one ``RENAME TABLE`` moves the tables that are there into
``<name>_restore_old`` and the new ones to where they were.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import ArchiveError, StartError
from couture_workflow.services.backup.database import connect, errors, prepare_session, quoted
from couture_workflow.services.backup.place import Place
from couture_workflow.services.backup.restore_postgresql import PostgresqlSchemas
from couture_workflow.services.backup.restore_staging import Staging
from couture_workflow.services.containers import secrets as container_secrets

_MIGRATIONS = {
    "alembic_version": ("Airflow", "migrations"),
    "alembic_version_fab": ("the FAB provider of Airflow", "providers/fab/migrations"),
}
_ROWS = 500
_BYTES = 2**20
_REVISION = re.compile(r"[0-9a-f]{12}")


def check_revisions(revisions: Mapping[str, str], airflow_version: str) -> None:
    """Refuse a database that a newer Airflow wrote."""
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    found = importlib.util.find_spec("airflow")
    package = Path(str(found.origin)).parent if found else Path()
    for table, (owner, folder) in _MIGRATIONS.items():
        if not (revision := revisions.get(table, "")):
            continue
        try:
            known = bool(_REVISION.fullmatch(revision)) and ScriptDirectory(
                str(package / folder)
            ).get_revision(revision)
        except CommandError:
            known = False
        if not known:
            raise ArchiveError(
                f"The backup is of Airflow {airflow_version}, whose database this version does not know "
                f"(revision {revision!r} of {owner}). Install the version of Couture Workflow that made it, "
                "or a "
                "newer one, then restore."
            )


def migrate(url: str, place: Place, log: Path) -> None:
    """Bring a database up to date, in a process of its own.

    :param url: SQLAlchemy's address of it.
    :param log: file that gets what is said.
    """
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "couture_workflow.services.workbench.database"],
            input=b"{}",
            stdout=output,
            stderr=subprocess.STDOUT,
            env=place.environment(url=url),
        )
    if done.returncode:
        text = log.read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip() and "(Background on" not in line]
        raise StartError(
            "The database of the backup cannot be brought up to date "
            f"({lines[-1] if lines else 'no message'}). "
            f"Nothing was changed. The whole story is in {log}."
        )


def schemas_of(place: Place) -> Schemas | PostgresqlSchemas:
    """Return the schemas of a restore on the server of an installation."""
    return PostgresqlSchemas(place) if place.kind == "postgresql" else Schemas(place)


class Schemas:
    """The three schemas of a restore on MySQL.

    :param place: the installation, whose own user is used unless the secrets of a container have another.
    """

    def __init__(self, place: Place) -> None:
        from sqlalchemy.engine import make_url

        self._place = place
        url = make_url(place.url)
        root = container_secrets.ROOT / "mysql" / "root_password"
        if not place.embedded and root.is_file() and os.access(root, os.R_OK):
            url = url.set(username="root", password=container_secrets.read("mysql/root_password"))
        self._url = url
        self.main = str(url.database)
        self.new = f"{self.main}_restore"
        self.old = f"{self.main}_restore_old"

    def address(self, schema: str) -> str:
        """Return the address of one of the schemas."""
        return str(self._url.set(database=schema).render_as_string(hide_password=False))

    def users(self) -> list[str]:
        """Return the hosts that are connected to the database now, beside this process."""
        with (
            errors("The database cannot be asked who uses it"),
            connect(self.address(self.main)) as connection,
        ):
            rows = connection.exec_driver_sql(
                "SELECT host FROM information_schema.processlist WHERE db = DATABASE() AND id <> "
                "CONNECTION_ID()"
            ).scalars()
            return sorted({str(host).partition(":")[0] for host in rows})

    def load(self, staging: Staging) -> None:
        """Fill the new schema from a backup."""
        tables = staging.tables()
        what = (
            f"The database of the backup cannot be written into the schema {self.new} (its user needs: GRANT "
            "ALL "
            f"ON `{self.main}\\_restore%`.* TO ...)"
        )
        with errors(what), connect(self.address(self.main)) as connection:
            self.drop(connection)
            charset = connection.exec_driver_sql(
                "SELECT @@character_set_database, @@collation_database"
            ).one()
            for schema in (self.new, self.old):
                connection.exec_driver_sql(
                    f"CREATE DATABASE {quoted(schema)} CHARACTER SET {charset[0]} COLLATE {charset[1]}"
                )
            connection.exec_driver_sql(f"USE {quoted(self.new)}")
            prepare_session(connection)
            connection.exec_driver_sql("SET foreign_key_checks = 0")
            connection.exec_driver_sql("SET unique_checks = 0")
            for table in tables:
                connection.exec_driver_sql(table.create.replace("%", "%%"))
            for number, table in enumerate(tables):
                for path in staging.rows(number):
                    _insert(connection, table, path)
            connection.exec_driver_sql("COMMIT")

    def swap(self, new_tables: set[str]) -> None:
        """Put the new tables in place of the old ones; done again, it goes on where it was stopped.

        :param new_tables: every table that the new schema held at first.
        """
        with errors("The new tables cannot be put in place"), connect(self.address(self.main)) as connection:
            waiting = _names(connection, self.new)
            present = _names(connection, self.main)
            there = present - (new_tables - waiting)
            moves = [(self.main, self.old, name) for name in sorted(there)] if waiting else []
            moves += [(self.new, self.main, name) for name in sorted(waiting)]
            if moves:
                renames = (f"{_full(source, name)} TO {_full(to, name)}" for source, to, name in moves)
                connection.exec_driver_sql(f"RENAME TABLE {', '.join(renames)}")

    def tables(self) -> set[str]:
        """Return the tables of the new schema."""
        with errors("The new tables cannot be listed"), connect(self.address(self.main)) as connection:
            return _names(connection, self.new)

    def clean(self) -> None:
        """Remove the schemas that a restore needed."""
        with (
            errors("The schemas of the restore cannot be removed"),
            connect(self.address(self.main)) as connection,
        ):
            self.drop(connection)

    def drop(self, connection: Any) -> None:
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        for schema in (self.new, self.old):
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted(schema)}")


def _insert(connection: Any, table: Any, path: Path) -> None:
    rows: list[list[Any]] = []
    size = 0
    with path.open("rb") as lines:
        for line in lines:
            try:
                row = json.loads(line)
                if not isinstance(row, list) or len(row) != len(table.columns):
                    raise ValueError("a row has not as many values as the table")
            except ValueError as error:
                raise ArchiveError(
                    f"The rows of {table.name} in the backup make no sense: {error}."
                ) from error
            rows.append(row)
            size += len(line)
            if len(rows) == _ROWS or size > _BYTES:
                _execute(connection, table, rows)
                rows, size = [], 0
    if rows:
        _execute(connection, table, rows)


def _execute(connection: Any, table: Any, rows: list[list[Any]]) -> None:
    connection.exec_driver_sql(table.insert(len(rows)), tuple(value for row in rows for value in row))


def _names(connection: Any, schema: str) -> set[str]:
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
    return {str(name) for name in connection.exec_driver_sql(query, (schema,)).scalars()}


def _full(schema: str, name: str) -> str:
    return f"{quoted(schema)}.{quoted(name)}".replace("%", "%%")
