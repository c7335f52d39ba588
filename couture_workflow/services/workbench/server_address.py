"""The address of a database server in the place of the embedded workbench's SQLite: ``COUTURE_DATABASE``.

One address is given, Airflow needs two: one for each driver. Both stay in files of mode 0600 beside the keys,
from which Airflow and every command read them, so that the password is in no argument and no environment of
a service, and a later command finds the database without being told again.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.workbench.airflow_settings import Layout, load_keys, write_private

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

VARIABLE = "COUTURE_DATABASE"
#: What the variable is where the database is the file in the home.
SQLITE = "sqlite"

_FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
#: Kind -> the drivers that wait and that do not, and the package of each.
_DRIVERS = {
    "postgresql": (("psycopg2", "psycopg2"), ("asyncpg", "asyncpg")),
    "mysql": (("mysqldb", "MySQLdb"), ("aiomysql", "aiomysql")),
}
_EXTRAS = {"postgresql": "postgresql", "mysql": "cluster"}
_SCHEMES = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
_PARAMETERS = {
    "postgresql": ("host", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout"),
    "mysql": ("charset", "unix_socket"),
}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
#: What PostgreSQL's drivers read from the environment where their addresses cannot have it both.
_SSL_FILES = {"sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}


@dataclass(frozen=True)
class Address:
    """Where the database is.

    :param url: for the driver that waits; with the password.
    """

    url: URL

    @property
    def kind(self) -> str:
        """Return "postgresql" or "mysql"."""
        return self.url.get_backend_name()

    @property
    def text(self) -> str:
        """Return the address as SQLAlchemy takes it, with the password."""
        return self.url.render_as_string(hide_password=False)

    @property
    def asynchronous(self) -> str:
        """Return the same for the driver that does not wait; asyncpg has another name for ``sslmode``."""
        query = {name: value for name, value in self.url.query.items() if name not in _SSL_FILES}
        query.pop("connect_timeout", None)
        if mode := query.pop("sslmode", None):
            query["ssl"] = mode
        driver = _DRIVERS[self.kind][1][0]
        found = self.url.set(drivername=f"{self.kind}+{driver}", query=query)
        return found.render_as_string(hide_password=False)

    @property
    def shown(self) -> str:
        """Return the address for people: without the password and the parameters."""
        socket = self.url.query.get("host") or self.url.query.get("unix_socket") or ""
        host = f"[{self.url.host}]" if ":" in (self.url.host or "") else self.url.host or str(socket)
        port = f":{self.url.port}" if self.url.port else ""
        user = f"{self.url.username}@" if self.url.username else ""
        return f"{self.kind}://{user}{host}{port}/{self.url.database}"

    @property
    def variables(self) -> dict[str, str]:
        """Return what the services need in their environment beside it."""
        files = {_SSL_FILES[name]: value for name, value in self.url.query.items() if name in _SSL_FILES}
        return {name: str(value) for name, value in files.items()}


def parse(given: str) -> Address:
    """Return what an address says; ``InvalidError`` with one sentence, which never has the password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    scheme = given.partition("://")[0].partition("+")[0].lower()
    if scheme not in _SCHEMES or "://" not in given:
        raise InvalidError(
            f"{VARIABLE} names no database that the workbench can use: set it to {_FORM}, to mysql://... or "
            f"to {SQLITE}."
        )
    try:
        url = make_url(f"{_SCHEMES[scheme]}://{given.partition('://')[2]}")
    except (ArgumentError, ValueError):
        raise InvalidError(f"{VARIABLE} is no address of a database: write it as {_FORM}.") from None
    if "@" in (url.host or "") or "/" in (url.database or ""):
        raise InvalidError(
            f"{VARIABLE} cannot be read, as a character of the password counts as one of the address: write "
            "it in the password as a percent sign and its number, such as %40 for @."
        )
    return Address(_complete(url, _SCHEMES[scheme]))


def _complete(url: URL, kind: str) -> URL:
    from sqlalchemy.engine import make_url

    if not url.database:
        raise InvalidError(f"{VARIABLE} names no database at its end: write it as {_FORM}.")
    for name, value in url.query.items():
        if name not in _PARAMETERS[kind]:
            hint = ": set it at the role (ALTER ROLE ... SET ...)" if name == "options" else ""
            raise InvalidError(
                f"{VARIABLE} has the parameter {name!r}, which the workbench does not know{hint}; these can "
                f"be given: {', '.join(_PARAMETERS[kind])}."
            )
        if name == "sslmode" and value not in _SSL_MODES:
            raise InvalidError(f"{VARIABLE} has a wrong sslmode: give one of {', '.join(_SSL_MODES)}.")
    if kind == "postgresql" and (url.host or "").lower().startswith("%2f"):  # a folder, as libpq writes it
        given = url.set(host="").update_query_dict({"host": unquote(str(url.host))})
        url = make_url(given.render_as_string(hide_password=False))  # one host, and none that is empty
    if kind == "mysql" and "charset" not in url.query:
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url.set(drivername=f"{kind}+{_DRIVERS[kind][0][0]}")


def check_drivers(address: Address) -> None:
    """Refuse a kind of database whose drivers are not installed."""
    absent = [package for _, package in _DRIVERS[address.kind] if importlib.util.find_spec(package) is None]
    if absent:
        raise InvalidError(
            f"The database {address.shown} needs {' and '.join(absent)}, which is not installed: type pip "
            f"install 'couture-workflow[{_EXTRAS[address.kind]}]'."
        )


def of_home(layout: Layout) -> Address | None:
    """Return the server that a home was used with last, None for the file in it."""
    path = layout.server
    return parse(path.read_text(encoding="utf-8").strip()) if path.is_file() else None


def wanted(layout: Layout, variables: Mapping[str, str]) -> Address | None:
    """Return the server that the environment names, else the home's last one; None for the file in it."""
    given = variables.get(VARIABLE, "").strip()
    if given.lower() == SQLITE:
        return None
    return parse(given) if given else of_home(layout)


def keep(layout: Layout, address: Address | None) -> None:
    """Let the home's Airflow and its commands use a server, or the file."""
    load_keys(layout)
    if address is None:
        layout.server.unlink(missing_ok=True)
        layout.server_async.unlink(missing_ok=True)
        return
    for path, text in ((layout.server_async, address.asynchronous), (layout.server, address.text)):
        write_private(path, text)  # a line's end would count as a character of the database's name
