"""DAGs on the real workbench: a save is visible at once, a run keeps its version, files have states."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
import pytest

from couture_workflow.services.workbench.airflow_settings import Layout, environment
from couture_workflow.store.home import Store
from couture_workflow.web.dags.states import error_line
from tests.support.workbench import Workbench

pytestmark = pytest.mark.workbench

Found = TypeVar("Found")

#: The run of each test waits for this file, so that something can be saved meanwhile.
DAG = """from airflow.sdk import DAG, task

from pinned_lib import values

with DAG("pinned", schedule=None):

    @task
    def before():
        return values.VERSION

    @task
    def after(gate):
        import time
        from pathlib import Path

        while not Path(gate).exists():
            time.sleep(0.1)
        from pinned_lib import late

        return f"{values.VERSION} {late.VERSION}"

    before() >> after("{{ dag_run.conf['gate'] }}")
"""


def save(workbench: Workbench, changes: dict[str, str | None], *, ask: bool = True) -> str:
    """Save as the pages do, behind the gate, and ask for the parse through the database of the workbench."""
    repository = Store(workbench.home).dags
    contents = {path: None if text is None else text.encode() for path, text in changes.items()}
    commit = repository.save(contents, author="ann", message="m", base=repository.head())
    if ask:
        code = "import json, sys; from couture_workflow.web.dags.processing import request_parse as ask"
        run(workbench, f"{code}; ask(json.loads(sys.argv[1])); ask(json.loads(sys.argv[1]))", list(changes))
    return commit.id


def run(workbench: Workbench, code: str, argument: Any = None) -> str:
    """Run code in a process of its own in the environment of the workbench; return the last line printed."""
    variables = environment(Layout(workbench.home), base=os.environ)
    command = [sys.executable, "-c", code, json.dumps(argument)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (done.stdout.strip().splitlines() or [""])[-1]


def page(workbench: Workbench, role: str) -> httpx.Client:
    """Return a client that calls pages as a browser does, with the token in a cookie."""
    return httpx.Client(base_url=workbench.url, cookies={"_token": workbench.token(role)}, timeout=60)


def states(workbench: Workbench) -> dict[str, Any]:
    """Return what ``web.dags.states.states`` tells."""
    code = (
        "import dataclasses, json; from couture_workflow.web.dags.states import states;"
        "print(json.dumps({p: dataclasses.asdict(s) for p, s in states().items()}, default=str))"
    )
    found: dict[str, Any] = json.loads(run(workbench, code))
    return found


def wait_until(question: Callable[[], Found], why: str, seconds: float = 90) -> Found:
    """Return the first answer that is true."""
    deadline = time.monotonic() + seconds
    while not (found := question()):
        assert time.monotonic() < deadline, why
        time.sleep(0.2)
    return found


def parsed(workbench: Workbench, dag_id: str, version: str) -> None:
    """Wait until Airflow's API shows a version of a DAG."""

    def shown() -> bool:
        answer = workbench.client("admin").get(f"/api/v2/dags/{dag_id}")
        return answer.status_code == 200 and bool(answer.json()["bundle_version"] == version)

    wait_until(shown, f"{dag_id} is not parsed as of {version}")


def trigger(workbench: Workbench, gate: str) -> str:
    client = workbench.client("admin")
    client.patch("/api/v2/dags/pinned", json={"is_paused": False}).raise_for_status()
    body = {"logical_date": None, "conf": {"gate": gate}}
    return str(client.post("/api/v2/dags/pinned/dagRuns", json=body).raise_for_status().json()["dag_run_id"])


def value(workbench: Workbench, run_id: str, task: str) -> Any:
    """Return what a task of the run has returned, None as long as it has not."""
    path = f"/api/v2/dags/pinned/dagRuns/{run_id}/taskInstances/{task}"
    answer = workbench.client("admin").get(f"{path}/xcomEntries/return_value")
    return answer.json()["value"] if answer.status_code == 200 else None


