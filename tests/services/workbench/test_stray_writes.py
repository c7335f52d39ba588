"""What a DAG file and a task write to descriptors that they did not open destroys nothing."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from couture_workflow.services.workbench.airflow_settings import Layout
from couture_workflow.store.home import Store
from tests.support.workbench import Workbench

pytestmark = [pytest.mark.workbench, pytest.mark.slow]

#: Writes 4 kB to each descriptor when the file is read and when the task runs, at its place and at the start.
STRAY = """
import os
from airflow.sdk import dag, task

def scatter():
    found = 0
    for number in range(3, 256):
        for write in (os.write, lambda number, content: os.pwrite(number, content, 0)):
            try:
                found += bool(write(number, b"rubbish\\n" * 512))
            except OSError:
                pass
    return found

scatter()

@dag(schedule=None)
def stray():
    @task(retries=0)
    def write():
        return scatter()
    write()

stray()
"""


@pytest.fixture
def workbench(tmp_path: Path) -> Iterator[Workbench]:
    found = Workbench(tmp_path / "home", arguments=("--no-examples",))
    yield found
    found.end()


def wait_for(client: httpx.Client, path: str, field: str, *values: str) -> str:
    """Wait until a field of an answer has one of the values, and return it."""
    deadline = time.monotonic() + 180
    while True:
        answer = client.get(path)
        if answer.status_code == 200 and (value := str(answer.json()[field])) in values:
            return value
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.3)


def run(client: httpx.Client) -> str:
    """Run the DAG and return the state of its end."""
    made = client.post("/api/v2/dags/stray/dagRuns", json={"logical_date": None}).raise_for_status().json()
    path = f"/api/v2/dags/stray/dagRuns/{made['dag_run_id']}"
    return wait_for(client, path, "state", "success", "failed")


def test_rubbish_in_every_descriptor_leaves_the_database_whole(workbench: Workbench) -> None:
    workbench.start()
    client = workbench.client("superadmin")
    repository = Store(workbench.home).dags
    repository.save({"stray.py": STRAY.encode()}, author="ann", message="", base=repository.head())
    wait_for(client, "/api/v2/dags/stray", "dag_id", "stray")
    client.patch("/api/v2/dags/stray", json={"is_paused": False}).raise_for_status()

    states = [run(client), run(client)]

    assert states == ["success", "success"]
    assert client.get("/api/v2/importErrors").json()["import_errors"] == []
    database = Layout(workbench.home).database
    assert database.read_bytes()[:16] == b"SQLite format 3\0"
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert "ended with exit code" not in workbench.console.read_text()
    assert workbench.stop() == 0
