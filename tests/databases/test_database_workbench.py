"""The workbench with a server's database: a day's work, its backup and restore, a server that goes away."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest

from couture_workflow.services.workbench.airflow_settings import Layout
from tests.support import databases
from tests.support.databases import PASSWORD, Database
from tests.support.homes import couture
from tests.support.workbench import Workbench

pytestmark = [pytest.mark.workbench, pytest.mark.slow]

PATIENCE = 240.0
DAG = """
from airflow.sdk import DAG, task

with DAG("daily", schedule=None, tags=["Größe"], is_paused_upon_creation=False):
    @task
    def answer():
        return {"n": 42, "ü": None}

    answer()
"""


def wait(look: Callable[[], Any], what: str) -> Any:
    """Return what a look finds, as soon as it finds something."""
    deadline = time.monotonic() + PATIENCE
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture
def bench(kind: str, database: Database, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench that runs with the database, encrypted where the server offers it."""
    url = database.url + ("?sslmode=require" if kind == "postgresql" else "")
    made = Workbench(tmp_path / "home", arguments=("--no-examples",), variables={"COUTURE_DATABASE": url})
    try:
        yield made.start()
    finally:
        made.end()


def run_once(admin: httpx.Client) -> str:
    """Trigger the DAG and return the state in which its run ends."""
    started = admin.post("/api/v2/dags/daily/dagRuns", json={"logical_date": None})
    assert started.status_code == 200, started.text
    where = f"/api/v2/dags/daily/dagRuns/{started.json()['dag_run_id']}"

    def ended() -> str:
        state = str(admin.get(where).json()["state"])
        return state if state in ("success", "failed") else ""

    return str(wait(ended, "the run ends"))


def leaks(bench: Workbench) -> list[str]:
    """Return where the password of the database is, beside the files that are made for it."""
    secrets = (PASSWORD, quote(PASSWORD, safe=""))
    layout = Layout(bench.home)
    found = []
    for path in (
        bench.console,
        *(Path(top, name) for top, _, names in os.walk(bench.home) for name in names),
    ):
        with contextlib.suppress(FileNotFoundError):  # it went meanwhile
            if path.is_file() and any(secret in path.read_text(errors="replace") for secret in secrets):
                found.append(str(path))
    for process in bench.processes():
        if process.pid != (bench.process.pid if bench.process else 0):  # it was given it in its environment
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
                words = [*process.cmdline(), *process.environ().values()]
                found += [process.name() for word in words if any(s in word for s in secrets)]
    return [each for each in found if each not in (str(layout.server), str(layout.server_async))]


@pytest.mark.always
def test_a_day_with_a_server(kind: str, bench: Workbench, database: Database, tmp_path: Path) -> None:
    admin = bench.client("superadmin")
    assert database.address.shown in bench.console.read_text()
    saved = admin.put(
        "/api/dags/files/daily.py", json={"content": DAG}, headers={"X-Requested-With": "tests"}
    )
    assert saved.is_success, saved.text
    wait(lambda: admin.get("/api/v2/dags/daily").status_code == 200, "the DAG is there")

    assert run_once(admin) == "success"

    events = admin.get("/api/v2/eventLogs", params={"limit": 100}).json()["event_logs"]
    assert {each["event"] for each in events} >= {"trigger_dag_run"}
    assert leaks(bench) == []
    done = couture("backup", tmp_path / "b.tar.gz", "--home", bench.home)
    if kind == "mariadb":
        assert done.returncode == 1 and "mariadb-dump" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert bench.stop() == 0
    before = database.sql("select dag_id, state from dag_run")
    database.sql("delete from dag_run")
    done = couture("restore", tmp_path / "b.tar.gz", "--replace", "--home", bench.home)
    assert done.returncode == 0, done.stderr
    assert database.sql("select dag_id, state from dag_run") == before != []


def test_a_server_that_goes_away_is_waited_for(kind: str, tmp_path: Path) -> None:
    """A server of its own, as others use the one of this process."""
    server = databases.KINDS[kind][0]()
    bench = Workbench(tmp_path / "home", arguments=("--no-examples",))
    try:
        server.start()
        bench.variables["COUTURE_DATABASE"] = databases.make(kind, running=server).url
        bench.start()
        server.stop()
        wait(lambda: "the services wait for it" in bench.console.read_text(), "the services wait")
        server.start()
        wait(lambda: "answers again" in bench.console.read_text(), "the services start")
        health = f"{bench.url}/api/v2/monitor/health"

        def healthy() -> bool:
            found = httpx.get(health, timeout=20).json()
            return all(found[name]["status"] == "healthy" for name in ("scheduler", "dag_processor"))

        wait(healthy, "everything is healthy")
        assert bench.stop() == 0
    finally:
        bench.end()
        server.close()
