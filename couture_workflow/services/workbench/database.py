"""The embedded workbench's SQLite database: made or migrated on a copy, then put in place whole.

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
from collections.abc import Mapping
from pathlib import Path

import couture_workflow
from couture_workflow.exceptions import StartError
from couture_workflow.services.workbench.airflow_settings import Layout

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
    log = layout.logs / "migration.log"
    _migrate(part, new=new, environment=environment, password=password, log=log)
    _close(part)
    part.replace(layout.database)
    layout.migrated.write_text(versions(), encoding="utf-8")
    return new


def _migrate(part: Path, *, new: bool, environment: Mapping[str, str], password: str, log: Path) -> None:
    request = {"password": password} if new else {}
    with log.open("wb") as output:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-m", __spec__.name],
            input=json.dumps(request).encode(),
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{part}"},
        )
    if done.returncode != 0:
        lines = [
            line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
        raise StartError(
            f"The database cannot be made current ({lines[-1].strip() if lines else 'no message'}); the one "
            f"from before is unchanged. The whole story is in {log}."
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


def create_user(name: str, *, role: str, password: str) -> None:
    """Create a user through Flask-AppBuilder in the database that Airflow is configured with."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        if manager.find_user(name):
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
        create_user(ADMIN, role="Admin", password=request["password"])


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
