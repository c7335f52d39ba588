"""`couture-workflow demo`: a first day's work in a temporary home, through the public interfaces, checked.

It logs in, sets a Spark configuration, uploads a dependency and a code artifact, saves a DAG of its own (the
example ``penguins`` under another name), triggers it, reads the table that the Spark job printed and the
provenance of the run, and compares both with what they must be.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from couture_workflow.exceptions import DemoError
from couture_workflow.services.embedded_database import ADMIN
from couture_workflow.services.embedded_settings import examples_folder

Report = Callable[[str], None]
Json = dict[str, Any]

DAG, TASKS = "my_penguins", ("clean", "summarize")
#: Parts of the example DAG that become the demo's own.
EXAMPLE, DATA = 'dag_id="penguins"', 'Path(__file__).resolve().parent.parent / "data" / "penguins.csv"'
ARTIFACT, DEPENDENCY = "penguins.py", "penguin_rules.py"
BEGIN, END = "----- penguins by species and sex -----", "----- end of the table -----"
CONFIGURATION: Json = {
    "arguments": {"master": "local[2]", "driver-memory": "1g"},
    "configurations": {"spark.sql.shuffle.partitions": "2", "spark.ui.enabled": "false"},
    "jars": [],
    "py_files": [],
    "message": "Demo: two local cores",
}
START_TIMEOUT, RUN_TIMEOUT, STOP_TIMEOUT = 300.0, 300.0, 90.0
HEALTHY = ("metadatabase", "scheduler", "triggerer", "dag_processor")


def run(*, report: Report) -> int:
    """Do the whole demo and return 0; whatever is not as it must be raises ``DemoError``.

    :param report: gets each line that a person should read.
    """
    folder = examples_folder()
    if folder is None:
        raise DemoError("The examples are not part of this installation: install the package anew.")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="couture-demo-") as temporary:
        demo = _Demo(examples=folder.parent, home=Path(temporary) / "home", report=report)
        with demo.workbench():
            demo.day()
        demo.check_stopped()
    report(f"All of it is true. {time.monotonic() - began:.0f} s in all.")
    return 0


@dataclass
class _Demo:
    """One run of the demo."""

    examples: Path
    home: Path
    report: Report
    port: int = field(default_factory=lambda: _free_port())
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    client: httpx.Client = field(init=False)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Report how long something took."""
        began = time.monotonic()
        yield
        self.report(f"  {time.monotonic() - began:5.1f} s  {title}")

    @contextlib.contextmanager
    def workbench(self) -> Iterator[None]:
        """Run the workbench in the temporary home."""
        environment = {**os.environ, "COUTURE_ADMIN_PASSWORD": self.password}
        command = [sys.executable, "-P", "-m", "couture_workflow.cli", "run"]
        self.report(f"The workbench of the demo is at http://localhost:{self.port} in {self.home}")
        with self.home.with_name("console").open("wb") as console:
            self.process = subprocess.Popen(  # noqa: S603
                [*command, "--home", str(self.home), "--port", str(self.port)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            with self.step("start the workbench in an empty home"):
                self._wait_until_healthy()
            yield
        finally:
            self.client.close()
            with self.step("stop the workbench"):
                self._stop(self.process)

    def day(self) -> None:
        """Do the first day's work and check what came of it."""
        with self.step(f"log in as {ADMIN}"):
            self._log_in()
        with self.step("set the Spark configuration: " + ", ".join(CONFIGURATION["configurations"])):
            commit = self._json(self.client.put("/api/configs/spark", json=CONFIGURATION))["commit"]
        with self.step(f"upload the dependency {DEPENDENCY}"):
            dependency = self._upload("dependencies", DEPENDENCY)
        with self.step(f"upload the code artifact {ARTIFACT}"):
            artifact = self._upload("artifacts", ARTIFACT)
        with self.step(f"save the DAG {DAG} and wait until Airflow shows it"):
            self._save_dag()
        with self.step(f"trigger the DAG {DAG}"):
            run_id = self._trigger()
        with self.step(f"wait for its tasks {' and '.join(TASKS)} on real Spark"):
            self._wait_for(run_id)
        with self.step("read the table and the provenance"):
            table = self._table(run_id)
            record = self._provenance(run_id)
        self._check_table(table)
        self._check_provenance(record, commit=commit, application=artifact, py_file=dependency)
        self._show(table, record)

    def check_stopped(self) -> None:
        """Make sure that the workbench has ended as it should."""
        code = self.process.returncode if self.process else None
        if code != 0:
            raise DemoError(f"The workbench ended with exit code {code} instead of 0.")

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        missing: list[str] = list(HEALTHY)
        while missing:
            if self.process is None or self.process.poll() is not None:
                raise DemoError(f"The workbench did not start: {self._console()}")
            if time.monotonic() > deadline:
                raise DemoError(f"After {START_TIMEOUT:.0f} s still not healthy: {', '.join(missing)}.")
            time.sleep(0.3)
            with contextlib.suppress(httpx.TransportError, ValueError):
                health = self.client.get("/api/v2/monitor/health").json()
                missing = [name for name in HEALTHY if health[name]["status"] != "healthy"]

    def _console(self) -> str:
        lines = self.home.with_name("console").read_text(encoding="utf-8", errors="replace").split("\n")
        return " / ".join([line for line in lines if line.strip()][-3:]) or "it printed nothing"

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _json(self, answer: httpx.Response) -> Json:
        if answer.is_error:
            request = answer.request
            raise DemoError(
                f"{request.method} {request.url.path} answered {answer.status_code}: {answer.text[:500]}"
            )
        found: Json = answer.json()
        return found

    def _log_in(self) -> None:
        answer = self.client.post("/auth/token", json={"username": ADMIN, "password": self.password})
        self.client.headers["Authorization"] = f"Bearer {self._json(answer)['access_token']}"

    def _upload(self, kind: str, name: str) -> Json:
        content = (self.examples / "jobs" / name).read_bytes()
        stored = self._json(self.client.put(f"/api/{kind}/files/{name}", content=content))
        if stored["sha256"] != hashlib.sha256(content).hexdigest():
            raise DemoError(f"{name} was stored with another content than was sent.")
        return stored

    def _save_dag(self) -> None:
        """Save the example DAG under another name, its data where they are, in the DAG repository."""
        text = (self.examples / "dags" / "penguins.py").read_text(encoding="utf-8")
        if EXAMPLE not in text or DATA not in text:
            raise DemoError("The example penguins.py is not the one that the demo knows.")
        text = text.replace(EXAMPLE, f'dag_id="{DAG}"')
        text = text.replace(DATA, f"Path({str(self.examples / 'data' / 'penguins.csv')!r})")
        body = {"content": text, "message": "Demo: my own penguins"}
        self._json(self.client.put(f"/api/dags/files/{DAG}.py", json=body))
        deadline = time.monotonic() + 60
        while (answer := self.client.get(f"/api/v2/dags/{DAG}")).status_code == 404:
            if time.monotonic() > deadline:
                raise DemoError(f"The DAG {DAG} is not there after a minute: it cannot be imported.")
            time.sleep(0.1)
        self._json(answer)

    def _trigger(self) -> str:
        self._json(self.client.patch(f"/api/v2/dags/{DAG}", json={"is_paused": False}))
        made = self._json(self.client.post(f"/api/v2/dags/{DAG}/dagRuns", json={"logical_date": None}))
        return str(made["dag_run_id"])

    def _wait_for(self, run_id: str) -> None:
        deadline = time.monotonic() + RUN_TIMEOUT
        path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id)}"
        while (state := self._json(self.client.get(path))["state"]) != "success":
            if state == "failed" or time.monotonic() > deadline:
                raise DemoError(f"The DAG run is {state}. {self._why(run_id)}")
            time.sleep(0.5)

    def _why(self, run_id: str) -> str:
        path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances"
        for task in self._json(self.client.get(path))["task_instances"]:
            if task["state"] == "failed":
                tail = "\n".join(self._log(run_id, task["task_id"])[-15:])
                return f"The log of {task['task_id']} ends with:\n{tail}"
        return "No task has failed yet."

    def _log(self, run_id: str, task: str) -> list[str]:
        path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances/{task}/logs/1"
        answer = self.client.get(
            path, params={"full_content": "true"}, headers={"Accept": "application/json"}
        )
        found = []
        for line in self._json(answer)["content"]:
            found.append(line if isinstance(line, str) else str(line.get("event", "")))
        return found

    def _table(self, run_id: str) -> list[str]:
        lines = self._log(run_id, "summarize")
        starts = [number for number, line in enumerate(lines) if BEGIN in line]
        ends = [number for number, line in enumerate(lines) if END in line]
        if not starts or not ends:
            raise DemoError("The log of summarize has no table:\n" + "\n".join(lines[-15:]))
        return lines[starts[-1] + 1 : ends[-1]]

    def _provenance(self, run_id: str) -> Json:
        path = f"/api/runs/{DAG}/{quote(run_id, safe='')}/summarize"
        found: Json = self._json(self.client.get(path))["run"]
        return found

    def _check_table(self, table: list[str]) -> None:
        expected = (self.examples / "expected" / "penguins.json").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in expected.splitlines() if line.strip()]
        wanted = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
        found = [line.split("  ") for line in table]
        computed = [[cell.strip() for cell in line if cell.strip()] for line in found]
        if computed != wanted:
            raise DemoError("The table is not what it must be:\n" + "\n".join(table))

    def _check_provenance(self, record: Json, *, commit: str, application: Json, py_file: Json) -> None:
        files = {(file["role"], file["name"], file["version"], file["sha256"]) for file in record["files"]}
        wanted = {
            ("application", ARTIFACT, application["version"], application["sha256"]),
            ("py-file", DEPENDENCY, py_file["version"], py_file["sha256"]),
        }
        found = (record["state"], record["configuration_commit"], files)
        if found != ("success", commit, wanted):
            raise DemoError(f"The provenance is not what it must be: {json.dumps(record)}")

    def _show(self, table: list[str], record: Json) -> None:
        self.report("")
        for line in table:
            self.report(f"    {line}")
        self.report("")
        for file in record["files"]:
            self.report(
                f"    {file['role']:<13} {file['name']}@{file['version']}  sha256 {file['sha256'][:12]}…"
            )
        self.report(f"    configuration {record['configuration_commit'][:12]}")
        self.report(f"    Spark         {record['spark_version']} on Java {record['java_version']}")
        self.report(f"    command       {record['command']}")
        self.report("")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
