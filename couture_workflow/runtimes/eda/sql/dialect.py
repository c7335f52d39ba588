"""What the dialects of SQL have in common: an open database, a statement's columns and rows, time limits."""

from __future__ import annotations

import re
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from ..protocol import EdaError

#: Seconds for a connection to stand, and for what a page waits for; a statement's may be in the request.
CONNECT_SECONDS, PAGE_SECONDS, STATEMENT_SECONDS = 10, 45, 3600
#: Tables that a tree has at most.
MOST_TABLES = 1000

_LONGEST_ERROR = 400
_AGAIN = 0.5
_LEAST_SECRET = 3
#: A semicolon at the end, and a comment after it.
_END = re.compile(r"""[\s;]*;\s*(--[^\n'"`$]*)?\s*\Z""")

#: How the type of a column is found out: it is known; by all of its values.
Decided = Literal["", "number", "time", "values"]


@dataclass(frozen=True)
class Incoming:
    """How one column of a statement arrives, and what it becomes.

    :param name: as the database says it; several columns may have the same.
    :param type: DuckDB's, or the fallback where it is decided by the values.
    :param convert: SQL of the value, ``{}`` is where the column's name goes; "" leaves it as it is.
    :param binary: it arrives as bytes, else as text.
    :param decided: by what its type is decided after all rows have been read.
    :param fallible: whether there are values in the database that the type cannot hold.
    """

    name: str
    type: str = "VARCHAR"
    convert: str = ""
    binary: bool = False
    decided: Decided = ""
    fallible: bool = False


@dataclass(frozen=True)
class TreeTable:
    """A table or view in the tree.

    :param rows: an estimate of the database, None if it has none.
    """

    schema: str
    name: str
    kind: str
    rows: int | None = None


