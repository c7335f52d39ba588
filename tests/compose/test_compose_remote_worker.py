"""A worker on another machine: a compose project of its own that reaches the first only through a tunnel."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from couture_workflow import __version__
from tests.support.workbench import free_port

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
IMAGE = os.environ.get("COUTURE_IMAGE") or f"couture-workflow:{__version__}"
PASSWORD = "a password for tests 7'\"<&>"
#: An address of this machine that nothing else publishes on; the first machine's, as if by a VPN.
ADDRESS = "127.77.0.1"
PORTS = (3306, 5672, 8080)
DAG = """
import socket
import time

from airflow.sdk import DAG, Param, task

with DAG("elsewhere", schedule=None, params={"seconds": Param(0, type="integer")}):

    @task
    def say(**context):
        with open("/var/lib/couture-workflow/elsewhere.txt", "a") as notes:
            notes.write(context["run_id"] + "\\n")
        print("Hello from", socket.gethostname())
        time.sleep(context["params"]["seconds"])
        print("Done")

    say()
"""


@dataclass
class Project:
    """A compose project: one machine."""

    name: str
    files: tuple[str, ...]
    variables: dict[str, str]

    def compose(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run docker compose and return what it said; an error is a failure."""
        given = [word for file in self.files for word in ("--file", str(ROOT / file))]
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.name, *given, *words],
            env={**os.environ, **self.variables},
            capture_output=True,
        )
        assert done.returncode == 0, (words, done.stderr.decode()[-4000:])
        return done

    def containers(self, service: str) -> list[dict[str, Any]]:
        """Return what Docker knows of the containers of a service."""
        ids = self.compose("ps", "--quiet", service).stdout.decode().split()
        found: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
        return found

    def wait_healthy(self, service: str) -> None:
        """Wait until all containers of a service are healthy."""
        wait_for(
            lambda: all(c["State"]["Health"]["Status"] == "healthy" for c in self.containers(service)),
            seconds=240,
            what=f"{service} is healthy",
        )


