"""Data frames between tasks on the real workbench: handed on, shown, kept apart, gone with their run."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.workbench import PASSWORD, Workbench, command

pytestmark = [pytest.mark.workbench, pytest.mark.slow]

pytest.importorskip("pandas", reason="needs pandas")
pytest.importorskip("polars", reason="needs polars")

DAG = """import sys

from airflow.sdk import DAG, task

with DAG("frames", schedule=None, default_args={"owner": "ann"}):

    @task
    def make():
        import pandas

        return pandas.DataFrame({"shop": ["north", "<b>"], "sold": [1.5, 2.5]})

    @task(multiple_outputs=True)
    def split(frame):
        import polars

        table = polars.from_pandas(frame).to_arrow()
        return {"first": table.slice(0, 1), "second": polars.from_arrow(table).tail(1)}

    @task
    def one(number):
        import pandas

        return pandas.DataFrame({"n": [number]})

    @task.external_python(python=f"{sys.prefix}/runtimes/spark/bin/python", expect_airflow=False)
    def elsewhere(frame):
        import pandas

        frame["pandas"] = pandas.__version__
        return frame

    @task
    def total(frame, first, second, many, other):
        import pandas

        assert list(other["shop"]) == list(frame["shop"]) and other["pandas"][0] != pandas.__version__
        sums = [frame["sold"].sum(), first["sold"].to_pylist()[0], second["sold"].sum()]
        return [*map(float, sums), sum(int(each["n"].sum()) for each in many)]

    made = make()
    parts = split(made)
    total(made, parts["first"], parts["second"], one.expand(number=[1, 2, 3]), elsewhere(made))

params = {"run": "", "reference": "{}"}

with DAG("frames_of_others", schedule=None, default_args={"owner": "bob"}, params=params):

    @task
    def take(**context):
        run = context["params"]["run"]
        context["ti"].xcom_pull(dag_id="frames", task_ids="make", run_id=run)

    @task
    def forge(**context):
        import json

        return {**json.loads(context["params"]["reference"]), "owner": "bob"}

    @task
    def use(value):
        return len(value)

    take()
    use(forge())
"""


def wait(question: Callable[[], Any], why: str, seconds: float = 150) -> Any:
    """Return the first answer that is true."""
    deadline = time.monotonic() + seconds
    while not (found := question()):
        assert time.monotonic() < deadline, why
        time.sleep(0.2)
    return found


class Runs:
    """Runs of the DAGs, as an administrator sees them."""

    def __init__(self, workbench: Workbench) -> None:
        self.client = workbench.client("admin")

    def start(self, dag_id: str, **conf: str) -> str:
        """Start a run and return it."""
        unpause = {"is_paused": False}
        wait(
            lambda: self.client.patch(f"/api/v2/dags/{dag_id}", json=unpause).status_code == 200, "not parsed"
        )
        body = {"logical_date": None, "conf": conf}
        answer = self.client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body).raise_for_status()
        return f"/api/v2/dags/{dag_id}/dagRuns/{answer.json()['dag_run_id']}"

    def end(self, run: str) -> str:
        """Wait for the end of a run and return its state."""

        def ended() -> str:
            state = str(self.client.get(run).raise_for_status().json()["state"])
            return state if state in ("success", "failed") else ""

        return str(wait(ended, f"{run} does not end"))

    def clear(self, run: str, task: str) -> None:
        """Have a task and what follows run again, and wait until the run goes on."""
        dag_id, run_id = run.split("/")[4], run.rpartition("/")[2]
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "task_ids": [task]}
        path = f"/api/v2/dags/{dag_id}/clearTaskInstances"
        self.client.post(path, json=body | {"include_downstream": True}).raise_for_status()
        going_on = ("queued", "running")
        wait(lambda: self.client.get(run).json()["state"] in going_on, "the run does not go on")

    def value(self, run: str, task: str, key: str = "return_value") -> Any:
        """Return what Airflow's page shows of a value."""
        answer = self.client.get(
            f"{run}/taskInstances/{task}/xcomEntries/{key}", params={"deserialize": True}
        )
        return answer.raise_for_status().json()["value"]


@pytest.fixture(scope="module")
def runs(workbench: Workbench) -> Runs:
    found = Runs(workbench)
    path = "/api/dags/files/frames.py"
    found.client.put(path, json={"content": DAG}).raise_for_status()
    return found