class Dialect(ABC):
    """A database that is read: one connection, one transaction that cannot write.

    :param source: of the request, of the kind ``sql``.
    """

    #: The product.
    title = ""
    #: What its driver raises.
    errors: tuple[type[Exception], ...] = ()
    #: Whether texts may be in no known encoding; such characters arrive as U+FFFD.
    lossy = False

    def __init__(self, source: Mapping[str, Any], *, seconds: float) -> None:
        self.source, self.seconds = source, seconds
        self.options: Mapping[str, Any] = source["connect"]
        self.schema, self.table = str(source.get("schema") or ""), str(source.get("table") or "")
        self.query = _END.sub("", str(source.get("query") or "")).strip()
        self._expired = False
        self._secrets = secrets_of(self.options)

    @property
    def place(self) -> str:
        """The connection, in words."""
        name = self.options.get("name")
        return f"the connection {name}" if name else f"the {self.title} database"

    @property
    def what(self) -> str:
        """What is read, in words."""
        if self.query:
            return "the query"
        return f"the table {'.'.join(part for part in (self.schema, self.table) if part)}"

    def said(self, error: BaseException | str) -> str:
        """Return what a driver said on one line, without secrets."""
        text = " ".join(str(error).split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[: _LONGEST_ERROR - 1] + "…" if len(text) > _LONGEST_ERROR else text.rstrip(" .")

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Bound the time of what is done inside, and turn the driver's errors into sentences."""
        done = threading.Event()
        threading.Thread(target=self._watch, args=(done,), daemon=True).start()
        try:
            yield
        except self.errors as error:
            raise (self._too_long() if self._expired else self.explained(error)) from error
        finally:
            done.set()
        if self._expired:
            raise self._too_long()

    def _watch(self, done: threading.Event) -> None:
        """Interrupt what takes too long, again and again: there may be nothing yet to interrupt."""
        wait = self.seconds
        while not done.wait(wait):
            self._expired = True
            self.abort()
            wait = _AGAIN

    def _too_long(self) -> EdaError:
        return EdaError(
            f"{self.place[0].upper()}{self.place[1:]} took more than the {self.seconds:g} seconds that this "
            "may take, and was interrupted. Read less (a limit, a condition, an index), or raise the "
            "option [couture_workflow] eda_sql_seconds.",
            code="timeout",
        )

    def missing(self) -> EdaError:
        """Return the error that the table is not there."""
        return EdaError(
            f"There is no {self.what.removeprefix('the ')} in {self.place}, or its user may not see it. "
            "Choose another table, or give its user the right to read it.",
            code="missing",
            field="sql.table",
        )

    def no_rows_statement(self) -> EdaError:
        """Return the error that a statement is none that reads."""
        return EdaError(
            f"The query gives no columns: only a statement that reads is run in {self.place}. Write one "
            "SELECT.",
            code="query",
            field="sql.query",
        )

    def several(self) -> EdaError:
        """Return the error that a query is more than one statement."""
        return EdaError(
            f"The query has several statements: one at a time is run in {self.place}. Write one SELECT, and "
            "nothing after it.",
            code="query",
            field="sql.query",
        )

    def no_columns(self) -> EdaError:
        """Return the error that a table has no columns."""
        return EdaError(
            f"{self.what[0].upper()}{self.what[1:]} has no columns that {self.place} may read, so there is "
            "nothing to look at. Choose another one.",
            code="empty",
            field="sql.table",
        )

    def credentials(self, said: str) -> EdaError:
        """Return the error that the database does not let the user in."""
        return EdaError(
            f"The database of {self.place} refuses its user: {said}. Correct login and password of the "
            "connection under Admin > Connections.",
            code="credentials",
            field="sql.connection",
        )

    def unreachable(self, said: str) -> EdaError:
        """Return the error that there is no database to talk to."""
        return EdaError(
            f"The database of {self.place} cannot be reached: {said}. Look whether it runs, and correct "
            "host, port and encryption of the connection under Admin > Connections.",
            code="connection",
            field="sql.connection",
        )

    def no_database(self, said: str) -> EdaError:
        """Return the error that the server has no such database."""
        return EdaError(
            f"The server of {self.place} does not open its database: {said}. Correct the schema (database) "
            "of the connection under Admin > Connections.",
            code="missing",
            field="sql.connection",
        )

    def forbidden(self, said: str) -> EdaError:
        """Return the error that a right is lacking."""
        return EdaError(
            f"The user of {self.place} may not read {self.what}: {said}. Give that user the right to read "
            "it, or choose another table.",
            code="refused",
            field="sql.query" if self.query else "sql.table",
        )

    def writes(self, said: str) -> EdaError:
        """Return the error that a statement would change something."""
        return EdaError(
            f"The query does more than read, and {self.place} is only read here: {said}. Write one SELECT.",
            code="refused",
            field="sql.query",
        )

    def lost(self, said: str) -> EdaError:
        """Return the error that the database went away."""
        return EdaError(
            f"{self.place[0].upper()}{self.place[1:]} broke while {self.what} was read: {said}. Look whether "
            "the database runs, then run it again.",
            code="connection",
            field="sql.connection",
        )

    def changed(self, said: str) -> EdaError:
        """Return the error that a table was given another form while it was read."""
        return EdaError(
            f"{self.what[0].upper()}{self.what[1:]} was changed in its form while it was read from "
            f"{self.place}: {said}. Run it again.",
            code="changed",
        )

    def failed(self, said: str) -> EdaError:
        """Return the error that the database does not do the statement."""
        remedy = "Correct the query." if self.query else "Look at its definition in the database."
        return EdaError(
            f"{self.place[0].upper()}{self.place[1:]} cannot read {self.what}: {said}. {remedy}",
            code="query",
            field="sql.query" if self.query else "sql.table",
        )

    @abstractmethod
    def connect(self) -> None:
        """Connect and begin a transaction that only reads, or raise EdaError."""

    @abstractmethod
    def describe(self) -> tuple[Incoming, ...]:
        """Return the columns of what is read, without reading it."""

    @abstractmethod
    def rows(self, limit: int | None) -> Iterator[Sequence[Any]]:
        """Give the rows one after the other; at most ``limit`` leave the database where it can count."""

    @abstractmethod
    def tables(self, wanted: str, schema: str) -> list[TreeTable]:
        """Return tables and views whose name has a text in it, at most one more than ``MOST_TABLES``."""

    @abstractmethod
    def columns(self) -> list[dict[str, Any]]:
        """Return the columns of the table: ``name``, ``type`` in the database's words, ``nullable``."""

    @abstractmethod
    def explained(self, error: Exception) -> EdaError:
        """Return the sentence for a driver's error."""

    @abstractmethod
    def abort(self) -> None:
        """Interrupt what is going on; safe to call from another thread."""

    @abstractmethod
    def close(self) -> None:
        """Leave the database; what has not been read is not waited for."""


def secrets_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what must not be told, longest first, also as it stands in addresses."""
    found = {str(options.get("password") or "")}
    for name, value in dict(options.get("options") or {}).items():
        if isinstance(value, str) and "password" in name:
            found.add(value)
    found |= {quote(each, safe="") for each in found}
    return tuple(sorted((each for each in found if len(each) >= _LEAST_SECRET), key=len, reverse=True))


def shut(line: socket.socket | None) -> Callable[[], None]:
    """Return what ends a connection at once, whoever waits for its answer; nothing where there is none."""

    def end() -> None:
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    return end
