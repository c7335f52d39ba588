"""A full disk below the stack: what has no place is refused in a sentence, and nothing is half written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.support import faults
from tests.support.faults import Load, assert_settled, until, upload
from tests.support.images import PRODUCT
from tests.support.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

Report = Callable[[str], None]

#: Homes, logs and the database on disks of their own that are soon full.
SMALL_DISKS = """
volumes:
  mysql: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=700m,uid=999,gid=999,mode=0750"}}
  home: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=64m,uid=50000,gid=0,mode=0775"}}
  logs: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=32m,uid=50000,gid=0,mode=0775"}}
"""
WRITER = """
from airflow.sdk import DAG, task

with DAG("faults_writer", schedule=None):

    @task(retries=0)
    def write():
        for number in range(2000):
            print("line", number, "x" * 200)

    write()
"""
#: The Spark job of the other tests of faults, that ends at once.
SPARK = faults.SPARK.replace("{{ ti.try_number }}", "2")
#: The home and the logs, where they are in each container of Airflow.
DISKS = ("/var/lib/couture-workflow", "/opt/airflow/logs")
DATABASE = "/var/lib/mysql"


@pytest.fixture(scope="module")
def small(another_for_all: Callable[..., Stack]) -> Iterator[Stack]:
    """Have a stack whose disks hold little."""
    stack = another_for_all("small", settings={"COMPOSE_FILE": "docker-compose.yml:small.yml"})
    (stack.folder / "small.yml").write_text(SMALL_DISKS)
    stack.compose("up", "--no-start", "worker")
    # A disk in memory is lost when no container uses it.
    keep = [f"--volume={stack.project}_{name}:/{name}" for name in ("home", "logs", "mysql")]
    words = ["run", "--detach", "--network=none", "--entrypoint", "sleep", *keep, PRODUCT, "infinity"]
    holder = stack.docker.run(*words).stdout.split()[-1]
    try:
        stack.up()
        yield stack
    finally:
        stack.docker.run("rm", "--force", holder)


def test_a_full_disk_is_told_in_sentences_and_survived(small: Stack, report: Report) -> None:
    upload(small, "faults.py", faults.SLEEPER.encode())
    small.save_dag("faults_writer.py", WRITER)
    small.save_dag("faults_spark.py", SPARK, dag_id="faults_python")
    files = stored(small)
    before = {each["Id"]: each["RestartCount"] for each in small.containers()}
    for disk in DISKS:
        fill(small, "scheduler", disk)

    full(small)
    runs = {dag_id: small.trigger(dag_id) for dag_id in ("faults_writer", "faults_python")}
    states = {dag_id: ended(small, dag_id, run_id) for dag_id, run_id in runs.items()}
    assert stored(small) == files
    for disk in DISKS:
        free(small, "scheduler", disk)
    began = time.time()
    small.save_dag("faults_writer.py", WRITER + "# saved again\n")
    small.wait_run("faults_writer", small.trigger("faults_writer"))
    seconds = time.time() - began

    for (dag_id, run_id), task_id in zip(runs.items(), ("write", "job"), strict=True):
        told = faults.events(small, dag_id, run_id, task_id)
        assert states[dag_id] == "success" or "No space left on device" in told, told
    report(f"Full disks: {states}; a DAG is saved and runs {seconds:.0f} s after space is free.")
    upload(small, "faults-2.py", b"pass\n" * 100)
    assert {each["Id"]: each["RestartCount"] for each in small.containers()} == before
    small.exec("dag-sync", "git", "-C", f"{DISKS[0]}/dags.git", "fsck", "--strict")
    assert_settled(small)


def test_a_full_disk_of_the_database_stops_the_work_and_loses_none(small: Stack, report: Report) -> None:
    small.save_dag("faults_load.py", faults.LOAD)
    small.api.patch("/api/v2/dags/faults_load", json={"is_paused": True}).raise_for_status()
    load = Load(small, tasks=60)
    fill(small, "mysql", DATABASE)
    try:
        small.api.patch("/api/v2/dags/faults_load", json={"is_paused": False}).raise_for_status()
        until(lambda: "is full" in small.logs("scheduler"), seconds=120, what="a log that says what is full")
    finally:
        free(small, "mysql", DATABASE)
    began = time.time()

    tasks = load.check(hit=load.tasks)

    report(f"Full disk of the database: {faults.recovery(tasks, began)} after space is free.")
    assert_settled(small)


def fill(stack: Stack, service: str, disk: str) -> None:
    """Leave no room on a disk."""
    script = f"dd if=/dev/zero of={disk}/ballast bs=64k; cat /dev/zero > {disk}/rest"
    stack.exec(service, "sh", "-c", script, check=False)


def free(stack: Stack, service: str, disk: str) -> None:
    """Give the room back."""
    stack.exec(service, "rm", f"{disk}/ballast", f"{disk}/rest")


def stored(stack: Stack) -> list[tuple[str, int]]:
    """Return the code artifacts with their versions."""
    files = stack.api.get("/api/artifacts/files").json()["files"]
    return [(each["name"], each["version"]) for each in files]


def full(stack: Stack) -> None:
    """Try to save what has no place, and get a sentence each time."""
    source = {"content": WRITER + "# " + "x" * 100_000, "message": "Test: full"}
    answers = [
        stack.api.put("/api/artifacts/files/faults-2.py", content=b"pass\n" * 100_000),
        stack.api.put("/api/dags/files/faults_writer.py", json=source),
    ]
    for answer in answers:
        assert answer.status_code == 507, answer.text
        assert "disk" in answer.text and "Traceback" not in answer.text
    assert stack.api.get("/api/dags/files/faults_writer.py").json()["content"] == WRITER


def ended(stack: Stack, dag_id: str, run_id: str) -> str:
    """Wait for the end of a run, whatever it is, and return its state."""
    path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
    ends = {"success", "failed"}
    until(lambda: faults.ask(stack, path)["state"] in ends, seconds=300, what=f"the end of {dag_id}", every=2)
    return str(faults.ask(stack, path)["state"])
