"""A database server of the embedded workbench: whether it can be used, by whom, and whether it answers."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from couture_workflow.exceptions import InvalidError, StartError
from couture_workflow.services.workbench.server_address import Address

#: Seconds to wait for a server at a start, and later, and between two looks whether it still holds our claim.
PATIENCE, SHORT_PATIENCE, LOOK = 10, 3, 5.0
#: The oldest version of each that Airflow supports.
OLDEST = {"postgresql": (13, "PostgreSQL 13"), "mysql": (8, "MySQL 8.0")}
REVISIONS = ("alembic_version", "alembic_version_fab")

#: Any number that nobody else takes; it stands for the workbench in the database's list of locks.
_CLAIM = 7_218_940_136_221
_MOST = 5


@dataclass(frozen=True)
class State:
    """What a database holds.

    :param revisions: of each schema of Airflow that is in it.
    :param tables: all its tables.
    """

    revisions: dict[str, str]
    tables: tuple[str, ...]


@contextlib.contextmanager
def connected(address: Address, *, patience: int = PATIENCE) -> Iterator[Any]:
    """Give a connection; ``StartError`` with one sentence where there is none."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    given = {} if "connect_timeout" in address.url.query else {"connect_timeout": patience}
    try:
        with create_engine(address.url, poolclass=NullPool, connect_args=given).connect() as connection:
            yield connection
    except DBAPIError as error:
        raise StartError(_sentence(address, error.orig)) from error


def answers(address: Address) -> bool:
    """Tell whether the server lets us in now."""
    try:
        with connected(address, patience=SHORT_PATIENCE) as connection:
            return bool(connection.exec_driver_sql("SELECT 1").scalar())
    except StartError:
        return False


def _sentence(address: Address, error: BaseException | None) -> str:
    """Return what is wrong and what to do about it, without the password."""
    said = _said(error)
    where, user, name = address.shown, address.url.username or "", address.url.database
    for pattern, text in _KNOWN[address.kind]:
        if re.search(pattern, said, re.IGNORECASE):
            return text.format(where=where, user=user, name=name, host=address.url.host or "this machine")
    return f"The database {where} cannot be used: it says {said!r}. Look at COUTURE_DATABASE and its log."


def _said(error: BaseException | None) -> str:
    words = " ".join(str(part) for part in (error.args if error else ()))
    return " ".join(words.split()).replace("connection to server at ", "")[:300]


_REFUSED = (
    "The database {where} does not let the user in: the password in COUTURE_DATABASE is wrong, or there is "
    "no such user. Correct it (special characters as %NN)."
)
_RIGHTS = (
    "The user of {where} may not make tables there: type in that database, as its owner, GRANT ALL ON SCHEMA "
    "public TO {user}."
)
_AWAY = (
    "The database {where} does not answer at that address: start its server, or correct host and port in "
    "COUTURE_DATABASE."
)
_NAMELESS = (
    "There is no database {name} on the server of {where}: make it there ({made}), or correct the name in "
    "COUTURE_DATABASE."
)
_FULL = "The database {where} has no connection left: raise max_connections of its server."
_KNOWN = {
    "postgresql": (
        (r"password authentication failed|no password supplied|role .* does not exist", _REFUSED),
        (r"database .* does not exist", _NAMELESS.replace("{made}", "CREATE DATABASE {name} OWNER {user}")),
        (
            r"no pg_hba\.conf entry",
            "The database {where} does not let this machine in: add a line for it to pg_hba.conf of its "
            "server, or ask for another sslmode in COUTURE_DATABASE.",
        ),
        (
            r"does not support SSL",
            "The database {where} does not encrypt: switch ssl on at its server, or take sslmode out of "
            "COUTURE_DATABASE.",
        ),
        (
            r"certificate",
            "The certificate of the database {where} is not trusted: name the right sslrootcert in "
            "COUTURE_DATABASE.",
        ),
        (
            r"permission denied for database",
            "The user of {where} may not connect: GRANT CONNECT, CREATE ON DATABASE {name} TO {user}.",
        ),
        (r"permission denied for (table|schema|relation|sequence)", _RIGHTS),
        (r"too many (clients|connections)|remaining connection slots", _FULL),
        (
            r"refused|could not translate|timeout|timed out|no route|unreachable|No such file|starting up|"
            r"shutting down|closed the connection",
            _AWAY,
        ),
    ),
    "mysql": (
        (r"^1045\b", _REFUSED),
        (r"^1049\b", _NAMELESS.replace("{made}", "CREATE DATABASE {name} CHARACTER SET utf8mb4")),
        (r"^1044\b", "The user of {where} may not use it: GRANT ALL ON {name}.* TO the user."),
        (r"^(1040|1203)\b", _FULL),
        (r"^(2002|2003|2005|2006|2013)\b", _AWAY),
    ),
}


def check(address: Address, *, began: bool) -> State:
    """Return what the database holds; ``StartError`` with one sentence if the workbench cannot use it.

    :param began: whether the tables in it are what a start of this home left that was ended in the middle.
    """
    with connected(address) as connection:
        _LOOKS[address.kind](connection, address)
        state = _state(connection)
    if "alembic_version" not in state.revisions and state.tables and not began:
        named = ", ".join([*state.tables[:_MOST], *(["..."] if len(state.tables) > _MOST else [])])
        raise StartError(
            f"The database {address.shown} has tables of something else ({named}): make a "
            "database for the workbench alone, and name it in COUTURE_DATABASE."
        )
    return state


