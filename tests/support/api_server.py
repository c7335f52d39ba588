"""Airflow's API server alone: two workers, a path in its base URL, one account for each role."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
from werkzeug.security import generate_password_hash

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.store.home import Store
from tests.support.databases import Database
from tests.support.servers import end, free_port, wait_until_it_answers

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Account -> its role. The password is the account's name.
ACCOUNTS = {
    "admin": "Admin",
    "dev": "Developer",
    "user": "User",
    "op": "Op",
    "viewer": "Viewer",
    "nobody": "Public",
    "ci": "Deployer",
}
PREFIX = "/airflow"
#: How long a client waits for an answer: a page whose DAG is run first takes long on a machine that is busy.
ANSWER_SECONDS = 120
SECRET_KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"

_PREPARE = """
import sys
from airflow.utils.db import upgradedb
from airflow.utils.session import create_session
from werkzeug.security import generate_password_hash
upgradedb()
from airflow.providers.fab.auth_manager.models import User
from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager
with create_session() as session:
    manager = ApplessAirflowSecurityManager(session=session)
    manager.bulk_sync_roles(manager.ROLE_CONFIGS)
    for pair in sys.argv[1:]:
        name, role = pair.split("=")
        session.add(User(
            username=name, first_name=name, last_name="x", email=f"{name}@example.org", active=True,
            password=generate_password_hash(name, "pbkdf2:sha256:1000"), roles=[manager.add_role(role)],
        ))
