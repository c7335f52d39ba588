"""The life of the embedded workbench: it starts, keeps everything, and never leaves a process behind."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import stat
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from couture_workflow.services.workbench.airflow_settings import KEYS, Layout
from couture_workflow.store.home import Store
from tests.support.model_server import MODELS, python
from tests.support.workbench import Workbench

pytestmark = [pytest.mark.workbench, pytest.mark.slow]

SUPERVISOR = "couture_workflow.services.workbench.supervisor"

#: A task with a process in a session of its own, as a Spark driver is.
SLEEPER = """
from airflow.sdk import dag, task

@dag(schedule=None)
def sleeper():
    @task
    def sleep():
        import subprocess
        subprocess.run(["sleep", "4711"], start_new_session=True)
    sleep()

sleeper()
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Workbench]]:
    """Return a function that makes workbenches; whatever is left of them is ended after the test."""
    made = []

    def make_workbench(name: str = "home", **options: Any) -> Workbench:
        made.append(Workbench(tmp_path / name, **options))
        return made[-1]

    yield make_workbench
    for workbench in made:
        workbench.end()


def sleepers() -> set[int]:
    """Return the processes that the task of ``SLEEPER`` started."""
    return {p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "4711"]}


def is_triggerer(process: psutil.Process) -> bool:
    """Tell whether a process is the service that the supervisor has started, and not a child of it."""
    try:
        parent = process.parent()
        return "triggerer" in process.cmdline() and parent is not None and SUPERVISOR in parent.cmdline()
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(workbench: Workbench, seconds: float) -> None:
    """Fail unless every process of the workbench ends in time."""
    deadline = time.monotonic() + seconds
    while found := workbench.processes():
        assert time.monotonic() < deadline, [(p.pid, p.cmdline()) for p in found]
        time.sleep(0.2)


def assert_secrets_are_private(workbench: Workbench) -> None:
    """Fail if a key can be read by others or stands in a command line or an environment."""
    folder = Layout(workbench.home).keys
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in KEYS} == {0o600}
    keys = [(folder / name).read_text().strip() for name in KEYS]
    processes = workbench.processes()
    assert len(processes) >= 6
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # such as git's, which come and go
            shown = " ".join(process.cmdline())
            inherited = " ".join(process.environ().values())
            assert not [key for key in keys if key in shown or key in inherited]


def assert_home_is_its_owners(workbench: Workbench) -> None:
    """Fail if anybody else may do anything with what lies in the home, or with what a process writes."""
    modes: dict[str, int] = {}
    for path in workbench.home.iterdir():
        with contextlib.suppress(FileNotFoundError):  # a file that is put in place by renaming it
            modes[path.name] = stat.S_IMODE(path.lstat().st_mode)
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    assert {"airflow", "logs", "dags.git", "config.git", "files", "drafts", "version"} <= modes.keys()
    assert stat.S_IMODE(workbench.home.stat().st_mode) == 0o700
    masks: set[str] = set()
    for process in workbench.processes():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            masks |= {line.split()[1] for line in status.splitlines() if line.startswith("Umask:")}
    assert masks == {"0077"}


def start_sleeper(workbench: Workbench, client: httpx.Client) -> str:
    """Add the DAG, which must appear by itself, trigger it and wait until its process runs."""
    repository = Store(workbench.home).dags
    changes: dict[str, bytes | None] = {"sleeper.py": SLEEPER.encode()}
    repository.save(changes, author="ann", message="sleeper", base=repository.head())
    deadline = time.monotonic() + 120
    while client.get("/api/v2/dags/sleeper").status_code == 404:
        assert time.monotonic() < deadline, "a new DAG file does not appear"
        time.sleep(0.5)
    client.patch("/api/v2/dags/sleeper", json={"is_paused": False}).raise_for_status()
    run = client.post("/api/v2/dags/sleeper/dagRuns", json={"logical_date": None}).raise_for_status().json()
    while not sleepers():
        assert time.monotonic() < deadline, "the task does not start"
        time.sleep(0.2)
    return str(run["dag_run_id"])