@dataclass
class Tunnel:
    """Carries the three ports from one address to another, as ``ssh -L`` does, until it is cut."""

    source: str
    target: str
    sockets: list[socket.socket] = field(default_factory=list)

    def open(self) -> None:
        """Begin to carry."""
        for port in PORTS:
            listener = socket.create_server((self.source, port), backlog=64)
            self.sockets.append(listener)
            threading.Thread(target=self._accept, args=(listener, port), daemon=True).start()

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        while self.sockets:
            closing = self.sockets.pop()
            with contextlib.suppress(OSError):
                closing.shutdown(socket.SHUT_RDWR)
            closing.close()

    def _accept(self, listener: socket.socket, port: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection((self.target, port), timeout=10)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self.sockets += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(65536):
                target.sendall(block)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@dataclass
class Cluster:
    """Two machines: the first with everything but a worker, the second with a worker alone."""

    first: Project
    second: Project
    tunnel: Tunnel
    api: httpx.Client

    def trigger(self, seconds: int = 0) -> str:
        """Start a run of the DAG and return its id."""
        answer = self.api.post(
            "/api/v2/dags/elsewhere/dagRuns", json={"logical_date": None, "conf": {"seconds": seconds}}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["dag_run_id"])

    def task(self, run: str) -> dict[str, Any]:
        """Return the task instance of a run."""
        answer = self.api.get(f"/api/v2/dags/elsewhere/dagRuns/{run}/taskInstances/say")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait_for_state(self, run: str, *states: str, seconds: float) -> dict[str, Any]:
        """Wait until the task of a run is in one of these states and return it."""
        wait_for(lambda: self.task(run)["state"] in states, seconds=seconds, what=f"{run} is {states}")
        return self.task(run)

    def log(self, run: str, attempt: int = 1) -> str:
        """Return the log that the first machine shows."""
        answer = self.api.get(
            f"/api/v2/dags/elsewhere/dagRuns/{run}/taskInstances/say/logs/{attempt}",
            headers={"Accept": "application/x-ndjson"},
        )
        assert answer.status_code == 200, answer.text
        return answer.text

    def starts(self, run: str) -> int:
        """Return how often the task of a run was begun."""
        notes = self.first.compose(
            "exec", "-T", "scheduler", "cat", "/var/lib/couture-workflow/elsewhere.txt"
        )
        return notes.stdout.decode().splitlines().count(run)


def say(line: str) -> None:
    """Print a figure, for those who run the tests with -s."""
    sys.stdout.write(f"{line}\n")


def docker(*words: str, **options: Any) -> str:
    """Run docker and return what it said."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, **options)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def wait_for(happened: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(1)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give the folder that both machines have mounted, with what belongs to the user of the image in it."""
    if not shutil.which("docker"):
        pytest.skip("needs Docker")
    path = Path(tempfile.mkdtemp(prefix="couture-remote-"))
    inside = ["run", "--rm", "--user", "0", "--volume", f"{path}:/shared", IMAGE]
    docker(*inside, "install", "-d", "-o", "50000", "-g", "0", "-m", "2770", "/shared/home", "/shared/logs")
    yield path
    docker(*inside, "sh", "-c", "rm -rf /shared/*")
    path.rmdir()


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    """Bring both machines up."""
    token, port = secrets.token_hex(3), free_port()
    folders = {
        "COUTURE_IMAGE": IMAGE,
        "COUTURE_HOME_FOLDER": str(folder / "home"),
        "COUTURE_LOGS_FOLDER": str(folder / "logs"),
    }
    published = {"COUTURE_PORT": str(port), "COUTURE_CLUSTER_ADDRESS": ADDRESS}
    first = Project(
        f"couture-first-{token}",
        ("docker-compose.yml", "docker-compose.expose.yml"),
        {**folders, **published, "COUTURE_ADMIN_PASSWORD": PASSWORD},
    )
    reached = {"COUTURE_STACK_ADDRESS": "host-gateway", "COUTURE_WORKER_SECRETS": str(folder / "secrets")}
    second = Project(f"couture-second-{token}", ("docker-compose.worker.yml",), {**folders, **reached})
    host = docker("run", "--rm", "--add-host", "here:host-gateway", IMAGE, "getent", "hosts", "here")
    tunnel = Tunnel(host.split()[0], ADDRESS)
    try:
        first.compose("up", "--detach", "scheduler", "dag-processor", "triggerer")
        first.wait_healthy("scheduler")
        _copy_secrets(first, folder / "secrets")
        tunnel.open()
        second.compose("up", "--detach")
        second.wait_healthy("worker")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as api:
            _log_in(api)
            _save_dag(api)
            yield Cluster(first, second, tunnel, api)
    finally:
        for project in (second, first):
            project.compose("down", "--volumes", "--timeout", "5")
        tunnel.cut()


def _copy_secrets(first: Project, target: Path) -> None:
    """Copy a worker's secrets as docs/scale.md says."""
    packed = first.compose(
        "run", "--rm", "--no-deps", "-T", "worker", "tar", "-C", "/run/couture/secrets/worker", "-c", "."
    )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(target, filter="tar")
    for path in target.iterdir():
        os.chown(path, 50000, 0)


def _log_in(api: httpx.Client) -> None:
    answer = api.post("/auth/token", json={"username": "superadmin", "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    api.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def _save_dag(api: httpx.Client) -> None:
    answer = api.put("/api/dags/files/elsewhere.py", json={"content": DAG, "message": "A test"})
    assert answer.is_success, answer.text
    wait_for(
        lambda: api.get("/api/v2/dags/elsewhere").status_code == 200, seconds=120, what="the DAG is known"
    )
    assert api.patch("/api/v2/dags/elsewhere", json={"is_paused": False}).status_code == 200


def test_a_task_runs_on_the_other_machine_and_its_log_is_read_on_the_first(cluster: Cluster) -> None:
    run = cluster.trigger()
    found = cluster.wait_for_state(run, "success", "failed", seconds=180)
    (worker,) = cluster.second.containers("worker")
    assert (found["state"], found["hostname"]) == ("success", worker["Config"]["Hostname"])
    assert f"Hello from {worker['Config']['Hostname']}" in cluster.log(run)
    assert not cluster.first.containers("worker")


def test_a_remote_worker_holds_three_secrets_and_no_more(cluster: Cluster) -> None:
    shown = cluster.second.compose(
        "exec", "-T", "worker", "sh", "-c", "cd /run/couture/secrets && find . -type f"
    )
    assert sorted(shown.stdout.decode().split()) == [
        "./worker/broker_url",
        "./worker/result_backend",
        "./worker/secret_key",
    ]
    environment = cluster.second.compose("exec", "-T", "worker", "env").stdout.decode()
    for name in ("broker_url", "result_backend"):
        secret = cluster.second.compose("exec", "-T", "worker", "cat", f"/run/couture/secrets/worker/{name}")
        assert secret.stdout.decode().strip().split(":")[2].split("@")[0] not in environment


def test_the_first_machine_answers_at_the_named_address_alone(cluster: Cluster) -> None:
    for service, port in (("mysql", 3306), ("rabbitmq", 5672)):
        (container,) = cluster.first.containers(service)
        bound = [b["HostIp"] for ports in container["NetworkSettings"]["Ports"].values() for b in ports or []]
        assert bound == [ADDRESS], port


def test_tasks_survive_a_cut_of_the_tunnel_and_the_worker_comes_back(cluster: Cluster) -> None:
    interrupted = cluster.trigger(seconds=25)
    cluster.wait_for_state(interrupted, "running", seconds=120)
    cluster.tunnel.cut()
    waiting = cluster.trigger()
    time.sleep(20)
    assert cluster.task(waiting)["state"] in ("scheduled", "queued")
    cluster.tunnel.open()
    restored = time.monotonic()
    assert cluster.wait_for_state(waiting, "success", "failed", seconds=180)["state"] == "success"
    say(f"The worker took the waiting task {time.monotonic() - restored:.0f} s after the tunnel was back.")
    ended = cluster.wait_for_state(interrupted, "success", "failed", seconds=400)
    say(f"The interrupted task was {ended['state']} {time.monotonic() - restored:.0f} s after.")
    (worker,) = cluster.second.containers("worker")
    assert worker["RestartCount"] == 0
    assert cluster.starts(interrupted) == ended["try_number"]
    assert ended["state"] == (
        "success" if "Done" in cluster.log(interrupted, ended["try_number"]) else "failed"
    )


def test_more_workers_share_the_tasks(cluster: Cluster) -> None:
    cluster.second.compose("up", "--detach", "--scale", "worker=2")
    cluster.second.wait_healthy("worker")
    names = {container["Config"]["Hostname"] for container in cluster.second.containers("worker")}
    assert len(names) == 2
    runs = [cluster.trigger(seconds=5) for _ in range(10)]
    found = [cluster.wait_for_state(run, "success", "failed", seconds=240) for run in runs]
    assert {one["state"] for one in found} == {"success"}
    assert {one["hostname"] for one in found} == names
