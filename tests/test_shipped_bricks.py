"""Each brick that comes with the package, inserted into the skeleton and run by the workbench."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from couture_workflow.services.bricks import library as brick_library
from couture_workflow.services.bricks.rules import render
from couture_workflow.services.eda import sources as eda_sources
from couture_workflow.services.eda.document import FilePlace, Source
from couture_workflow.services.runtimes import installed
from couture_workflow.store.home import Store
from tests.support.docker import engine, load_shell
from tests.support.mail import mail_server
from tests.support.spark import until
from tests.support.workbench import Workbench

pytestmark = [pytest.mark.workbench, pytest.mark.slow, pytest.mark.spark]

EXAMPLES = Path(__file__).parent.parent / "examples"
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code", "id": "a", "execution_count": None, "outputs": [],
            "metadata": {"tags": ["parameters"]}, "source": "name = 'nobody'",
        },
        {
            "cell_type": "code", "id": "b", "execution_count": None, "outputs": [],
            "metadata": {}, "source": "print('hello', name)",
        },
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip

#: Brick -> values that it is inserted with, where its defaults name what a fresh workbench does not have.
VALUES: dict[str, dict[str, str]] = {
    "spark-task": {"class_path": "examples.WordCount", "code_artifact": "brick-words.jar"},
    "pyspark-task": {"code_artifact": "brick-job.py", "arguments": "[\"{{ ds_nodash | default('x') }}\"]"},
    "notebook-task": {"input_nb": "notebooks/brick.ipynb", "parameters": '{"name": "Ann"}'},
    "dag-task": {"run_dag_id": "brick_child"},
    "trigger-and-wait": {"trigger_dag_id": "brick_child", "poke_interval": "2"},
    "container-task": {"image": "tests/shell", "command": "sh -c 'echo hello from a container'"},
    "sensor": {"poke_interval": "2"},
    "eda-task": {"source": "brick_data"},
    "model-task": {"path": str(EXAMPLES / "data" / "penguins.csv"), "kind": "spark"},
}
#: Brick -> state of each of its tasks in the end, where not all are "success".
STATES = {
    "branch": {
        "choose": "success",
        "full_load": "skipped",
        "small_load": "success",
        "choose_join": "success",
    },
    "notification": {"notified": "failed"},
}


def dag_file(name: str, values: dict[str, str], more: str = "") -> str:
    """Return a DAG file: the skeleton with a brick where it says pass."""
    skeleton = render(
        brick_library.shipped()["dag"], {"dag_id": f"brick_{name.replace('-', '_')}", "schedule": "None"}
    )
    brick = render(brick_library.shipped()[name], values)
    imports = "\n".join([*skeleton.imports, *brick.imports])
    body = skeleton.body.replace("    pass\n", textwrap.indent(brick.body + more, "    "))
    body = body.replace('"retries": 1', '"retries": 0')
    return f"{imports}\n\n{body}"


@pytest.fixture(scope="module")
def docker_host() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    try:
        with engine(folder) as host:
            load_shell(host, "tests/shell")
            yield host
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def mails(workbench: Workbench) -> Iterator[list[str]]:
    with mail_server() as (port, received):
        answer = workbench.client("superadmin").post(
            "/api/v2/connections",
            json={
                "connection_id": "smtp_default", "conn_type": "smtp", "host": "127.0.0.1", "port": port,
                "extra": json.dumps({"disable_ssl": True, "disable_tls": True}),
            },
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        yield received
        workbench.client("superadmin").delete("/api/v2/connections/smtp_default")


def in_repository(workbench: Workbench, files: dict[str, str]) -> None:
    """Save DAG files and wait until Airflow knows their DAGs."""
    store = Store(workbench.home)
    changes = {path: text.encode() for path, text in files.items()}
    store.dags.save(changes, author="tests", message="Bricks", base=store.dags.head())
    client = workbench.client("superadmin")
    for path in files:
        if path.endswith(".py"):
            dag_id = Path(path).stem
            until(lambda dag=dag_id: client.get(f"/api/v2/dags/{dag}").status_code == 200, what=dag_id)
            assert client.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}).status_code == 200


def run(workbench: Workbench, dag_id: str) -> dict[str, str]:
    """Run a DAG to its end and return the state of each task; a mapped one counts as one."""
    client = workbench.client("superadmin")
    now = datetime.now(UTC).isoformat()
    started = client.post(f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": now})
    assert started.status_code == 200, started.text
    address = f"/api/v2/dags/{dag_id}/dagRuns/{started.json()['dag_run_id']}"
    until(lambda: client.get(address).json()["state"] in ("success", "failed"), seconds=300, what=dag_id)
    found = client.get(f"{address}/taskInstances").json()["task_instances"]
    return {entry["task_id"]: entry["state"] for entry in found}


@pytest.fixture(scope="module")
def prepared(workbench: Workbench, tmp_path_factory: pytest.TempPathFactory, docker_host: str) -> Workbench:
    """Save a DAG for every brick, with the jobs and the notebook that they name."""
    folder = tmp_path_factory.mktemp("bricks")
    subprocess.run(
        [str(EXAMPLES / "jobs" / "java" / "build.sh"), str(folder)],
        env={"SPARK_HOME": str(installed.spark().home), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )
    store = Store(workbench.home)
    store.artifacts.put("brick-words.jar", [(folder / "word-count.jar").read_bytes()], user="tests")
    job = (
        b"from pyspark.sql import SparkSession\nprint(SparkSession.builder.getOrCreate().range(3).count())\n"
    )
    store.artifacts.put("brick-job.py", [job], user="tests")
    store.data.put("brick-data.csv", [b"id,name\n007,a\n"], user="tests")
    eda_sources.add(store, Source(name="brick_data", file=FilePlace(data="brick-data.csv")), user="tests")
    words = str(EXAMPLES / "data" / "jackass-penguin.txt")
    VALUES["spark-task"]["arguments"] = json.dumps([words, str(folder / "counted")])
    engine_of_ours = f'container.env = {{"DOCKER_HOST": "{docker_host}"}}\ncontainer.append_env = True\n'
    files = {
        f"brick_{name.replace('-', '_')}.py": dag_file(
            name, VALUES.get(name, {}), engine_of_ours if name == "container-task" else ""
        )
        for name in brick_library.shipped()
        if name != "dag"
    }
    files["brick_child.py"] = dag_file("bash-task", {}).replace("brick_bash_task", "brick_child")
    files["notebooks/brick.ipynb"] = json.dumps(NOTEBOOK)
    in_repository(workbench, files)
    return workbench


@pytest.mark.parametrize("name", [name for name in brick_library.shipped() if name != "dag"])
def test_the_brick_does_what_it_says(prepared: Workbench, mails: list[str], name: str) -> None:
    states = run(prepared, f"brick_{name.replace('-', '_')}")

    assert states == STATES.get(name, dict.fromkeys(states, "success")), states
    assert states
    if name == "notification":
        until(lambda: any("brick_notification.notified failed" in mail for mail in mails), what="the mail")


def test_of_runs_that_start_at_once_one_goes_on_and_the_next_is_skipped(prepared: Workbench) -> None:
    text = dag_file("skip-when-active", {}).replace("only_one_run()\n", "only_one_run() >> slow\n")
    head, _, tail = text.partition("    @task.short_circuit")
    command = "sleep {{ dag_run.conf.get('seconds', 0) }}"
    slow = f'    slow = BashOperator(task_id="slow", bash_command="{command}")\n\n'
    imported = "from airflow.providers.standard.operators.bash import BashOperator\n"
    text = (imported + head + slow + "    @task.short_circuit" + tail).replace(
        "brick_skip_when_active", "brick_two_runs"
    )
    in_repository(prepared, {"brick_two_runs.py": text})
    client, dag = prepared.client("superadmin"), "/api/v2/dags/brick_two_runs"
    client.patch(dag, json={"is_paused": True})
    for run_id in ("first", "second", "third"):
        order = {"dag_run_id": run_id, "logical_date": None, "conf": {"seconds": 600}}
        assert client.post(f"{dag}/dagRuns", json=order).status_code == 200
    client.patch(dag, json={"is_paused": False})

    def slow() -> list[str]:
        address = f"{dag}/dagRuns/{{}}/taskInstances/slow"
        states = [client.get(address.format(each)).json()["state"] for each in ("first", "second", "third")]
        return sorted(map(str, states))

    until(lambda: slow() == ["running", "skipped", "skipped"], what="one that goes on")

    assert run(prepared, "brick_two_runs") == {"only_one_run": "success", "slow": "skipped"}
    going = client.get("/api/v2/variables/brick_two_runs_active_run").json()["value"]
    client.patch(f"{dag}/dagRuns/{going}", json={"state": "failed"})


def test_the_gate_closes_when_the_output_does_not_say_so(prepared: Workbench) -> None:
    text = dag_file("log-gate", {"command": "echo NOT YET"}).replace("brick_log_gate", "brick_closed_gate")
    text = text.replace(
        "check_output(check_output_command.output)\n", "check_output(check_output_command.output) >> after\n"
    )
    after = '    after = BashOperator(task_id="after", bash_command="true")\n\n    @task.short_circuit'
    in_repository(prepared, {"brick_closed_gate.py": text.replace("    @task.short_circuit", after)})

    assert run(prepared, "brick_closed_gate")["after"] == "skipped"
