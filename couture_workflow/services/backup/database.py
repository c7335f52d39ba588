"""The database in a backup: an SQLite file, or the tables of a server, each one snapshot.

PostgreSQL has a module of its own (``postgresql``). MySQL's rows are JSON lines, written as the text that
MySQL itself makes of them, and read back by it, so that every type keeps its value; contents that are no
text are in hexadecimal. Tables come with the statement that makes them. Nothing in it is a script: a
restore only executes single statements that make a table or insert rows.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import ArchiveError, StorageError
from couture_workflow.services.backup import postgresql
from couture_workflow.services.backup.place import Place
from couture_workflow.store import atomic
from couture_workflow.store.backup_archives import Writer
from couture_workflow.store.blobs import CHUNK

SQLITE = "database/airflow.db"
SCHEMA = "database/schema.json"
ROWS = "database/rows/"
#: Tables that hold the revision of a schema.
REVISIONS = ("alembic_version", "alembic_version_fab")

_PIECE = 8 * 2**20
_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"})
_NAME = re.compile(r"[A-Za-z0-9_$]{1,64}")


@dataclass(frozen=True)
class Table:
    """A table of MySQL.

    :param create: the statement that makes it.
    :param columns: those that are not computed from others.
    :param binary: those whose contents are no text.
    """

    name: str
    create: str
    columns: tuple[str, ...]
    binary: frozenset[str]
    reals: frozenset[str] = frozenset()

    def select(self) -> str:
        """Return the query for all rows, each value as text."""
        return f"SELECT {', '.join(map(self._text, self.columns))} FROM {quoted(self.name)}"  # noqa: S608

    def insert(self, count: int) -> str:
        """Return the statement that inserts some rows."""
        row = ", ".join("UNHEX(%s)" if name in self.binary else "%s" for name in self.columns)
        columns = ", ".join(quoted(name).replace("%", "%%") for name in self.columns)
        rows = ", ".join([f"({row})"] * count)
        return f"INSERT INTO {quoted(self.name)} ({columns}) VALUES {rows}"  # noqa: S608

    def _text(self, column: str) -> str:
        if column in self.binary:
            return f"HEX({quoted(column)})"
        if column in self.reals:  # MySQL shows six digits of a FLOAT otherwise
            return f"CAST({quoted(column)} + 0E0 AS CHAR)"
        return f"CAST({quoted(column)} AS CHAR)"


def quoted(name: str) -> str:
    """Return an identifier as MySQL takes it."""
    return "`" + name.replace("`", "``") + "`"


def connect(url: str) -> Any:
    """Return SQLAlchemy's connection; closing it disconnects."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine(url, poolclass=NullPool).connect()


