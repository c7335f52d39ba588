"""Homes of embedded workbenches for tests, whole but not running."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from couture_workflow.services.workbench import airflow_settings as embedded_settings
from couture_workflow.services.workbench import checks as embedded_checks
from couture_workflow.services.workbench import database as embedded_database
from couture_workflow.store.home import Store
from tests.support.workbench import command, free_port

DAG = b"from airflow.sdk import dag\n\n@dag(schedule=None)\ndef one():\n    pass\n\none()\n"


def make(home: Path) -> embedded_settings.Layout:
    """Make what the first start of a workbench makes, up to the start of its services."""
    layout = embedded_checks.check_home(home)
    embedded_settings.write_config(layout, host="127.0.0.1", port=free_port(), examples=False)
    variables = embedded_settings.environment(layout, base=plain_environment())
    embedded_database.prepare(layout, environment=variables, password="correct horse")
    return layout


def fill(home: Path) -> Store:
    """Put something of everything into a home."""
    key = (home / "airflow" / "keys" / "fernet_key").read_text().strip()
    store = Store.open(home, secret_key=key)
    fill_store(store)
    store.dags.save({"one.py": DAG}, author="a'b\"<&>ü", message="x", base=None)
    for folder in (store.runs, store.outputs, store.drafts):
        (folder / "sub").mkdir()
        (folder / "sub" / "a'b\"<&>ü").write_text(folder.name)
    (store.outputs / os.fsdecode(b"no \xff utf-8")).write_text("bytes")
    (store.outputs / "link").symlink_to("/etc/passwd")
    (home / "dag-folder.json").write_text('{"folder": "etl", "known": {}}')
    return store


def fill_store(store: Store) -> None:
    """Put files with versions, a deleted one, and secrets into a store."""
    store.dependencies.put("a.jar", [b"one"], user="ann")
    store.dependencies.put("a.jar", [b"two"], user="ann")
    store.artifacts.put("größe.py", [b"two"], user="a'b\"<&>ü")
    store.artifacts.put("gone.py", [b"gone"], user="ann")
    store.artifacts.delete("gone.py")
    store.secrets.put("keytab", b"secret")
    token = store.secrets.encrypt("password")
    store.config.save({"spark.yaml": f"secret: {token}\n".encode()}, author="ann", message="", base=None)


def plain_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a person who has no Airflow."""
    dropped = ("AIRFLOW", "COUTURE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)} | variables


def couture(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [*command(), *map(str, arguments)],
        env=plain_environment(**variables),
        capture_output=True,
        text=True,
        timeout=240,
        stdin=subprocess.DEVNULL,
    )
