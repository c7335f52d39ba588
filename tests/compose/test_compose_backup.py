"""Backups of the stack of containers: taken while it works, restored into it and another, and upgrades."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.images import NAMES, ROOT, Docker, Images, build
from tests.support.stack import LONG_RUNNING, Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

PHRASE = "a'b\"<&> ü pass"
PASSWORD = "geheim ü '\"<&>%"
SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer", "dag-sync", "jupyter", "worker")
DAG = """
from airflow.sdk import Connection, dag, task

@dag(schedule=None)
def backed_up():
    @task
    def say():
        print("version {version}", Connection.get("backed_up").password)

    say()

backed_up()
"""
#: Airflow before the one whose database the present one has.
OLD_AIRFLOW = "3.2.2"
#: A version from before the services that LONG_RUNNING has and it has not, whose stack passed all tests.
PREVIOUS = "f097841"
PREVIOUS_SERVICES = tuple(name for name in LONG_RUNNING if name not in ("jupyter", "serving"))


def couture(stack: Stack, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run ``couture-workflow`` in the service ``init``, as the documentation says."""
    options = [
        "run",
        "--rm",
        "--no-deps",
        "-T",
        "-e",
        "COUTURE_BACKUP_PASSPHRASE",
        "init",
        "couture-workflow",
    ]
    return subprocess.run(
        [*stack.composer, "-p", stack.project, *options, *words],
        cwd=stack.folder,
        env={**stack.docker.variables, "COUTURE_BACKUP_PASSPHRASE": PHRASE},
        input=given,
        capture_output=True,
        timeout=600,
    )


def airflow(stack: Stack, *words: str) -> str:
    """Run ``airflow`` in the service ``init`` and return what it printed."""
    return stack.compose("run", "--rm", "--no-deps", "-T", "init", "airflow", *words).stdout


def back_up(stack: Stack) -> bytes:
    done = couture(stack, "backup", "-")
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def restore(stack: Stack, backup: bytes) -> None:
    done = couture(stack, "restore", "-", "--replace", given=backup)
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    assert b"Restored. The doctor says: all is well." in done.stdout


def fill(stack: Stack) -> None:
    """Put what only a whole restore brings back into a stack: a password, a version, a run."""
    body = {"connection_id": "backed_up", "conn_type": "http", "password": PASSWORD, "description": "ü😀"}
    answer = stack.api.post("/api/v2/connections", json=body)
    assert answer.is_success, answer.text
    stack.save_dag("backed_up.py", DAG.format(version=1))
    stack.wait_run("backed_up", stack.trigger("backed_up"))


def check(stack: Stack) -> None:
    """Fail unless what ``fill`` made is there and works."""
    assert stack.api.get("/api/v2/connections/backed_up").json()["description"] == "ü😀"
    runs = stack.api.get("/api/v2/dags/backed_up/dagRuns").json()["dag_runs"]
    assert [run["state"] for run in runs][:1] == ["success"]
    run = stack.trigger("backed_up")
    stack.wait_run("backed_up", run)
    # The password was decrypted; Airflow hides it in the log.
    assert "version 1 ***" in stack.task_log("backed_up", run, "say")