@pytest.fixture(scope="module")
def run(runs: Runs) -> str:
    started = runs.start("frames")
    assert runs.end(started) == "success"
    return started


def files(workbench: Workbench) -> dict[str, int]:
    """Return the modes of the files of these two DAGs' values by their names; other tests have theirs."""
    found = [path for path in (workbench.home / "xcoms").glob("frames*/**/*") if path.is_file()]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in found}


def test_tasks_get_the_frames_and_people_see_what_they_are(
    workbench: Workbench, runs: Runs, run: str
) -> None:
    shown = runs.value(run, "make")

    assert runs.value(run, "total") == [4.0, 1.5, 2.5, 6]
    assert (shown["couture_value"], shown["shape"]) == ("pandas.DataFrame", "2 rows x 2 columns")
    assert shown["preview"] == [{"shop": "north", "sold": 1.5}, {"shop": "<b>", "sold": 2.5}]
    assert runs.value(run, "split", "first")["couture_value"] == "pyarrow.Table"
    # make; the parts of split alone, and together; each of the three; what came from the other Python
    assert list(files(workbench).values()) == [0o600] * 9


def test_a_task_of_another_owner_is_refused_with_a_sentence(
    workbench: Workbench, runs: Runs, run: str
) -> None:
    reference = runs.value(run, "make")
    before = files(workbench)
    other = runs.start("frames_of_others", run=run.rpartition("/")[2], reference=json.dumps(reference))

    assert runs.end(other) == "failed"
    logs = [runs.client.get(f"{other}/taskInstances/{task}/logs/1").text for task in ("take", "use")]
    assert "belongs to ann, and this task to bob" in logs[0]
    assert "belongs to another owner, and this task to bob" in logs[1]
    assert runs.value(other, "forge")["file"] == reference["file"]
    runs.clear(other, "forge")  # the try that begins deletes what the last one pushed, if it made it
    assert runs.end(other) == "failed" and files(workbench) == before
    assert runs.client.delete(other).status_code == 204
    assert collected(workbench) == "" and files(workbench) == before


def test_a_person_without_the_dag_cannot_read_its_values(workbench: Workbench, runs: Runs, run: str) -> None:
    rights = [("can_read", "XComs"), ("can_read", "DAG Runs"), ("can_read", "Task Instances")]
    actions = [
        {"action": {"name": action}, "resource": {"name": name}}
        for action, name in [*rights, ("can_read", "DAG:frames_of_others")]
    ]
    admin = workbench.client("superadmin")
    admin.post("/auth/fab/v1/roles", json={"name": "Others", "actions": actions}).raise_for_status()
    account = {"username": "otto", "first_name": "o", "last_name": "o", "email": "otto@example.org"}
    body = {**account, "password": PASSWORD, "roles": [{"name": "Others"}]}
    admin.post("/auth/fab/v1/users", json=body).raise_for_status()

    entry = f"{run}/taskInstances/make/xcomEntries/return_value"
    answers = {role: workbench.client(role).get(entry) for role in ("otto", "public", "viewer")}
    everything = "/api/v2/dags/~/dagRuns/~/taskInstances/~/xcomEntries"
    listed = workbench.client("otto").get(everything)

    assert {role: answer.status_code for role, answer in answers.items()} == {
        "otto": 403,
        "public": 403,
        "viewer": 200,
    }
    assert "north" not in answers["otto"].text + listed.text and "couture_value" not in listed.text


def test_values_go_with_the_next_try_and_with_the_run(workbench: Workbench, runs: Runs, run: str) -> None:
    before = files(workbench)
    runs.clear(run, "split")
    assert runs.end(run) == "success"
    after = files(workbench)

    assert len(after) == len(before) == 9 and len(set(before) - set(after)) == 4
    assert collected(workbench) == ""
    assert files(workbench) == after
    runs.client.delete(run).raise_for_status()
    # The API server looks every ten minutes, and may be the one that finds them.
    assert collected(workbench) in ("Removed 9 value(s) between tasks that no run needs.", "")
    assert not files(workbench)


def collected(workbench: Workbench) -> str:
    """Type `couture-workflow gc` and return what it says about values."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(
        [*command(), "gc", "--home", str(workbench.home)],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next((line for line in done.stdout.splitlines() if "between tasks" in line), "")
