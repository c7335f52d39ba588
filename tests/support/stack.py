"""The stack of ``docker-compose.yml`` for tests: brought up from a fresh copy, as a user has it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from couture_workflow.services.runtimes.system_packages import Program, ensure
from tests.support.images import NAMES, ROOT, Docker, RuntimeMissingError
from tests.support.site import Site
from tests.support.workbench import free_port

Json = dict[str, Any]
ONE_SHOT = ("secrets", "init")
LONG_RUNNING = (
    "mysql",
    "rabbitmq",
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
    "dag-sync",
    "jupyter",
    "serving",
    "worker",
)
UP_TIMEOUT, HEALTHY_TIMEOUT, DAG_TIMEOUT, RUN_TIMEOUT = 900.0, 300.0, 180.0, 600.0
#: Seconds from nothing to all healthy on a machine with two cores, and on one that does other work meanwhile.
LIMIT, BUSY_LIMIT = 180.0, 600.0
#: What a terminal would do with lines, which some versions of Compose print without one too.
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
COMPOSE_1 = Program("docker-compose", ("docker-compose",), lambda: bool(shutil.which("docker-compose")))


@dataclass(frozen=True)
class Process:
    """A process in a container, as the host sees it."""

    container: str
    pid: int
    uid: int
    command: str


def compose_1(docker: Docker) -> list[str]:
    """Return the command of Docker Compose 1, or skip where it is not to be had."""
    try:
        ensure([COMPOSE_1], report=docker.report)
    except RuntimeMissingError as error:
        pytest.skip(f"needs docker-compose 1.29: {error}")
    said = docker.call(["docker-compose", "version", "--short"], timeout=60).stdout.strip()
    if not said.startswith("1."):
        pytest.skip(f"docker-compose is {said} here, not 1.29")
    return ["docker-compose"]


@dataclass(frozen=True)
class FirstStart:
    """How a stack came up from empty volumes.

    :param seconds: it took.
    :param limit: seconds that it may take on this machine, by what else the machine did.
    """

    seconds: float
    limit: float
    logs: str


def start_limit() -> float:
    """Return how long a start may take on this machine now."""
    return BUSY_LIMIT if os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1) else LIMIT


@dataclass
class Stack(Site):
    """The services of ``docker-compose.yml``: ``up``, then ``url``, ``client`` and the rest, then ``down``.

    :param folder: gets a copy of the compose file and a ``.env``.
    :param settings: more lines of the ``.env``.
    :param composer: the Compose to use.
    :param services: those that are healthy when it is up.
    """

    docker: Docker
    folder: Path
    project: str
    settings: dict[str, str] = field(default_factory=dict)
    composer: list[str] = field(default_factory=list)
    port: int = field(default_factory=free_port)
    serving_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    clients: dict[str, httpx.Client] = field(default_factory=dict)
    services: tuple[str, ...] = LONG_RUNNING
    _password: str = ""

    def __post_init__(self) -> None:
        self.composer = self.composer or [self.docker.program, "compose"]
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "docker-compose.yml", self.folder)
        if (ROOT / ".env.example").exists():
            shutil.copy(ROOT / ".env.example", self.folder / ".env")
        lines = {**NAMES, "COUTURE_PORT": str(self.port), **self._serving(), **self.settings}
        with (self.folder / ".env").open("a", encoding="utf-8") as file:
            file.writelines(f"\n{name}={value}" for name, value in lines.items())
            file.write("\n")

    def _serving(self) -> dict[str, str]:
        return {
            "COUTURE_SERVING_PORT": str(self.serving_port),
            "COUTURE_SERVING_GRPC_PORT": str(self.grpc_port),
            "COUTURE_SERVING_PUBLIC_URL": self.serving_url,
        }

    # --- the services ---

    @property
    def serving_url(self) -> str:
        """Address of the model server, without a slash at the end."""
        return f"http://127.0.0.1:{self.serving_port}"

    @property
    def url(self) -> str:
        """Address of the API server, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_password(self) -> str:
        """The generated password of superadmin, got as the documentation says."""
        if not self._password:
            said = self.compose(
                "run", "--rm", "--no-deps", "init", "couture-workflow", "container", "password"
            )
            self._password = said.stdout.strip().splitlines()[-1].strip()
        return self._password

    @property
    def api(self) -> httpx.Client:
        """A client of Airflow's and our REST API that is logged in as superadmin."""
        return self.client("superadmin")

    def compose(
        self, *words: str, check: bool = True, timeout: float = UP_TIMEOUT
    ) -> subprocess.CompletedProcess[str]:
        """Run Compose in the folder of the stack; ``stdout`` has all that it printed."""
        command = [*self.composer, "--ansi", "never", "-p", self.project, *words]
        return self.docker.call(command, timeout=timeout, check=check, cwd=self.folder)

    def up(self, *words: str) -> float:
        """Type ``docker compose up -d worker``, wait until all is healthy, and return the seconds it took."""
        began = time.monotonic()
        try:
            self.compose("up", "-d", *(words or ("worker",)))
            self.wait_healthy()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.state()}") from None
        return time.monotonic() - began

    def down(self) -> None:
        """Take everything away, volumes too."""
        self.close()
        self.compose("down", "-v", "--remove-orphans", "-t", "0", timeout=300)

    def containers(self, service: str = "", *, stopped: bool = False) -> list[Json]:
        """Return what the engine knows of the containers of a service, or of all."""
        words = ["ps", "--quiet", "--filter", f"label=com.docker.compose.project={self.project}"]
        if service:
            words += ["--filter", f"label=com.docker.compose.service={service}"]
        if stopped:
            words.append("--all")
        ids = self.docker.run(*words).stdout.split()
        found: list[Json] = json.loads(self.docker.run("inspect", *ids).stdout) if ids else []
        return [each for each in found if each["Config"]["Labels"]["com.docker.compose.oneoff"] == "False"]

    def container(self, service: str, index: int = 1) -> str:
        """Return the id of the container of a service; the number tells those of a scaled one apart."""
        for each in self.containers(service, stopped=True):
            if each["Config"]["Labels"]["com.docker.compose.container-number"] == str(index):
                return str(each["Id"])
        raise AssertionError(f"{self.project} has no container {index} of {service}.")

    def unhealthy(self) -> list[str]:
        """Return the services that are not running and healthy, each with its state."""
        found = dict.fromkeys(self.services, "missing")
        for each in self.containers(stopped=True):
            service = each["Config"]["Labels"]["com.docker.compose.service"]
            state = each["State"]
            health = state.get("Health", {}).get("Status", "no health check")
            if service in ONE_SHOT:
                if state["Status"] != "exited" or state["ExitCode"] != 0:
                    found[service] = f"{state['Status']} {state['ExitCode']}"
            elif health == "healthy" and state["Status"] == "running":
                found.pop(service, None) if found.get(service) == "missing" else None
            else:
                found[service] = f"{state['Status']}, {health}"
        return [f"{service}: {state}" for service, state in sorted(found.items())]

    def wait_healthy(self, timeout: float = HEALTHY_TIMEOUT) -> None:
        """Wait until every service is healthy."""
        deadline = time.monotonic() + timeout
        while wrong := self.unhealthy():
            assert time.monotonic() < deadline, f"After {timeout:.0f} s not healthy: {'; '.join(wrong)}"
            time.sleep(1)

    def exec(
        self, service: str, *words: str, index: int = 1, user: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the container of a service."""
        options = ["--user", user] if user else []
        return self.docker.run("exec", *options, self.container(service, index), *words, check=check)

    def processes(self, service: str, part: str = "") -> list[Process]:
        """Return the processes in all containers of a service whose command line has this part."""
        found = []
        for each in self.containers(service):
            said = self.docker.run("top", each["Id"], "-eo", "pid,uid,args", check=False)
            for line in said.stdout.splitlines()[1:] if said.returncode == 0 else []:
                pid, uid, command = line.split(None, 2)
                if part in command:
                    found.append(Process(each["Id"], int(pid), int(uid), command))
        return found

    def logs(self, service: str = "", *, tail: int | None = None) -> str:
        """Return what the containers of a service, or of all services, have printed."""
        words = [
            "logs",
            "--no-color",
            *(["--tail", str(tail)] if tail else []),
            *([service] if service else []),
        ]
        return COLOURS.sub("", self.compose(*words, check=False, timeout=120).stdout)

    def state(self, *, tail: int = 25) -> str:
        """Return for a person what state everything is in, with the ends of the logs."""
        listed = self.compose("ps", "--all", check=False, timeout=60).stdout
        if "unknown" in listed:
            listed = self.compose("ps", check=False, timeout=60).stdout
        ends = "\n".join(line[:240] for line in self.logs(tail=tail).splitlines())
        return f"{listed}\n{ends}"

    # --- DAGs ---

    def save_dag(self, path: str, source: str, *, dag_id: str = "", timeout: float = DAG_TIMEOUT) -> None:
        """Save a DAG through our REST API and wait until Airflow shows it, not paused.

        :param dag_id: the name of the file without its ending, unless it is given.
        """
        name = dag_id or Path(path).stem
        body: Json = {"content": source, "message": f"Test: {path}"}
        answer = self.api.put(f"/api/dags/files/{path}", json=body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text[:1000]}"
        deadline = time.monotonic() + timeout
        while self.api.patch(f"/api/v2/dags/{name}", json={"is_paused": False}).status_code != 200:
            assert time.monotonic() < deadline, f"{name} is not there after {timeout:.0f} s: {self._errors()}"
            time.sleep(0.5)

    def trigger(self, dag_id: str, conf: Json | None = None) -> str:
        """Trigger a DAG and return the id of its run."""
        body = {"logical_date": None, "conf": conf or {}}
        answer = self.api.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        assert answer.is_success, answer.text
        return str(answer.json()["dag_run_id"])

    def wait_run(
        self, dag_id: str, run_id: str, *, state: str = "success", timeout: float = RUN_TIMEOUT
    ) -> Json:
        """Wait until a DAG run has ended, in this state, and return what Airflow tells of it."""
        deadline = time.monotonic() + timeout
        while True:
            run: Json = self._run(dag_id, run_id)
            if run.get("state") in {"success", "failed"}:
                break
            tasks = [(task["task_id"], task["state"]) for task in self.task_instances(dag_id, run_id)]
            assert time.monotonic() < deadline, f"{run_id} has not ended after {timeout:.0f} s: {tasks}"
            time.sleep(1)
        assert run["state"] == state, f"{run_id} is {run['state']}. {self._failures(dag_id, run_id)}"
        return run

    def task_instances(self, dag_id: str, run_id: str) -> list[Json]:
        """Return the task instances of a DAG run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        try:
            answer = self.api.get(path, params={"limit": 1000})
        except httpx.TransportError:
            return []
        return answer.json()["task_instances"] if answer.is_success else []

    def task_log(self, dag_id: str, run_id: str, task_id: str, *, attempt: int = 1) -> str:
        """Return the log of a task as text."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/logs/{attempt}"
        answer = self.api.get(path, params={"full_content": "true"}, headers={"Accept": "application/json"})
        assert answer.is_success, answer.text
        lines = answer.json()["content"]
        return "\n".join(line if isinstance(line, str) else str(line.get("event", "")) for line in lines)

    def _run(self, dag_id: str, run_id: str) -> Json:
        """Return a DAG run, or nothing while the API server or its database cannot be reached."""
        try:
            answer = self.api.get(f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}")
        except httpx.TransportError:
            return {}
        assert answer.is_success or answer.status_code >= 500, answer.text
        return answer.json() if answer.is_success else {}

    def _failures(self, dag_id: str, run_id: str) -> str:
        """Return the end of the log of each task that has failed."""
        said = []
        for task in self.task_instances(dag_id, run_id):
            if task["state"] == "failed":
                log = self.task_log(dag_id, run_id, task["task_id"], attempt=task["try_number"])
                said.append(f"The log of {task['task_id']} ends with:\n{log[-2000:]}")
        return "\n".join(said)

    def _errors(self) -> str:
        errors = self.api.get("/api/v2/importErrors").json().get("import_errors", [])
        return "\n".join(error["stack_trace"] for error in errors) or "there is no import error"