@contextmanager
def saving(stack: Stack) -> Iterator[list[int]]:
    """Save a DAG and upload a file again and again."""
    stop, counts = threading.Event(), [0]

    def work() -> None:
        while not stop.is_set():
            text = f"# {counts[0]}\n"
            assert stack.api.put(
                "/api/dags/files/lib/busy.py", json={"content": text, "message": "x"}
            ).is_success
            counts[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield counts
    finally:
        stop.set()
        thread.join()


@contextmanager
def stopped(stack: Stack) -> Iterator[None]:
    """Stop the services; they run again afterwards, whatever came of it."""
    stack.compose("stop", *SERVICES)
    stack.close()
    try:
        yield
    finally:
        stack.up()


@pytest.fixture(scope="module")
def backup(stack: Stack) -> bytes:
    """A backup that was taken while people worked."""
    fill(stack)
    with saving(stack) as counts:
        made = back_up(stack)
    assert counts[0] > 0
    return made


def test_a_backup_is_a_tar_without_any_key_in_the_clear(stack: Stack, backup: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(backup)) as tar:
        about = json.loads((tar.extractfile("manifest.json") or io.BytesIO()).read())
        content = b"".join((tar.extractfile(member) or io.BytesIO()).read() for member in tar)
    for name in ("airflow/fernet_key", "worker/secret_key", "mysql/password", "mysql/root_password"):
        said = stack.compose("run", "--rm", "--no-deps", "-T", "init", "cat", f"/run/couture/secrets/{name}")
        assert said.stdout.strip().splitlines()[-1].encode() not in content

    assert about["database"]["rows"]["connection"] >= 1
    assert about["problems"] == []


def test_services_that_run_are_not_pulled_away_from_under(stack: Stack, backup: bytes) -> None:
    done = couture(stack, "restore", "-", "--replace", given=backup)

    assert done.returncode == 1
    assert b"Services are running: " in done.stderr
    assert b"SchedulerJob on" in done.stderr
    assert b"docker compose stop" in done.stderr


def test_a_stack_is_what_it_was_after_a_restore(stack: Stack, backup: bytes) -> None:
    assert stack.api.delete("/api/v2/connections/backed_up").is_success
    stack.save_dag("backed_up.py", DAG.format(version=2))
    # One that was killed left its row in the database as it was.
    stack.compose("kill", "triggerer")
    with stopped(stack):
        cut = couture(stack, "restore", "-", "--replace", given=backup[:-1000])
        careful = couture(stack, "restore", "-", given=backup)
        restore(stack, backup)

    assert cut.returncode == 1
    assert b"The archive is broken" in cut.stderr
    assert b"are not empty" in careful.stderr
    check(stack)


def test_a_new_stack_takes_over_with_its_own_passwords(
    another: Callable[..., Stack], backup: bytes, stack: Stack
) -> None:
    new = another("restored")
    new.compose("up", "-d", "mysql")
    new.compose("run", "--rm", "init")

    restore(new, backup)
    new.up()

    assert new.admin_password != stack.admin_password
    new._password = stack.admin_password  # the account came with the backup
    check(new)
    new.wait_healthy()


@pytest.fixture(scope="module")
def previous(docker: Docker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The image of an earlier version, and the compose file of that version."""
    folder = tmp_path_factory.mktemp("previous")
    packed = subprocess.run(["git", "archive", PREVIOUS], cwd=ROOT, capture_output=True)
    if packed.returncode != 0:
        pytest.skip("needs the history of the repository")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
        tar.extractall(folder, filter="data")
    # The layers before the package are those of today, where both are alike.
    image = build(docker, images.base, name="couture-workflow:previous", folder=folder)
    return image, folder / "docker-compose.yml"


def test_the_volumes_of_the_previous_image_are_upgraded(
    another: Callable[..., Stack], previous: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is taken back to the Airflow before, too, so that there is something to migrate."""
    image, compose_file = previous
    stack = another("upgraded", settings={"COUTURE_IMAGE": image})
    monkeypatch.delitem(stack.docker.variables, "COUTURE_IMAGE")  # which is before what .env says
    shutil.copy(compose_file, stack.folder)
    stack.services = PREVIOUS_SERVICES
    stack.up()
    assert {each["Config"]["Image"] for each in stack.containers("worker")} == {image}
    fill(stack)
    shutil.copy(ROOT / "docker-compose.yml", stack.folder)
    stack.services = LONG_RUNNING
    stack.compose("stop", *SERVICES)
    stack.close()
    airflow(stack, "db", "downgrade", "--to-version", OLD_AIRFLOW, "--yes")
    with (stack.folder / ".env").open("a", encoding="utf-8") as file:
        file.write(f"COUTURE_IMAGE={NAMES['COUTURE_IMAGE']}\n")

    old = back_up(stack)  # what a careful person does first
    stack.up()
    check(stack)

    with stopped(stack):
        restore(stack, old)  # a backup of the old database is upgraded as it is restored
    check(stack)