def upload_model(client: httpx.Client) -> None:
    """Send a model; the workbench has no model server yet."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        tar.add(MODELS / "dense" / "1", "dense")
    client.put("/api/models/tensorflow/dense", content=made.getvalue()).raise_for_status()


def wait_until_the_model_answers(workbench: Workbench) -> None:
    """Fail unless the workbench's own model server answers in time."""
    address = f"http://127.0.0.1:{workbench.serving_port}/v1/models/dense/labels/stable:predict"
    deadline = time.monotonic() + 120
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.post(address, json={"instances": [[1.0, 2.0, 3.0, 4.0]]}, timeout=30)
            if answer.status_code == 200:
                assert answer.json().keys() == {"predictions"}
                return
        assert time.monotonic() < deadline, (workbench.home / "logs" / "serving.log").read_text()
        time.sleep(0.2)


def log_in(workbench: Workbench, password: str) -> httpx.Client:
    """Return a client of ``superadmin``."""
    answer = httpx.post(
        f"{workbench.url}/auth/token", json={"username": "superadmin", "password": password}, timeout=60
    )
    assert answer.status_code == 201, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    return httpx.Client(base_url=workbench.url, headers=headers, timeout=60)


def test_a_workbench_ends_without_a_trace_and_starts_again_with_everything(
    make: Callable[..., Workbench],
) -> None:
    python()
    workbench = make(variables={"COUTURE_ADMIN_PASSWORD": ""})
    workbench.start()
    first = workbench.console.read_text()
    assert re.findall(r"^Step (\d of \d): (\w+)", first, re.MULTILINE)[0] == ("1 of 2", "making")
    assert "Step 2 of 2: starting the services (about 30 s for a first start" in first
    password = re.findall(r"User: superadmin +Password: (\S+)", first)[0]
    with log_in(workbench, password) as client:
        assert_secrets_are_private(workbench)
        assert_home_is_its_owners(workbench)
        run_id = start_sleeper(workbench, client)
        upload_model(client)
        wait_until_the_model_answers(workbench)
    running = sleepers()

    # A terminal's Ctrl-C goes to the whole group of the command.
    assert workbench.process is not None
    os.killpg(workbench.process.pid, signal.SIGINT)

    assert workbench.process.wait(60) == 0
    assert workbench.processes() == []
    assert sleepers().isdisjoint(running)
    assert workbench.console.read_text().split("Stopping.\n")[1] == (
        "workbench     | Ending 1 running task(s); this takes 15 s at most.\nStopped.\n"
    )

    workbench.start()

    console = workbench.console.read_text()
    assert "the database" not in console
    assert "Step 1 of 1: starting the services" in console
    assert password not in console
    with log_in(workbench, password) as client:
        path = f"/api/v2/dags/sleeper/dagRuns/{run_id}/taskInstances"
        assert [task["state"] for task in client.get(path).json()["task_instances"]] == ["failed"]

    wait_until_the_model_answers(workbench)
    assert workbench.process is not None
    workbench.process.kill()
    workbench.process.wait()

    wait_until_gone(workbench, 45)


def test_a_killed_supervisor_takes_the_workbench_with_it(make: Callable[..., Workbench]) -> None:
    workbench = make("home a'b\"<&>ü")
    workbench.start()
    assert workbench.process is not None
    supervisor = psutil.Process(workbench.process.pid).children()[0]

    supervisor.kill()

    assert workbench.process.wait(30) == 1
    assert "The supervisor of the services was killed" in workbench.console.read_text()
    assert workbench.processes() == []


def test_a_service_that_died_is_started_again_and_sigterm_ends_all(make: Callable[..., Workbench]) -> None:
    workbench = make()
    workbench.start()
    workbench.token("superadmin")
    triggerer = next(p for p in workbench.processes() if is_triggerer(p))

    triggerer.kill()

    deadline = time.monotonic() + 60
    while "starts again in 1 s" not in workbench.console.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert workbench.stop(signal.SIGTERM) == 0
    assert workbench.processes() == []
