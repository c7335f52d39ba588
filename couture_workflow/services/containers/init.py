"""What a stack of containers needs before its services start: databases, roles, the first user, the home.

It runs at every ``docker compose up``, so all of it is idempotent; a lock in the home, which all hosts share,
lets one at a time do it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from couture_workflow.exceptions import CoutureError, StartError
from couture_workflow.services.containers import secrets
from couture_workflow.services.mail import configuration as mail_configuration
from couture_workflow.services.models import serving
from couture_workflow.services.workbench.database import ADMIN, create_user
from couture_workflow.store import atomic
from couture_workflow.store.home import Store

#: Seconds to wait for the database.
PATIENCE = 120.0

Report = Callable[[str], None]

#: Setting of the mail server -> the variable that names it.
MAIL_VARIABLES = {
    "host": "COUTURE_SMTP_HOST",
    "port": "COUTURE_SMTP_PORT",
    "security": "COUTURE_SMTP_SECURITY",
    "user": "COUTURE_SMTP_USER",
    "password": "COUTURE_SMTP_PASSWORD",
    "sender": "COUTURE_SMTP_FROM",
}

PASSWORD_COMMAND = "docker compose run --rm --no-deps init couture-workflow container password"  # noqa: S105


def initialize(*, report: Report, root: Path = secrets.ROOT) -> None:
    """Bring everything up to date.

    :param report: gets a line for each thing that was done.
    :param root: folder of the secrets.
    """
    home = Store.open()
    busy = "Another init is under way; waiting for it."
    with atomic.locked(home.root / ".init.lock", waiting=lambda: report(busy)):
        connection = secrets.read("airflow/sql_alchemy_conn", root)
        _wait(connection, report)
        if (root / "mysql" / "root_password").is_file():
            _make_result_database(connection, root)
        _migrate(report)
        _make_admin(root, report)
        take_over_mail(home, report)
        serving.prepare(serving.config_of(home.root))  # the model server cannot write it, and starts with it
    report(f"Ready. User: {ADMIN}   Password: type {PASSWORD_COMMAND}")


def take_over_mail(home: Store, report: Report) -> None:
    """Save the mail server that the variables name, if any; what is wrong with it stops no start."""
    given = {name: os.environ.get(variable, "").strip() for name, variable in MAIL_VARIABLES.items()}
    if not given["host"]:
        return
    typed = given.pop("password")
    try:
        if mail_configuration.take_over(home, given, typed=typed, user=ADMIN, message="Set in .env"):
            report(f"Mails go through {given['host']} now.")
    except CoutureError as error:
        report(f"The mail server of .env is not used: {error}")


def connect(url: str, **options: Any) -> Any:
    """Open a connection to the MySQL server that a SQLAlchemy address names.

    :param options: what the driver shall use in place of what the address says.
    """
    import MySQLdb

    parts = urlsplit(url)
    wanted = {
        "host": parts.hostname or "",
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": parts.path.lstrip("/"),
        "connect_timeout": 5,
    }
    return MySQLdb.connect(**{name: value for name, value in {**wanted, **options}.items() if value != ""})


def _wait(url: str, report: Report) -> None:
    """Wait until the database answers."""
    import MySQLdb

    deadline, told = time.monotonic() + PATIENCE, False
    while True:
        try:
            connect(url).close()
            return
        except MySQLdb.Error as error:
            if time.monotonic() > deadline:
                raise StartError(
                    f"The database at {urlsplit(url).hostname} does not answer after {PATIENCE:.0f} s: "
                    f"{error.args[-1]}. Look at the log of the service mysql: docker compose logs mysql."
                ) from error
        if not told:
            told = True
            report("Waiting for the database.")
        time.sleep(1)


def _make_result_database(url: str, root: Path) -> None:
    """Make the database of Celery's results, with a user that can do nothing else, and its tables."""
    from celery.backends.database.session import ResultModelBase
    from sqlalchemy import create_engine

    address = secrets.read("worker/result_backend", root).removeprefix("db+")
    parts = urlsplit(address)
    name, user = parts.path.lstrip("/"), parts.username or ""
    server = secrets.read("mysql/root_password", root)
    with closing(connect(url, user="root", password=server, database="")) as connection:
        cursor = connection.cursor()
        account = f"'{user}'@'%%'"  # the driver formats it
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")
        cursor.execute(f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY %s", (parts.password,))
        cursor.execute(f"ALTER USER {account} IDENTIFIED BY %s", (parts.password,))
        cursor.execute(f"GRANT ALL ON `{name}`.* TO {account}", ())
    engine = create_engine(address)
    ResultModelBase.metadata.create_all(engine)
    engine.dispose()


def _migrate(report: Report) -> None:
    from airflow.utils import db

    report("Bringing the tables up to date.")
    db.upgradedb()


def _make_admin(root: Path, report: Report) -> None:
    create_user(ADMIN, role="Admin", password=secrets.read("admin/password", root))
