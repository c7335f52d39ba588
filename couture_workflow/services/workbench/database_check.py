"""Tells what is wrong with a database and what in it no key opens; reads, and changes nothing."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sqlite3
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import InvalidError, StartError
from couture_workflow.services.workbench import server_address, server_database
from couture_workflow.services.workbench.airflow_settings import Layout
from couture_workflow.services.workbench.doctor import Finding
from couture_workflow.services.workbench.server_address import Address

RESTORE = (
    "Stop the workbench, move the file away and restore a backup: couture-workflow restore FILE --replace."
)

#: What every file of SQLite begins with.
_BEGINNING = b"SQLite format 3\0"
#: Offsets in the beginning: bytes of a page, pages, and two counters that are equal if the pages are right.
_PAGE_SIZE, _CHANGES, _PAGES, _CHANGES_OF_PAGES = slice(16, 18), slice(24, 28), slice(28, 32), slice(92, 96)
#: How many damages of one database are told.
_MOST = 5
_TIMEOUT = 30

_AIRFLOW = "Airflow"
#: Whose schema, the table with its revision, and where the revisions are below the package ``airflow``.
SCHEMAS = (
    (_AIRFLOW, "alembic_version", "migrations/versions"),
    ("Airflow's FAB provider", "alembic_version_fab", "providers/fab/migrations/versions"),
)
#: What may be encrypted -> the query for its names and contents. ``key`` is a word of MySQL.
_ENCRYPTED = {
    "password of the connection": (
        "SELECT conn_id, password FROM connection WHERE is_encrypted AND password IS NOT NULL"
    ),
    "extra of the connection": (
        "SELECT conn_id, extra FROM connection WHERE is_extra_encrypted AND extra IS NOT NULL"
    ),
    "variable": "SELECT variable.key, val FROM variable WHERE is_encrypted AND val IS NOT NULL",
}

#: Runs a query and returns its rows.
Ask = Callable[[str], list[Any]]


def check_file(layout: Layout, *, running: bool, keys: list[str]) -> Iterator[Finding]:
    """Look at the SQLite file of an embedded workbench: every page of it, its version and its secrets.

    :param running: whether a workbench may write to it meanwhile.
    :param keys: Fernet keys, one of which must open what is encrypted; none: it is not looked at.
    """
    if problem := problem_at_start(layout):
        yield problem
        return
    path = layout.database
    if not path.exists():
        return
    try:
        with contextlib.closing(_open(path, running=running)) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST})")]
            if found != ["ok"]:
                told = "; ".join(" ".join(line.split()) for line in found[:_MOST])
                yield Finding(path, f"The database is damaged: {told}.", RESTORE)
                return
            yield from check_contents(
                lambda query: connection.execute(query).fetchall(), name=path, keys=keys
            )
    except sqlite3.Error as error:
        yield Finding(path, f"The database is damaged or cannot be read: {error}.", RESTORE)


def check_server(address: Address, *, keys: list[str]) -> Iterator[Finding]:
    """Look at the database of a server: whether it can be used, its version and its secrets."""
    from sqlalchemy import text

    remedy = "couture-workflow run says the same."
    try:
        server_address.check_drivers(address)
        server_database.check(address, began=False)
        with server_database.connected(address) as connection:

            def ask(query: str) -> list[Any]:
                with connection.begin():  # one that fails must not spoil the next
                    return list(connection.execute(text(query)).all())

            yield from check_contents(ask, name=f"database {address.shown}", keys=keys)
    except (StartError, InvalidError) as error:
        yield Finding(f"database {address.shown}", str(error), remedy)


def problem_at_start(layout: Layout) -> Finding | None:
    """Return what a quick look at the SQLite file shows, None if it may be used."""
    path = layout.database
    if not path.exists():
        if not layout.migrated.exists():
            return None  # before the first start
        return Finding(path, "The database is missing.", RESTORE)
    if not path.is_file():
        return Finding(path, "There is something else in the place of the database: no file.", RESTORE)
    try:
        with path.open("rb") as file:
            head, size = file.read(100), file.seek(0, 2)
    except OSError as error:
        remedy = "Give the user who runs the workbench the right to read and write it."
        return Finding(path, f"The database cannot be read: {error.strerror}.", remedy)
    if problem := _problem_of_head(head, size):
        return Finding(path, problem, RESTORE)
    return None


def _problem_of_head(head: bytes, size: int) -> str:
    if not head:
        return "The database is empty: the file has no bytes."
    if not head.startswith(_BEGINNING):
        return "It is no database of SQLite: it begins with other bytes. Something has overwritten it."
    if len(head) < 100:
        return f"The database is cut off: only {size} bytes are left."
    page = int.from_bytes(head[_PAGE_SIZE])
    wanted = (65536 if page == 1 else page) * int.from_bytes(head[_PAGES])
    if head[_CHANGES] == head[_CHANGES_OF_PAGES] and size < wanted:
        return f"The database is cut off: it has {size} bytes instead of {wanted}."
    return ""


def _open(path: Path, *, running: bool) -> sqlite3.Connection:
    """Open a file to read it; without the files of a writer beside it where there is none."""
    log = path.with_name(f"{path.name}-wal")
    alone = not running and not (log.exists() and log.stat().st_size)
    address = f"file:{urllib.parse.quote(str(path))}?mode=ro{'&immutable=1' if alone else ''}"
    return sqlite3.connect(address, uri=True, timeout=_TIMEOUT)


def check_contents(ask: Ask, *, name: Path | str, keys: list[str]) -> Iterator[Finding]:
    """Look at the version of a database of any kind, and at what is encrypted in it."""
    for owner, table, folder in SCHEMAS:
        revisions = [str(row[0]) for row in _rows(ask, f"SELECT version_num FROM {table}")]  # noqa: S608
        if owner == _AIRFLOW and not revisions:
            yield Finding(name, "The database has no tables of Airflow.", RESTORE)
            return
        for revision in revisions:
            if not is_known(revision, folder):
                problem = f"The database is of a newer {owner} (revision {revision}) than is installed."
                remedy = "Install the version of Couture Workflow that used it last, or restore a backup."
                yield Finding(name, problem, remedy)
    if keys:
        yield from _check_secrets(ask, name, keys)


def _rows(ask: Ask, query: str) -> list[Any]:
    """Return the rows of a query, none if there is no such table."""
    from sqlalchemy.exc import OperationalError, ProgrammingError

    try:
        return ask(query)
    except (OperationalError, ProgrammingError):
        return []
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise


def is_known(revision: str, folder: str) -> bool:
    """Tell whether what is installed has a revision of the database.

    :param folder: where its revisions are, below Airflow's package.
    """
    spec = importlib.util.find_spec("airflow")
    package = Path(str(spec.origin)).parent if spec else Path()
    line = re.compile(rf"^revision\s*(?::\s*str\s*)?=\s*['\"]{re.escape(revision)}['\"]", re.MULTILINE)
    return any(
        line.search(path.read_text(encoding="utf-8")) for path in sorted((package / folder).glob("*.py"))
    )


def _check_secrets(ask: Ask, name: Path | str, keys: list[str]) -> Iterator[Finding]:
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet

    try:
        fernet = MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        return  # told where the keys are looked at
    locked = []
    for what, query in _ENCRYPTED.items():
        for title, token in _rows(ask, query):
            try:
                fernet.decrypt(str(token).encode())
            except InvalidToken:
                locked.append(f"the {what} {str(title)!r}")
    if locked:
        more = f" and {len(locked) - _MOST} more" if len(locked) > _MOST else ""
        yield Finding(
            name,
            f"What is encrypted in it cannot be opened with the key: {', '.join(locked[:_MOST])}{more}.",
            "Put the key back that it was saved with (it is in every backup), or enter the secrets again.",
        )
