"""Stacks of docker-compose.yml for benchmarks, with our settings or those of Airflow's official file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
AIRFLOW_SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
PASSWORD = "benchmark-only"
FAN_OUT, PIPELINES, STEPS = 500, 50, 10
#: Seconds between two looks at the runs; a look costs CPU that the stack would use.
POLL = 3

_FAN_OUT = f"""
from airflow.sdk import dag, task

@dag(schedule=None)
def fan_out():
    @task
    def nothing(number):
        pass
    nothing.expand(number=list(range({FAN_OUT})))

@dag(schedule=None)
def warm_up():
    @task
    def nothing(number):
        pass
    nothing.expand(number=list(range(32)))

fan_out()
warm_up()
"""
_PIPELINE = f"""
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, chain

with DAG("pipeline_%02d", schedule=None):
    chain(*(PythonOperator(task_id=f"step_{{n}}", python_callable=lambda: None) for n in range({STEPS})))
"""

#: What the official file says in its `environment`; all else is Airflow's default.
_OFFICIAL = {
    "AIRFLOW_CONFIG": "/bench/official.cfg",
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://api-server:8080/execution/",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "false",  # "true" there; the same DAGs for both here
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "true",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": "16",  # Airflow's default; our file passes an empty variable
}
#: The secrets of the stack as plain variables, as the official file has them.
_OFFICIAL_ENTRYPOINT = """#!/bin/bash
set -eu
cd /run/couture/secrets
if [ -r airflow/sql_alchemy_conn ]; then
  export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="$(cat airflow/sql_alchemy_conn)"
  export AIRFLOW__CORE__FERNET_KEY="$(cat airflow/fernet_key)"
  export AIRFLOW__API__SECRET_KEY="$(cat airflow/api_secret_key)"
  export AIRFLOW__API_AUTH__JWT_SECRET="$(cat airflow/jwt_secret)"
