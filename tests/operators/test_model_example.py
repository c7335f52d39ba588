"""The examples in the workbench: of two trained models the better is registered, and the endpoint answers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import pytest

from couture_workflow.services.runtimes import installed
from couture_workflow.store.home import Store
from tests.support import task_environments
from tests.support.jupyter_runtime import jupyter_or_skip
from tests.support.model_server import ModelServer
from tests.support.served_models import served
from tests.support.spark import until
from tests.support.workbench import Workbench

pytestmark = [pytest.mark.workbench, pytest.mark.slow]

TRAINING = ("train_logistic_regression", "train_random_forest")

Returned = Callable[..., Any]


@pytest.fixture(scope="module")
def server(workbench: Workbench) -> Iterator[ModelServer]:
    """Run the model server of the workbench's models."""
    jupyter = jupyter_or_skip()
    assert jupyter == installed.jupyter(), "the examples train in the runtime that is installed"
    if subprocess.run([jupyter, "-c", "import skl2onnx"], capture_output=True, check=False).returncode:
        pytest.skip("needs skl2onnx in the Jupyter runtime")
    store = Store(workbench.home)
    with served(store, port=workbench.serving_port) as running:
        yield running
    for file in store.models.list():
        store.models.delete(file.name)


def succeeded(workbench: Workbench, dag_id: str) -> tuple[str, dict[str, Any], Returned]:
    """Run an example; return its run, its task instances by task, and what gives the values of these."""
    client, dag = workbench.client("developer"), f"/api/v2/dags/{dag_id}"
    until(lambda: client.get(dag).status_code == 200, what="the DAG")
    assert client.patch(dag, json={"is_paused": False}).status_code == 200
    started = client.post(f"{dag}/dagRuns", json={"logical_date": datetime.now(UTC).isoformat()})
    assert started.status_code == 200, started.text
    run_id = started.json()["dag_run_id"]
    run = f"{dag}/dagRuns/{run_id}"

    until(lambda: client.get(run).json()["state"] in ("success", "failed"), seconds=290, what="the run")

    tasks = {each["task_id"]: each for each in client.get(f"{run}/taskInstances").json()["task_instances"]}
    assert {each["state"] for each in tasks.values()} == {"success"}, tasks

    def returned(task: str, key: str = "return_value") -> Any:
        return client.get(f"{run}/taskInstances/{task}/xcomEntries/{key}").json()["value"]

    return run_id, tasks, returned


def log_of(workbench: Workbench, dag_id: str, run_id: str, task: str) -> list[dict[str, Any]]:
    """Return the lines of a task's log."""
    path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task}/logs/1"
    answer = workbench.client("developer").get(path, headers={"Accept": "application/json"})
    return list(answer.raise_for_status().json()["content"])


def test_the_endpoint_answers_with_the_better_of_two_models(
    workbench: Workbench, server: ModelServer
) -> None:
    run_id, tasks, returned = succeeded(workbench, "penguin_model")

    trained = [returned(task) for task in TRAINING]
    best, registered = returned("pick"), returned("register")
    assert all(each["metrics"]["accuracy"] > 0.9 for each in trained)
    assert best["metrics"]["accuracy"] == max(each["metrics"]["accuracy"] for each in trained)
    # Neither waits for the other.
    assert all(tasks[task]["start_date"] < tasks["pick"]["start_date"] for task in TRAINING)
    assert (registered["reference"], registered["state"]) == ("penguins@1", "serving")
    assert returned("ask") == "Gentoo"

    # Whoever asks for the stable version gets the model of this run, and its page says which run that was.
    asked = {"instances": [[39.1, 18.7, 181, 3750]]}
    answer = server.post("/v1/models/penguins/labels/stable:predict", asked)
    assert answer.json()["predictions"][0]["species"] == "Adelie"
    client = workbench.client("developer")
    (version,) = client.get("/api/models/tensorflow/penguins").json()["versions"]
    assert (version["metrics"], version["note"]) == (best["metrics"], best["algorithm"])
    made_by = {"dag_id": "penguin_model", "run_id": run_id, "task_id": "register"}
    assert made_by.items() <= version["run"].items()
    assert registered["page"].endswith("/couture/trained-models/tensorflow/penguins")


def test_frames_go_through_environments_of_other_versions_and_the_better_model_answers(
    workbench: Workbench, server: ModelServer
) -> None:
    task_environments.share(workbench.home)

    run_id, tasks, returned = succeeded(workbench, "model_pipeline")

    forest, trees = returned("train_forest"), returned("train_trees")
    pandas = {each["made_with"].rpartition(" ")[2] for each in (forest, trees)} | {metadata.version("pandas")}
    assert len(pandas) == 3, "Airflow, the notebooks' Python and the one that was made have a pandas each"
    assert returned("prepare", "train")["shape"] == "249 rows x 9 columns"
    assert all(each["weights"]["shape"] == "84 rows x 2 columns" for each in (forest, trees))
    # The trainings are under way at the same time.
    assert all(
        tasks[task]["start_date"] < tasks["pick"]["start_date"] for task in ("train_forest", "train_trees")
    )

    best, registered, asked = returned("pick"), returned("register"), returned("ask")
    chosen, other = sorted((forest, trees), key=lambda each: each["path"] != best["path"])
    assert (best["made_with"], best["path"]) == (chosen["made_with"], chosen["path"])
    assert 100 < best["metrics"]["mean_error"] < 300, "grams, of penguins of four kilograms"
    assert (registered["reference"], registered["state"]) == ("penguin-weight@1", "serving")
    # What the endpoint says is what the chosen model said where it was trained, and not what the other said.
    said, by_chosen, by_other = (
        [row["predicted"] for row in frame["preview"]]
        for frame in (asked, chosen["weights"], other["weights"])
    )
    assert said == pytest.approx(by_chosen, abs=0.1) != pytest.approx(by_other, abs=0.1)

    client = workbench.client("developer")
    (version,) = client.get("/api/models/tensorflow/penguin-weight").json()["versions"]
    assert (version["metrics"], version["note"]) == (best["metrics"], best["made_with"])
    made_by = {"dag_id": "model_pipeline", "run_id": run_id, "task_id": "register"}
    assert made_by.items() <= version["run"].items()
    measures = [number for name, number in asked["preview"][0].items() if name not in ("mass", "predicted")]
    answer = server.post("/v1/models/penguin-weight/labels/stable:predict", {"instances": [measures]})
    assert answer.json()["predictions"][0] == pytest.approx(said[:1], abs=0.1)

    for task in tasks:
        lines = log_of(workbench, "model_pipeline", run_id, task)
        assert not [line for line in lines if line.get("level") in ("warning", "error", "critical")], task
