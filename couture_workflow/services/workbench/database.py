"""The embedded workbench's database: SQLite, made on a copy and put in place whole, or that of a server.

A database that is being made is never seen half done: whatever ends the start in the middle, the next one
finds either no database or a complete one with its administrator. The work happens in a process of its own
(``python -m couture_workflow.services.workbench.database``), because it imports all of Airflow.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import couture_workflow
from couture_workflow.exceptions import StartError
from couture_workflow.services.workbench import database_check
from couture_workflow.services.workbench.airflow_settings import Layout, write_private
from couture_workflow.services.workbench.server_address import Address
from couture_workflow.services.workbench.server_database import State

ADMIN = "superadmin"
MIGRATED_BY = ("apache-airflow-core", "apache-airflow-providers-fab", "apache-airflow")


def versions() -> str:
    """Return what a migrated database is current for."""
    found = [f"{name} {importlib.metadata.version(name)}" for name in MIGRATED_BY]
    return "\n".join([*found, f"couture-workflow {couture_workflow.__version__}"]) + "\n"


def is_current(layout: Layout) -> bool:
    """Tell whether the database was migrated by just these versions."""
    return (
        layout.database.exists()
        and layout.migrated.exists()
        and layout.migrated.read_text(encoding="utf-8") == versions()
    )


def prepare(layout: Layout, *, environment: Mapping[str, str], password: str) -> bool:
    """Make or migrate the database and return whether it is new, with ``superadmin`` in it.

    :param environment: environment of the workbench's processes.
    :param password: first password of ``superadmin``; used for a new database only.
    """
    if is_current(layout):
        return False
    part = layout.database.with_name("airflow.db.part")
    for leftover in part.parent.glob(f"{part.name}*"):
        leftover.unlink()
    new = not layout.database.exists()
    if not new:
        _copy(layout.database, part)
    variables = {**environment, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{part}"}
    request = {"password": password} if new else {}
    _migrate(request, environment=variables, log=layout.logs / "migration.log", after=UNCHANGED)
    _close(part)
    part.replace(layout.database)
    layout.migrated.write_text(versions(), encoding="utf-8")
    return new


def _began(layout: Layout) -> Path:
    """Return the file that names the server's database in which tables are being made for the first time."""
    return layout.airflow / "server.began"


def has_begun(layout: Layout, address: Address) -> bool:
    """Tell whether a start of this home was ended while it made the tables in a database."""
    path = _began(layout)
    return path.is_file() and path.read_text(encoding="utf-8") == address.shown


def _server_versions(address: Address, state: State) -> str:
    return f"{versions()}{address.shown} {json.dumps(state.revisions, sort_keys=True)}\n"


def is_current_server(layout: Layout, address: Address, state: State) -> bool:
    """Tell whether a server's database was migrated by just these versions, and is the same since."""
    path = layout.migrated_server
    return (
        not has_begun(layout, address)
        and path.is_file()
        and path.read_text(encoding="utf-8") == _server_versions(address, state)
    )


def check_server(address: Address, state: State) -> None:
    """Refuse a server's database that a newer Airflow, or another program, has made."""
    for owner, table, folder in database_check.SCHEMAS:
        revision = state.revisions.get(table)
        if revision and not database_check.is_known(revision, folder):
            raise StartError(
                f"The database {address.shown} is of a newer {owner}, or of another program (revision "
                f"{revision}): install the version of Couture Workflow that used it last, or name another "
                "database in COUTURE_DATABASE."
            )


def prepare_server(
    layout: Layout,
    address: Address,
    look: Callable[[], State],
    *,
    environment: Mapping[str, str],
    password: str,
) -> bool:
    """Make or migrate the tables of a server and return whether they are new, with ``superadmin`` in them.

    A start that is ended in the middle leaves a note: the next one goes on and sets the password anew.

    :param look: returns what the database holds.
    """
    new = has_begun(layout, address) or "alembic_version" not in look().revisions
    if new:
        write_private(_began(layout), address.shown)
    request = {"password": password} if new else {}
    _migrate(request, environment=environment, log=layout.logs / "migration.log", after=GOES_ON)
    write_private(layout.migrated_server, _server_versions(address, look()))
    _began(layout).unlink(missing_ok=True)
    return new


UNCHANGED = "the one from before is unchanged."
GOES_ON = "the next start goes on from there."


def _migrate(request: dict[str, str], *, environment: Mapping[str, str], log: Path, after: str) -> None:
    """Migrate the database of an environment in a process of its own.

    :param after: what becomes of it where that fails.
    """
    with log.open("wb") as output:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-m", __spec__.name],
            input=json.dumps(request).encode(),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
        )
    if done.returncode != 0:
        text = log.read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip() and "(Background on" not in line]
        raise StartError(
            f"The database cannot be made current ({lines[-1] if lines else 'no message'}); {after} The "
            f"whole story is in {log}."
        )


def _copy(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _close(database: Path) -> None:
    """Move what is still in the write-ahead log into the database file, so that it can be renamed."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def create_user(name: str, *, role: str, password: str, again: bool = False) -> None:
    """Create a user through Flask-AppBuilder in the database that Airflow is configured with.

    :param again: give one that is there the password, too.
    """
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        if there := manager.find_user(name):
            if again:
                manager.reset_password(there.id, password)
            return
        found = manager.find_role(role)
        if not found:
            raise SystemExit(f"There is no role {role}.")
        if not manager.add_user(name, name, "Workbench", f"{name}@localhost", found, password):
            raise SystemExit(f"The user {name} cannot be created.")


def main() -> None:
    """Migrate the configured database and create the administrator if standard input names a password."""
    request = json.load(sys.stdin)
    from airflow.utils import db

    db.upgradedb()
    if "password" in request:
        create_user(ADMIN, role="Admin", password=request["password"], again=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
