"""Databases of real servers in the place of SQLite: one for each site of the tests that wants one.

With ``COUTURE_TEST_DATABASE=postgresql`` (or ``mariadb``) the fixtures ``workbench`` and ``api_server`` use
one, so that any test can be run with it.
"""

from __future__ import annotations

import atexit
import os
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from couture_workflow.services.workbench import server_address
from tests.services import mariadb, mysql_driver, postgresql, sql_servers
from tests.services.mariadb import Mariadb
from tests.services.mariadb import missing as no_mariadb
from tests.services.postgresql import Postgresql
from tests.services.postgresql import missing as no_postgresql

#: What users of the tests' databases are let in with.
PASSWORD = "p@:/%#ü'\"1"
#: Kind -> the servers' administrator, and what lets him make rows that refer to none.
ADMINISTRATORS = {
    "postgresql": (postgresql.USER, "SET session_replication_role = replica"),
    "mysql": (mariadb.USER, "SET foreign_key_checks = 0"),
}
KINDS = {
    "postgresql": (Postgresql, no_postgresql),
    "mariadb": (Mariadb, lambda: no_mariadb() or mysql_driver.missing()),
}

_RUNNING: dict[str, Any] = {}


@dataclass(frozen=True)
class Database:
    """An empty database with a user of its own, who may do everything in it and nothing else.

    :param url: what ``COUTURE_DATABASE`` is for it.
    """

    server: Any
    name: str
    url: str

    @property
    def address(self) -> server_address.Address:
        """Return what the address says."""
        return server_address.parse(self.url)

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement with question marks for its values, as SQLite has it."""
        return self._run(self.address.url, "", statement, values)

    def sql_without_foreign_keys(self, statement: str, *values: Any) -> list[Any]:
        """Do the same as SQLite does it for tests that make rows of one table alone."""
        user, setting = ADMINISTRATORS[self.address.kind]
        url = self.address.url.set(username=user, password=sql_servers.PASSWORD)
        return self._run(url, setting, statement, values)

    @staticmethod
    def _run(url: Any, setting: str, statement: str, values: tuple[Any, ...]) -> list[Any]:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        with create_engine(url, poolclass=NullPool).begin() as connection:
            if setting:
                connection.exec_driver_sql(setting)
            done = connection.exec_driver_sql(statement.replace("%", "%%").replace("?", "%s"), values)
            return list(done.all()) if done.returns_rows else []


def server(kind: str) -> Any:
    """Return the one server of a kind of this process, which ends with it."""
    if kind not in _RUNNING:
        made = KINDS[kind][0]()
        atexit.register(made.close)
        made.start()
        _RUNNING[kind] = made
    return _RUNNING[kind]


def wanted() -> str:
    """Return the kind that the caller of the tests has asked for, "" for SQLite."""
    kind = os.environ.get("COUTURE_TEST_DATABASE", "")
    return kind if kind in KINDS else ""


def make(kind: str, *, parameters: str = "", running: Any = None) -> Database:
    """Make a database.

    :param parameters: of its address.
    :param running: the server, if it is not the one of this process.
    """
    running = running or server(kind)
    name = f"tests_{uuid.uuid4().hex[:10]}"
    literal = PASSWORD.replace("'", "''")
    if kind == "postgresql":
        running.sql(f"create role {name} login password '{literal}'")
        running.sql(f"create database {name} owner {name}")
    else:
        running.sql(
            f"create database {name} character set utf8mb4; create user '{name}'@'127.0.0.1' identified by "
            f"'{literal}'; grant all on `{name}%`.* to '{name}'@'127.0.0.1'"
        )
    scheme = "postgresql" if kind == "postgresql" else "mysql"
    url = f"{scheme}://{name}:{quote(PASSWORD, safe='')}@127.0.0.1:{running.port}/{name}{parameters}"
    return Database(running, name, url)