fi
export AIRFLOW__CELERY__BROKER_URL="$(cat worker/broker_url)"
export AIRFLOW__CELERY__RESULT_BACKEND="$(cat worker/result_backend)"
cd /opt/airflow
exec "$@"
"""
_JOBS = 'airflow jobs check --job-type {} --hostname "$${{HOSTNAME}}"'
_APP = "airflow.providers.celery.executors.celery_executor.app"
_PING = f'celery --app {_APP} inspect ping -d "celery@$${{HOSTNAME}}"'
OFFICIAL_CHECKS = {
    "api-server": "curl --fail http://localhost:8080/api/v2/version",
    "scheduler": "curl --fail http://localhost:8974/health",
    "dag-processor": _JOBS.format("DagProcessorJob"),
    "triggerer": _JOBS.format("TriggererJob"),
    "worker": _PING,
}
#: What Airflow asks of a MySQL; everything else is MySQL's default.
OFFICIAL_MYSQL = [
    "mysqld",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--explicit-defaults-for-timestamp=1",
]


def official() -> dict[str, Any]:
    """Return what turns our compose file into one with the settings of the official file."""
    services: dict[str, Any] = {
        name: {
            "environment": _OFFICIAL,
            "entrypoint": ["/usr/bin/tini", "--", "/bench/official"],
            "healthcheck": {
                "test": ["CMD-SHELL", check],
                "interval": "30s",
                "timeout": "10s",
                "retries": 5,
                "start_period": "30s",
            },
        }
        for name, check in OFFICIAL_CHECKS.items()
    }
    services["scheduler"]["command"] = "airflow scheduler"
    services["triggerer"]["command"] = "airflow triggerer"
    services["worker"]["command"] = "airflow celery worker"
    services["mysql"] = {"command": OFFICIAL_MYSQL}
    services["rabbitmq"] = {"environment": {"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ""}}
    return {"services": services}


@dataclass
class Stack:
    """One compose project.

    :param changes: compose files to put over ours, as data.
    """

    project: str
    port: int
    folder: Path
    changes: Sequence[Mapping[str, Any]] = ()
    composer: list[str] = field(default_factory=lambda: _composer() or ["docker", "compose"])

    @property
    def url(self) -> str:
        """Address of the API server."""
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *words: str) -> str:
        """Run Compose on the project."""
        files = ["-f", str(ROOT / "docker-compose.yml")]
        for number, change in enumerate((self._common(), *self.changes)):
            path = self.folder / f"{self.project}-{number}.yml"
            path.write_text(json.dumps(change))
            files += ["-f", str(path)]
        environment = {
            **os.environ,
            "COUTURE_PORT": str(self.port),
            "COUTURE_ADMIN_PASSWORD": PASSWORD,
        }
        command = [*self.composer, "--project-name", self.project, *files, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def up(self) -> None:
        """Start what does not run or has changed, and wait until a DAG runs."""
        self.compose("up", "-d", "worker")
        deadline = time.monotonic() + 600
        while True:
            try:
                self.run(["warm_up"], timeout=300)
                return
            except (httpx.HTTPError, RuntimeError, KeyError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(3)

    def freeze(self) -> None:
        """Stop all processes where they are. An engine may fail to do that to one that is just forking."""
        words = ["ps", "--quiet", "--filter", f"label=com.docker.compose.project={self.project}"]
        for _ in range(20):
            running = [*words, "--filter", "status=running"]
            listed = subprocess.run(["docker", *running], capture_output=True, text=True, check=True)
            if not (containers := listed.stdout.split()):
                return
            subprocess.run(["docker", "pause", *containers], capture_output=True, check=False)
        raise RuntimeError(f"{self.project} cannot be paused.")

    def run(self, dags: Sequence[str], *, timeout: float = 1800) -> str:
        """Trigger a run of each DAG, wait until all have succeeded, and return the id of the runs."""
        answer = httpx.post(
            f"{self.url}/auth/token", json={"username": "superadmin", "password": PASSWORD}, timeout=60
        ).raise_for_status()
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        run_id = f"benchmark-{time.time():.0f}"
        body = {"dag_run_id": run_id, "logical_date": None}
        with httpx.Client(headers=headers, timeout=60) as client:
            for dag in dags:
                client.post(f"{self.url}/api/v2/dags/{dag}/dagRuns", json=body).raise_for_status()
        deadline = time.monotonic() + timeout
        while True:
            rows = self.query(f"SELECT state, COUNT(*) FROM dag_run WHERE run_id = '{run_id}' GROUP BY state")
            states = {row[0]: int(row[1]) for row in rows}
            if states.get("success") == len(dags):
                return run_id
            if "failed" in states or time.monotonic() > deadline:
                raise RuntimeError(f"{self.project}: the runs are {states}.")
            time.sleep(POLL)

    def query(self, sql: str) -> list[list[str]]:
        """Return the rows that MySQL answers."""
        command = 'MYSQL_PWD="$(cat /run/couture/secrets/mysql/password)" exec mysql --host=127.0.0.1 '
        command += '--user=airflow --batch --skip-column-names airflow --execute="$0"'
        done = subprocess.run(
            ["docker", "exec", self._container("mysql"), "sh", "-c", command, sql],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def cpu(self) -> dict[str, float]:
        """Return the seconds of CPU that each service has used since it was started."""
        script = (
            "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || sed -n 's/^usage_usec //p;' "
            "/sys/fs/cgroup/cpu.stat | sed 's/$/000/'"
        )
        found = {}
        for service in (*AIRFLOW_SERVICES, "mysql", "rabbitmq"):
            words = ["docker", "exec", self._container(service), "sh", "-c", script]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            found[service] = int(done.stdout) / 1e9
        return found

    def _container(self, service: str) -> str:
        separator = "-" if self.composer[-1] == "compose" else "_"
        return separator.join((self.project, service, "1"))

    def _common(self) -> dict[str, Any]:
        bundle = {
            "name": "bench",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": "/bench/dags", "refresh_interval": 30},
        }
        service = {
            "environment": {
                "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
                "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
                "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            },
            "volumes": [f"{self.folder}/bench:/bench:ro"],
        }
        return {"services": dict.fromkeys(AIRFLOW_SERVICES, service)}


@contextmanager
def running(stacks: Sequence[Stack]) -> Iterator[None]:
    """Start the stacks, all but one of them frozen at any time; take them away at the end."""
    write_files(stacks[0].folder / "bench")
    try:
        for stack in stacks:
            stack.up()
            stack.freeze()
        yield
    finally:
        for stack in stacks:
            subprocess.run(
                [*stack.composer, "--project-name", stack.project, "unpause"],
                capture_output=True,
                check=False,
            )
            stack.compose("down", "--volumes", "--timeout", "5")


@contextmanager
def awake(stack: Stack) -> Iterator[None]:
    """Let a stack run alone for a while, warmed up, and its DAG files read that were due."""
    stack.compose("unpause")
    try:
        ((began,),) = stack.query("SELECT UTC_TIMESTAMP(6)")
        stack.run(["warm_up"])
        old = f"SELECT COUNT(*) FROM dag WHERE NOT is_stale AND last_parsed_time < '{began}'"
        deadline = time.monotonic() + 300
        while stack.query(old) != [["0"]]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{stack.project} has not read its DAG files within 300 s of its wake-up.")
            time.sleep(POLL)
        yield
    finally:
        stack.freeze()


def write_files(folder: Path) -> None:
    """Write the DAGs and what the settings of the official file need."""
    (folder / "dags").mkdir(parents=True, exist_ok=True)
    (folder / "dags/fan_out.py").write_text(_FAN_OUT)
    for number in range(PIPELINES):
        (folder / f"dags/pipeline_{number:02}.py").write_text(_PIPELINE.replace("%02d", f"{number:02}"))
    (folder / "official.cfg").write_text("[core]\n")
    (folder / "official").write_text(_OFFICIAL_ENTRYPOINT)
    (folder / "official").chmod(0o755)
    for path in (folder.parent, folder, folder / "dags"):
        path.chmod(0o755)


def _composer() -> list[str]:
    """Return the command of Docker Compose, empty where there is none."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            done = subprocess.run([*command, "version"], capture_output=True, check=False)
            if done.returncode == 0:
                return command
    return []


def missing(image: str) -> str:
    """Return why no stack can be started here, "" if one can."""
    if not _composer():
        return "there is no Docker Compose"
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        return "no container engine answers"
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
        return f"there is no image {image}: make image"
    return ""