"""

#: The database that the first server of this process has made: tables, roles, accounts.
_PREPARED: list[bytes] = []


class ApiServer:
    """A running API server with a database of its own.

    :param database: one of a server, instead of an SQLite file in the home.
    """

    def __init__(
        self,
        home: Path,
        *,
        prefix: str = PREFIX,
        workers: int = 2,
        database: Database | None = None,
        **environment: str,
    ) -> None:
        self.home = home
        self.database = database
        self.prefix = prefix
        self.workers = workers
        self.port = free_port()
        #: Where the server looks for a model server; a test may start one there.
        self.serving_port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = self.root + prefix
        self.log = home / "api-server.log"
        self._environment = {**os.environ, **self._settings(), **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def _settings(self) -> Mapping[str, str]:
        return {
            **self._database_settings(),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__AUTH_MANAGER": AUTH_MANAGER,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__FAB__AUTH_RATE_LIMITED": "False",
            "AIRFLOW__API__BASE_URL": self.url + "/",
            "AIRFLOW__API__SECRET_KEY": "a key of the tests that both workers share",
            "AIRFLOW__API_AUTH__JWT_SECRET": "another key of the tests that both workers share, long enough",
            "AIRFLOW__COUTURE_WORKFLOW__HOME": str(self.home / "couture"),
            "AIRFLOW__COUTURE_WORKFLOW__SECRET_KEY": SECRET_KEY,
            "AIRFLOW__COUTURE_WORKFLOW__SERVING_URL": f"http://127.0.0.1:{self.serving_port}",
        }

    def _database_settings(self) -> Mapping[str, str]:
        if self.database is None:
            return {}
        address = self.database.address
        return {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address.text,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": address.asynchronous,
        }

    def start(self) -> None:
        """Make the database and the accounts, start, wait until the server answers."""
        if self.database is not None:
            self._prepare()
            self.start_again()
            return
        if not _PREPARED:
            self._prepare()
            _PREPARED.append((self.home / "airflow.db").read_bytes())
        (self.home / "airflow.db").write_bytes(_PREPARED[0])
        self.start_again()

    def _prepare(self) -> None:
        """Make the database and the accounts, which are the same for every server."""
        accounts = [f"{name}={role}" for name, role in ACCOUNTS.items()]
        subprocess.run(
            [sys.executable, "-c", _PREPARE, *accounts],
            env=self._environment,
            check=True,
            capture_output=True,
        )

    def start_again(self) -> None:
        """Start with the database that is there, wait until the server answers."""
        command = ["airflow", "api-server", "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command, "--workers", str(self.workers)],
            env=self._environment,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        address = f"{self.url}/api/v2/version"
        wait_until_it_answers(  # on a busy machine of two cores
            self._process, address, name="the API server", log=self.log, seconds=300
        )

    def stop(self) -> None:
        """End the server and its workers."""
        if self._process is None:
            return
        end(self._process, seconds=20)

    def workers_now(self) -> list[psutil.Process]:
        """Return its workers."""
        assert self._process is not None
        below = psutil.Process(self._process.pid).children()
        return [each for each in below if "resource_tracker" not in " ".join(each.cmdline())]

    def client(self, account: str | None = None, **options: Any) -> httpx.Client:
        """Return a client with the cookie of an account, or of nobody."""
        client = httpx.Client(base_url=self.url, timeout=ANSWER_SECONDS, **options)
        if account is not None:
            client.cookies.set("_token", self.token(account), domain="127.0.0.1", path=self.prefix or "/")
        return client

    def token(self, account: str) -> str:
        """Return a fresh token of an account."""
        given = {"username": account, "password": account}
        answer = httpx.post(f"{self.url}/auth/token", json=given, timeout=ANSWER_SECONDS)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def log_in(self, page: Page, account: str = "admin") -> None:
        """Let a page in a browser be that of an account."""
        token = {"name": "_token", "value": self.token(account), "url": self.root, "httpOnly": True}
        page.context.add_cookies([token])  # type: ignore[list-item]

    def browser_login(self, account: str) -> httpx.Client:
        """Log in by the form, as a person does; the client has the session's and the token's cookie."""
        client = httpx.Client(base_url=self.url, timeout=ANSWER_SECONDS)
        form = client.get("/auth/login/").text
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
        data = {"username": account, "password": account, "csrf_token": found.group(1) if found else ""}
        client.post("/auth/login/", data=data)
        return client

    def add_account(self, name: str, *permissions: tuple[str, str]) -> None:
        """Make an account, whose password is its name, with a role of its own.

        :param permissions: actions and resources, such as ("can_read", "DAG:x").
        """
        role = self._row("ab_role", name=name)
        for action, resource in permissions:
            names = {
                "permission_id": self._id("ab_permission", action),
                "view_menu_id": self._id("ab_view_menu", resource),
            }
            found = self.sql(
                "select id from ab_permission_view where permission_id = ? and view_menu_id = ?",
                *names.values(),
            )
            both = found[0][0] if found else self._row("ab_permission_view", **names)
            self._row("ab_permission_view_role", permission_view_id=both, role_id=role)
        password = generate_password_hash(name, "pbkdf2:sha256:1000")
        columns = {"first_name": name, "last_name": "x", "email": f"{name}@example.org", "active": True}
        user = self._row("ab_user", username=name, password=password, **columns)
        self._row("ab_user_role", user_id=user, role_id=role)

    @contextmanager
    def without_role(self, account: str) -> Iterator[None]:
        """Take the one role of an account away, until the end of the block."""
        (row,) = self.sql(
            "select ur.id, ur.user_id, ur.role_id from ab_user_role ur join ab_user u on u.id = ur.user_id "
            "where u.username = ?",
            account,
        )
        self.sql("delete from ab_user_role where id = ?", row[0])
        try:
            yield
        finally:
            self.sql("insert into ab_user_role (id, user_id, role_id) values (?, ?, ?)", *row)

    def _id(self, table: str, name: str) -> int:
        found = self.sql(f"select id from {table} where name = ?", name)
        return int(found[0][0]) if found else self._row(table, name=name)

    def _row(self, table: str, **values: Any) -> int:
        number = 1 + int(self.sql(f"select max(id) from {table}")[0][0] or 0)
        if self.database is not None and self.database.address.kind == "postgresql":
            number = self.sql(f"select nextval('{table}_id_seq')")[0][0]
        columns = {"id": number, **values}
        marks = ", ".join("?" * len(columns))
        self.sql(f"insert into {table} ({', '.join(columns)}) values ({marks})", *columns.values())
        return number

    def store(self) -> Store:
        """Return the store of the server, made if it is not there."""
        return Store.open(self.home / "couture", secret_key=SECRET_KEY)

    def without_dags(self) -> Store:
        """Return the store, once what other tests left of DAG files, drafts and import errors is gone."""
        store = self.store()
        if left := [file.path for file in dag_repository.files(store)]:
            store.dags.save(dict.fromkeys(left), author="tests", message="Empty", base=store.dags.head())
        for drafts in store.drafts.iterdir():
            shutil.rmtree(drafts, ignore_errors=True)  # a page that was closed may send its draft this moment
        self.sql("delete from import_error")
        return store

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement on the server's database."""
        if self.database is not None:
            return self.database.sql_without_foreign_keys(statement, *values)
        with sqlite3.connect(self.home / "airflow.db", timeout=20) as connection:
            return connection.execute(statement, values).fetchall()