def test_a_run_keeps_the_version_it_started_with(workbench: Workbench) -> None:
    gate = workbench.home / "gate"
    lib = {"pinned_lib/values.py": "VERSION = 1\n", "pinned_lib/late.py": "VERSION = 1\n"}
    first = save(workbench, {"pinned.py": DAG, "pinned_lib/__init__.py": "", **lib})
    parsed(workbench, "pinned", first)
    run_id = trigger(workbench, str(gate))
    wait_until(lambda: value(workbench, run_id, "before"), "the first task does not end")

    second = save(workbench, {path: text.replace("1", "2") for path, text in lib.items()})
    parsed(workbench, "pinned", second)
    gate.touch()

    assert wait_until(lambda: value(workbench, run_id, "after"), "the run does not go on") == "1 1"
    newer = trigger(workbench, str(gate))
    assert wait_until(lambda: value(workbench, newer, "after"), "the new run does not end") == "2 2"

    client = workbench.client("admin")
    answer = client.get("/api/v2/dags/pinned/dagRuns").json()["dag_runs"]
    runs = {found["dag_run_id"]: found for found in answer}
    assert (runs[run_id]["bundle_version"], runs[newer]["bundle_version"]) == (first, second)
    wait_until(
        lambda: client.get(f"/api/v2/dags/pinned/dagRuns/{run_id}").json()["state"] == "success", "not done"
    )
    cleared = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "task_ids": ["after"]}
    client.post("/api/v2/dags/pinned/clearTaskInstances", json=cleared).raise_for_status()
    again = f"/api/v2/dags/pinned/dagRuns/{run_id}/taskInstances/after"
    wait_until(lambda: client.get(again).json()["try_number"] == 2, "the task is not run again")
    wait_until(lambda: client.get(again).json()["state"] == "success", "the task does not end")
    assert value(workbench, run_id, "after") == "1 1"

    asked = {"commit": [second, first, "0" * 40]}
    told = page(workbench, "admin").get("/couture/dag-history/runs", params=asked).json()["runs"]
    used = {commit: [run["run_id"] for run in runs] for commit, runs in told.items()}
    assert used == {second: [newer], first: [run_id], "0" * 40: []}


def test_saves_deletions_and_errors_are_seen_at_once(workbench: Workbench) -> None:
    good = 'from airflow.sdk import DAG\nwith DAG("seen", schedule=None): pass\n'
    version = save(workbench, {"folder/seen.py": good})
    parsed(workbench, "seen", version)
    state = states(workbench)["folder/seen.py"]
    assert (state["dag_ids"], state["paused"], state["version"]) == (["seen"], {"seen": True}, version)
    assert (state["import_error"], state["import_error_line"]) == ("", None)

    save(workbench, {"folder/seen.py": good + "import json\n\n1 / 0\n"})
    failed = wait_until(
        lambda: (found := states(workbench)["folder/seen.py"])["import_error"] and found, "no error is told"
    )
    assert failed["import_error_line"] == 5
    assert 'File "folder/seen.py", line 5' in failed["import_error"]
    assert str(workbench.home) not in failed["import_error"]

    save(workbench, {"folder/seen.py": None, "folder/notes.md": "nothing to parse"})
    wait_until(lambda: "folder/seen.py" not in states(workbench), "the deleted file is still told")


def test_the_tab_edit_of_a_dag_leads_to_the_line_of_its_file(workbench: Workbench) -> None:
    text = 'from airflow.sdk import DAG\n\nwith DAG("edited", schedule=None): pass\n'
    parsed(workbench, "edited", save(workbench, {"folder/edited.py": text}))
    opened = {role: page(workbench, role) for role in ("developer", "viewer")}
    tab = "/couture/dag-editor/of"

    found, example = (opened["developer"].get(f"{tab}/{dag}") for dag in ("edited", "penguins"))

    assert found.headers["location"].endswith("/couture/dag-editor/?path=folder/edited.py#L3")
    assert example.headers["location"].endswith("/couture/manage-dags/?example=penguins.py")
    assert opened["developer"].get(f"{tab}/nothing").status_code == 404
    assert opened["viewer"].get(f"{tab}/edited").status_code == 403


def test_a_save_that_nobody_asked_for_is_seen_too(workbench: Workbench) -> None:
    text = 'from airflow.sdk import DAG\nwith DAG("pushed", schedule=None): pass\n'

    parsed(workbench, "pushed", save(workbench, {"pushed.py": text}, ask=False))


def test_configuration_makes_no_dag_version(workbench: Workbench) -> None:
    client = workbench.client("admin")
    text = 'from airflow.sdk import DAG\nwith DAG("same", schedule=None): pass\n'
    version = save(workbench, {"same.py": text})
    parsed(workbench, "same", version)
    config = Store(workbench.home).config
    config.save({"notes": b"changed"}, author="ann", message="", base=config.head())

    before = client.get("/api/v2/dags/same").json()["last_parsed_time"]
    run(workbench, "from couture_workflow.web.dags.processing import request_parse as ask; ask(['same.py'])")
    wait_until(
        lambda: client.get("/api/v2/dags/same").json()["last_parsed_time"] != before, "it is not parsed again"
    )

    assert client.get("/api/v2/dags/same").json()["bundle_version"] == version
    assert client.get("/api/v2/dags/same/dagVersions").json()["total_entries"] == 1


@pytest.mark.parametrize(
    ("traceback", "line"),
    [
        ("", None),
        ('  File "/x/tracking/a/b.py", line 7, in <module>\n  File "/usr/lib/json.py", line 9', 7),
        ('  File "/x/tracking/a/b.py", line 7\n  File "/x/tracking/a/b.py", line 3, in f', 3),
        ('  File "/x/tracking/b.py", line 7', None),
        ("Timeout", None),
    ],
)
def test_the_line_of_an_error_is_the_last_one_in_the_file(traceback: str, line: int | None) -> None:
    assert error_line("a/b.py", traceback) == line
