"""A first day's work with a running installation, through its REST API, checked: what `demo` does."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from couture_workflow.exceptions import DemoError
from couture_workflow.services.workbench import demo_notebook

Report = Callable[[str], None]
Json = dict[str, Any]

DAG, TASKS = "my_penguins", ("clean", "summarize")
#: Parts of the example DAG that become the demo's own.
EXAMPLE, DATA = 'dag_id="penguins"', 'Path(__file__).resolve().parent.parent / "data" / "penguins.csv"'
IMPORT = "from couture_workflow.operators import CouturePySparkOperator"
#: Where the data are, whichever machine the DAG runs on.
EXAMPLES = "from couture_workflow.services.dags.examples import examples_folder"
HERE = 'Path(str(examples_folder())).parent / "data" / "penguins.csv"'
ARTIFACT, DEPENDENCY = "penguins.py", "penguin_rules.py"
BEGIN, END = "----- penguins by species and sex -----", "----- end of the table -----"
CONFIGURATION: Json = {
    "arguments": {"master": "local[2]", "driver-memory": "1g"},
    "configurations": {"spark.sql.shuffle.partitions": "2", "spark.ui.enabled": "false"},
    "jars": [],
    "py_files": [],
    "message": "Demo: two local cores",
}
RUN_TIMEOUT = 600.0
#: Seconds after which somebody who waits is told what for, again and again.
TELL_EVERY = 10.0


@dataclass
class Day:
    """One day's work.

    :param examples: folder of the shipped examples.
    :param client: a client of the installation; the day logs it in.
    :param report: gets each line that a person should read.
    :param whole: the installation has everything, so nothing is left out.
    """

    examples: Path
    client: httpx.Client
    report: Report
    user: str
    password: str
    whole: bool = False

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Report how long something took."""
        began = time.monotonic()
        yield
        self.report(f"  {time.monotonic() - began:5.1f} s  {title}")

    def work(self) -> None:
        """Do the first day's work and check what came of it."""
        with self.step(f"log in as {self.user}"):
            self._log_in()
        commit = self._configure()
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
        self._work_with_notebook()

    def json(self, answer: httpx.Response) -> Json:
        """Return what an answer has, or raise what it says is wrong."""
        if answer.is_error:
            request = answer.request
            raise DemoError(
                f"{request.method} {request.url.path} answered {answer.status_code}: {answer.text[:500]}"
            )
        found: Json = answer.json()
        return found

    def _work_with_notebook(self) -> None:
        if not self.whole and not demo_notebook.is_there(self):
            self.report("           no notebook is scheduled: this installation has no example notebooks")
            return
        with self.step(f"schedule the notebook {demo_notebook.NOTEBOOK} once, now"):
            wanted = demo_notebook.schedule(self)
        with self.step("wait for its run"):
            run_id = demo_notebook.wait(self, wanted)
        with self.step(f"find in its page: {demo_notebook.PRINTED}"):
            demo_notebook.check_page(self, run_id)

    def _log_in(self) -> None:
        answer = self.client.post("/auth/token", json={"username": self.user, "password": self.password})
        self.client.headers["Authorization"] = f"Bearer {self.json(answer)['access_token']}"

    def _configure(self) -> str:
        """Set the Spark configuration where nobody has yet, and return its version."""
        answer = self.client.get("/api/configs/spark/history", params={"limit": 1})
        self.json(answer)
        for newest in answer.json():
            self.report("           the Spark configuration stays as it is")
            return str(newest["commit"])
        with self.step("set the Spark configuration: " + ", ".join(CONFIGURATION["configurations"])):
            return str(self.json(self.client.put("/api/configs/spark", json=CONFIGURATION))["commit"])

    def _upload(self, kind: str, name: str) -> Json:
        content = (self.examples / "jobs" / name).read_bytes()
        stored = self.json(self.client.put(f"/api/{kind}/files/{name}", content=content))
        if stored["sha256"] != hashlib.sha256(content).hexdigest():
            raise DemoError(f"{name} was stored with another content than was sent.")
        return stored

    def _save_dag(self) -> None:
        """Save the example DAG under another name, its data where they are, in the DAG repository."""
        text = (self.examples / "dags" / "penguins.py").read_text(encoding="utf-8")
        if any(part not in text for part in (EXAMPLE, DATA, IMPORT)):
            raise DemoError("The example penguins.py is not the one that the demo knows.")
        text = text.replace(EXAMPLE, f'dag_id="{DAG}"')
        text = text.replace(DATA, HERE).replace(IMPORT, f"{IMPORT}\n{EXAMPLES}")
        body = {"content": text, "message": "Demo: my own penguins"}
        self.json(self.client.put(f"/api/dags/files/{DAG}.py", json=body))
        deadline, tell = time.monotonic() + 60, self.teller()
        while (answer := self.client.get(f"/api/v2/dags/{DAG}")).status_code == 404:
            if time.monotonic() > deadline:
                raise DemoError(f"The DAG {DAG} is not there after a minute: it cannot be imported.")
            tell(lambda: f"waiting for Airflow to read {DAG}.py")
            time.sleep(0.1)
        self.json(answer)

    def _trigger(self) -> str:
        self.json(self.client.patch(f"/api/v2/dags/{DAG}", json={"is_paused": False}))
        made = self.json(self.client.post(f"/api/v2/dags/{DAG}/dagRuns", json={"logical_date": None}))
        return str(made["dag_run_id"])

    def _wait_for(self, run_id: str) -> None:
        deadline, tell = time.monotonic() + RUN_TIMEOUT, self.teller()
        path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id)}"
        while (state := self.json(self.client.get(path))["state"]) != "success":
            if state == "failed" or time.monotonic() > deadline:
                raise DemoError(f"The DAG run is {state}. {self._why(run_id)}")
            tell(lambda: f"waiting for {self._states(run_id)}")
            time.sleep(0.5)

    def teller(self) -> Callable[[Callable[[], str]], None]:
        """Return what a loop that waits calls at each look: now and then it reports what is waited for."""
        began = told = time.monotonic()

        def tell(what: Callable[[], str]) -> None:
            nonlocal told
            if time.monotonic() - told >= TELL_EVERY:
                told = time.monotonic()
                self.report(f"           {what()}, for {told - began:.0f} s so far")

        return tell

    def _states(self, run_id: str) -> str:
        """Return the tasks with their states, in words."""
        path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances"
        found = {
            task["task_id"]: task["state"] for task in self.json(self.client.get(path))["task_instances"]
        }
        return ", ".join(f"{task} ({found.get(task) or 'not scheduled yet'})" for task in TASKS)

    def _why(self, run_id: str) -> str:
        path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances"
        for task in self.json(self.client.get(path))["task_instances"]:
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
        for line in self.json(answer)["content"]:
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
        found: Json = self.json(self.client.get(path))["run"]
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
