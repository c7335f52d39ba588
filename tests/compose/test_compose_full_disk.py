"""A full disk below the stack: what has no place is refused in a sentence, and nothing is half written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.support import faults
from tests.support.faults import assert_settled, until, upload
from tests.support.images import PRODUCT
from tests.support.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

Report = Callable[[str], None]

#: Homes and logs on disks of their own that are soon full.
SMALL_DISKS = """
volumes:
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


@pytest.fixture
def small(another: Callable[..., Stack]) -> Iterator[Stack]:
    """Have a stack whose disks hold little."""
    stack = another("small", settings={"COMPOSE_FILE": "docker-compose.yml:small.yml"})
    (stack.folder / "small.yml").write_text(SMALL_DISKS)
    stack.compose("up", "--no-start", "worker")
    # A disk in memory is lost when no container uses it.
    keep = [f"--volume={stack.project}_{name}:/{name}" for name in ("home", "logs")]
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
        script = f"dd if=/dev/zero of={disk}/ballast bs=64k; cat /dev/zero > {disk}/rest"
        small.exec("scheduler", "sh", "-c", script, check=False)

    full(small)
    runs = {dag_id: small.trigger(dag_id) for dag_id in ("faults_writer", "faults_python")}
    states = {dag_id: ended(small, dag_id, run_id) for dag_id, run_id in runs.items()}
    assert stored(small) == files
    for disk in DISKS:
        small.exec("scheduler", "rm", f"{disk}/ballast", f"{disk}/rest")
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