def _scalar(connection: Any, query: str) -> Any:
    return connection.exec_driver_sql(query).scalar()


def _state(connection: Any) -> State:
    from sqlalchemy import inspect

    tables = sorted(inspect(connection).get_table_names())
    found = {
        name: str(_scalar(connection, f"SELECT MAX(version_num) FROM {name}") or "")  # noqa: S608
        for name in REVISIONS
        if name in tables
    }
    return State({name: revision for name, revision in found.items() if revision}, tuple(tables))


def _too_old(address: Address, version: str) -> StartError:
    return StartError(
        f"The database {address.shown} is of the version {version}, and Airflow needs "
        f"{OLDEST[address.kind][1]} or newer: upgrade its server, or name another in COUTURE_DATABASE."
    )


def _look_at_postgresql(connection: Any, address: Address) -> None:
    if int(_scalar(connection, "SHOW server_version_num")) // 10_000 < OLDEST["postgresql"][0]:
        raise _too_old(address, str(_scalar(connection, "SHOW server_version")))
    if (encoding := str(_scalar(connection, "SHOW server_encoding"))) != "UTF8":
        raise StartError(
            f"The database {address.shown} stores text as {encoding}, which not every text can be written "
            "in: make another one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0."
        )
    if _scalar(connection, "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool"):
        raise StartError(
            f"The database {address.shown} can only be read: name the primary server in COUTURE_DATABASE."
        )
    schema = _scalar(connection, "SELECT current_schema()")
    query = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
    if schema is None or not _scalar(connection, query):
        raise StartError(_RIGHTS.format(where=address.shown, user=address.url.username or "its user"))


def _look_at_mysql(connection: Any, address: Address) -> None:
    version = str(_scalar(connection, "SELECT VERSION()"))
    number = re.match(r"\d+", version)
    if number is None or int(number[0]) < OLDEST["mysql"][0]:
        raise _too_old(address, version)
    charset = str(_scalar(connection, "SELECT @@character_set_database"))
    if charset != "utf8mb4":
        raise StartError(
            f"The database {address.shown} stores text as {charset}, which not every text can be written "
            f"in: type ALTER DATABASE {address.url.database} CHARACTER SET utf8mb4."
        )


_LOOKS: dict[str, Callable[[Any, Address], None]] = {
    "postgresql": _look_at_postgresql,
    "mysql": _look_at_mysql,
}


def check_backup(address: Address) -> None:
    """Raise ``InvalidError`` for a database of which a backup would be incomplete."""
    if address.kind != "mysql":
        return
    query = (
        "SELECT COUNT(*) FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_type = 'SEQUENCE'"
    )
    with connected(address) as connection:
        count = int(_scalar(connection, query))
    if count:
        raise InvalidError(
            f"The database {address.shown} is MariaDB's and has {count} sequences, which a backup does not "
            "hold: nothing could be added after a restore. Back it up with mariadb-dump, and the home by a "
            "copy, while the workbench is stopped; or use MySQL or PostgreSQL."
        )


class Claim:
    """The database for one workbench at a time: a lock in the server, which ends with its connection.

    Where the server goes away the lock goes with it; it is taken again when the server is back.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._stack = contextlib.ExitStack()
        self._connection: Any = None
        self._looked = 0.0
        self.away = False

    def take(self) -> None:
        """Take it; ``StartError`` if another workbench has it."""
        if not self._taken(PATIENCE):
            self.release()
            raise StartError(
                f"Another workbench, or a restore, uses the database {self._address.shown}: stop it, or make "
                "a database of its own for this one, and name it in COUTURE_DATABASE."
            )

    def _taken(self, patience: int) -> bool:
        self._connection = self._stack.enter_context(connected(self._address, patience=patience))
        query = f"SELECT pg_try_advisory_lock({_CLAIM})"
        if self._address.kind == "mysql":
            query = f"SELECT GET_LOCK(CONCAT('{_CLAIM}-', LEFT(DATABASE(), 40)), 0)"
        taken = bool(_scalar(self._connection, query))
        self._connection.commit()  # an open transaction would keep old rows from being swept
        return taken

    def look(self, report: Callable[[str], None]) -> None:
        """Look, every few seconds, whether the server is still there, and tell when it goes and comes."""
        from sqlalchemy.exc import DBAPIError

        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        try:
            if self._connection is not None:
                _scalar(self._connection, "SELECT 1")
                self._connection.commit()
                return
        except DBAPIError:
            self.release()
        self._come_back(report)

    def _come_back(self, report: Callable[[str], None]) -> None:
        try:
            taken = self._taken(SHORT_PATIENCE)
        except StartError as error:
            self.release()
            if not self.away:
                report(f"{error} The workbench goes on when it answers.")
            self.away = True
            return
        report(f"The database {self._address.shown} is there again.")
        if not taken:
            report("Another connection holds it for a workbench; make sure that no other one uses it.")
        self.away = False

    def release(self) -> None:
        """Give it up."""
        from sqlalchemy.exc import SQLAlchemyError

        with contextlib.suppress(SQLAlchemyError, StartError):
            self._stack.close()
        self._connection = None