@contextlib.contextmanager
def errors(what: str) -> Iterator[None]:
    """Turn what a database says into one sentence without any password.

    :param what: what could not be done.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        origin = getattr(error, "orig", None) or error
        said = origin.args[-1] if origin.args else type(origin).__name__
        raise StorageError(f"{what}: the database says: {said}. Look at its log, then try again.") from error


def dump(place: Place, writer: Writer, folder: Path) -> dict[str, Any]:
    """Write the database as it is at one instant and return what the manifest says of it.

    :param folder: for a copy of an SQLite file.
    """
    if place.kind == "sqlite":
        return _dump_sqlite(place.database, writer, folder)
    if place.kind == "postgresql":
        return postgresql.dump(place.url, writer.add_bytes, SCHEMA, ROWS)
    with errors("The database cannot be read"), connect(place.url) as connection:
        return _dump_mysql(connection, writer)


def size(place: Place) -> int:
    """Return about how many bytes the database takes."""
    if place.kind == "sqlite":
        return sum(path.stat().st_size for path in place.database.parent.glob(f"{place.database.name}*"))
    if place.kind == "postgresql":
        return postgresql.size(place.url)
    with errors("The database cannot be read"), connect(place.url) as connection:
        query = "SELECT SUM(data_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
        return int(connection.exec_driver_sql(query).scalar() or 0)


def _dump_sqlite(database: Path, writer: Writer, folder: Path) -> dict[str, Any]:
    copy = folder / "airflow.db"
    with errors(f"The database {database} cannot be copied"):
        with (
            contextlib.closing(
                sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=60)
            ) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
            if (problem := target.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise StorageError(
                    f"The database {database} is damaged: {problem}. Restore it from a backup."
                )
            revisions = sqlite_revisions(target)
    with atomic.reading_errors(copy), copy.open("rb") as file:
        writer.add(SQLITE, copy.stat().st_size, iter(lambda: file.read(CHUNK), b""))
    copy.unlink()
    return {"kind": "sqlite", "server": sqlite3.sqlite_version, "revisions": revisions}


def sqlite_revisions(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the revision of each schema in an SQLite file."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    found = {}
    for table in names.intersection(REVISIONS):
        row = connection.execute(f"SELECT version_num FROM {table}").fetchone()  # noqa: S608
        found[table] = row[0] if row else ""
    return found


def prepare_session(connection: Any) -> str:
    """Set up a MySQL session for values that come and go as they are; return "mysql" or "mariadb"."""
    version = str(connection.exec_driver_sql("SELECT VERSION()").scalar())
    for setting in (
        "NAMES utf8mb4",
        "time_zone = '+00:00'",
        "SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
        "SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    ):
        connection.exec_driver_sql(f"SET {setting}")
    return "mariadb" if "mariadb" in version.lower() else "mysql"


def _dump_mysql(connection: Any, writer: Writer) -> dict[str, Any]:
    kind = prepare_session(connection)
    server = str(connection.exec_driver_sql("SELECT VERSION()").scalar())
    connection.exec_driver_sql("COMMIT")
    connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    tables = list(_tables(connection))
    revisions = {
        table.name: str(connection.exec_driver_sql(f"SELECT version_num FROM {table.name}").scalar() or "")  # noqa: S608
        for table in tables
        if table.name in REVISIONS
    }
    schema = [
        {"name": t.name, "create": t.create, "columns": t.columns, "binary": sorted(t.binary)} for t in tables
    ]
    writer.add_bytes(SCHEMA, json.dumps(schema, indent=1).encode())
    pieces = _Pieces(writer)
    counts = {}
    for number, table in enumerate(tables):
        result = connection.execution_options(stream_results=True, max_row_buffer=500).exec_driver_sql(
            table.select().replace("%", "%%")
        )
        counts[table.name] = sum(pieces.add(number, row) for row in result)
        pieces.flush()
    return {"kind": kind, "server": server, "revisions": revisions, "rows": counts}


class _Pieces:
    """Rows on their way into the archive, some megabytes at a time; no file of it has rows of two tables."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._lines: list[bytes] = []
        self._size = 0
        self._table = 0
        self._count = 0

    def add(self, table: int, row: Iterable[Any]) -> int:
        self._table = table
        line = json.dumps([_plain(value) for value in row], ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
        self._lines.append(line + b"\n")
        self._size += len(line)
        if self._size > _PIECE:
            self.flush()
        return 1

    def flush(self) -> None:
        if self._lines:
            self._writer.add_bytes(f"{ROWS}{self._table:04}/{self._count:08}.jsonl", b"".join(self._lines))
            self._count += 1
        self._lines, self._size = [], 0


def _plain(value: Any) -> str | None:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8")
    return None if value is None else str(value)


def _tables(connection: Any) -> Iterator[Table]:
    names = connection.exec_driver_sql(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
        "AND table_type = 'BASE TABLE' ORDER BY table_name"
    ).scalars()
    for name in [str(name) for name in names]:
        create = connection.exec_driver_sql(f"SHOW CREATE TABLE {quoted(name)}".replace("%", "%%")).one()[1]
        rows = connection.exec_driver_sql(
            "SELECT column_name, data_type, extra FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
            (name,),
        ).all()
        kept = [
            (str(column), str(kind).lower()) for column, kind, extra in rows if not _is_computed(str(extra))
        ]
        yield Table(
            name,
            str(create),
            tuple(column for column, _ in kept),
            frozenset(column for column, kind in kept if kind in _BINARY),
            frozenset(column for column, kind in kept if kind == "float"),
        )


def _is_computed(extra: str) -> bool:
    words = extra.upper()
    return "VIRTUAL" in words or "STORED" in words or "PERSISTENT" in words


def parse_schema(content: bytes) -> list[Table]:
    """Return the tables that a backup holds, or raise ``ArchiveError``."""
    try:
        found = [
            Table(str(data["name"]), str(data["create"]), tuple(data["columns"]), frozenset(data["binary"]))
            for data in json.loads(content)
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(f"The list of tables in the backup cannot be read: {error}.") from error
    for table in found:
        if not _NAME.fullmatch(table.name) or not table.create.startswith(
            f"CREATE TABLE {quoted(table.name)} ("
        ):
            raise ArchiveError(
                f"The backup would make a table {table.name!r} with something else than its name."
            )
    return found
