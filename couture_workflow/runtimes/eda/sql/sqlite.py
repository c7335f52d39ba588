"""SQLite: a file that is opened read-only, with an authorizer that lets a statement do nothing but read."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..protocol import EdaError
from ..table import quoted
from .dialect import MOST_TABLES, Dialect, Incoming, TreeTable

_SYSTEM = r"sqlite\_%"
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
#: Functions that reach beyond the database.
_REFUSED = ("load_extension", "fts3_tokenizer", "readfile", "writefile", "edit")
#: First word of a declared type -> type that texts or numbers of the column are taken for, if all can be.
_DECLARED = {
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMP",
    "TIME": "TIME",
    "BOOLEAN": "BOOLEAN",
    "BOOL": "BOOLEAN",
    "INTEGER": "BIGINT",
    "INT": "BIGINT",
    "BIGINT": "BIGINT",
    "REAL": "DOUBLE",
    "DOUBLE": "DOUBLE",
    "FLOAT": "DOUBLE",
    "BLOB": "BLOB",
}


class Sqlite(Dialect):
    """A file of SQLite."""

    title = "SQLite"
    errors = (sqlite3.Error, OSError)
    lossy = True

    def __init__(self, source: Mapping[str, Any], *, seconds: float) -> None:
        super().__init__(source, seconds=seconds)
        self._connection: sqlite3.Connection | None = None
        self._cursor: sqlite3.Cursor | None = None
        self._refused = ""

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("there is no connection")
        return self._connection

    def connect(self) -> None:
        """Open the file and begin to read: nobody's later change is seen."""
        path = Path(str(self.options.get("path") or ""))
        self._check(path)
        address = f"file:{quote(str(path))}?mode=ro"
        self._connection = sqlite3.connect(
            address, uri=True, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        for statement in ("pragma query_only = on", "pragma trusted_schema = off", "begin"):
            self._connection.execute(statement)
        self._connection.execute("select count(*) from sqlite_schema").fetchone()

    def _check(self, path: Path) -> None:
        try:
            found = path.stat()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise EdaError(
                f"There is no file {path} for {self.place}: {reason}. Correct the host (path of the file) "
                "of the connection under Admin > Connections.",
                code="missing",
            ) from error
        if not stat.S_ISREG(found.st_mode):
            raise EdaError(f"{path} of {self.place} is no file. Correct its path.", code="missing")

    def describe(self) -> tuple[Incoming, ...]:
        """Return the columns; a statement of SQLite says them when it begins."""
        declared = self._declared()
        statement = self.query or f"select * from {self._name()}"  # noqa: S608
        self._open.set_authorizer(self._authorized)
        self._cursor = self._open.cursor()
        self._cursor.execute(statement)
        if not self._cursor.description:
            raise self.no_rows_statement()
        return tuple(
            Incoming(name, type=declared.get(name, "VARCHAR"), decided="values")
            for name, *_ in self._cursor.description
        )

    def _authorized(self, action: int, one: str | None, other: str | None, *_: str | None) -> int:
        allowed = action in _ALLOWED and not (
            action == sqlite3.SQLITE_FUNCTION and str(other).lower() in _REFUSED
        )
        if not allowed and action != sqlite3.SQLITE_PRAGMA:
            self._refused = self._refused or str(one or other or "this statement")
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    def _declared(self) -> dict[str, str]:
        if self.query:
            return {}
        return {column["name"]: _DECLARED.get(_word(column["type"]), "VARCHAR") for column in self.columns()}

    def _name(self) -> str:
        return f"{quoted(self.schema or 'main')}.{quoted(self.table)}"

    def rows(self, limit: int | None) -> Iterator[Sequence[Any]]:
        """Give the rows of the statement that has begun."""
        if self._cursor is None:
            raise RuntimeError("there is no statement")
        return iter(self._cursor)

    def tables(self, wanted: str, schema: str) -> list[TreeTable]:
        """Return tables and views of the file."""
        if schema not in ("", "main"):
            return []
        found = self._open.execute(
            "select name, type from sqlite_schema where type in ('table', 'view') and name not like ? "
            "escape '\\' "
            "and (? = '' or instr(lower('main.' || name), lower(?)) > 0) order by name limit ?",
            (_SYSTEM, wanted, wanted, MOST_TABLES + 1),
        )
        return [TreeTable("main", name, kind) for name, kind in found]

    def columns(self) -> list[dict[str, Any]]:
        """Return the columns of the table."""
        if self.schema not in ("", "main"):
            raise self.missing()
        found = self._open.execute(
            'select name, type, "notnull" from pragma_table_xinfo(?, ?) where hidden <> 1',
            (self.table, "main"),
        ).fetchall()
        if not found:
            raise self.missing()
        return [{"name": name, "type": kind, "nullable": not filled} for name, kind, filled in found]

    def explained(self, error: Exception) -> EdaError:
        """Return the sentence for an error of SQLite."""
        said = self.said(error)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if self._refused or code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY):
            return self.writes(self._refused and f"{self._refused} is not allowed" or said)
        if "one statement at a time" in said:
            return self.several()
        if code == sqlite3.SQLITE_NOTADB:
            return self.no_database(f"{self.options.get('path')} is no file of SQLite ({said})")
        if code == sqlite3.SQLITE_CANTOPEN:
            return self.no_database(f"{self.options.get('path')}: {said}")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR):
            return self.lost(f"the file is damaged ({said})")
        if code == sqlite3.SQLITE_BUSY:
            return self.unreachable(f"another program is writing ({said})")
        if not self.query and said.startswith("no such table"):
            return self.missing() if self.table in said else self.failed(said)
        return self.failed(said)

    def abort(self) -> None:
        """Interrupt the statement."""
        if self._connection is not None:
            self._connection.interrupt()

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _word(declared: str) -> str:
    return declared.upper().partition("(")[0].partition(" ")[0].strip()
