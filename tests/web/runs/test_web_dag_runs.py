"""The data behind Zoom: the structure of a serialised DAG, and what Airflow's API server answers to whom."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, TaskGroup, task
from airflow.serialization.serialized_objects import DagSerialization

from couture_workflow.operators import DagOperator
from couture_workflow.web.runs import graph as dag_runs
from tests.support.api_server import ApiServer

HOSTILE = "a'b\"<&>ü"


def serialised(dag: DAG) -> Any:
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def test_the_structure_has_groups_mapped_tasks_and_children() -> None:
    with DAG("master", schedule=None) as dag:

        @task
        def first() -> None: ...

        with TaskGroup("outer"), TaskGroup("inner"):
            inside = DagOperator(task_id="zoom", run_dag_id="child")
        many = DagOperator.partial(task_id="many", run_dag_id="other").expand(conf=[{"n": 1}, {"n": 2}])
        first() >> inside >> many

    found = dag_runs.structure(serialised(dag))

    nodes = {node["id"]: node for node in found.nodes}
    assert nodes["outer.inner.zoom"] == {
        "id": "outer.inner.zoom",
        "label": "zoom",
        "operator": "DagOperator",
        "group": "outer.inner",
        "mapped": False,
        "child": "child",
    }
    assert (nodes["many"]["mapped"], nodes["many"]["child"]) == (True, "other")
    assert nodes["first"]["child"] == ""
    assert sorted((edge["from"], edge["to"]) for edge in found.edges) == [
        ("first", "outer.inner.zoom"),
        ("outer.inner.zoom", "many"),
    ]
    assert {group["id"]: group["parent"] for group in found.groups} == {"outer": "", "outer.inner": "outer"}


def test_airflows_own_trigger_operator_is_a_way_in_too() -> None:
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    with DAG("master", schedule=None) as dag:
        TriggerDagRunOperator(task_id="t", trigger_dag_id="child")
        TriggerDagRunOperator(task_id="later", trigger_dag_id="{{ params.dag }}")

    found = dag_runs.structure(serialised(dag))

    assert [node["child"] for node in found.nodes] == ["child", ""]


@pytest.mark.parametrize("path", ["/couture/zoom/nothing", "/couture/zoom/nothing/graph"])
def test_a_dag_that_is_not_there_is_told(api_server: ApiServer, path: str) -> None:
    with api_server.client("dev") as client:
        answer = client.get(path, headers={"Accept": "application/json"})

    assert answer.status_code == 404
    assert "There is no DAG nothing" in answer.json()["detail"]


@pytest.mark.parametrize("account", ["nobody", "ci"])
def test_who_may_not_read_the_dag_is_refused(api_server: ApiServer, account: str) -> None:
    with api_server.client(account) as client:
        assert client.get("/couture/zoom/nothing/graph").status_code == 403


def test_of_a_child_that_may_not_be_read_the_run_is_not_told() -> None:
    child = dag_runs.ChildRef("salaries", "manual__of_ann", 3)

    hidden = dag_runs.told(child, known=True, readable=False)
    shown = dag_runs.told(child, known=True, readable=True)

    assert hidden == {
        "dag_id": "salaries",
        "run_id": "",
        "map_index": 3,
        "known": True,
        "readable": False,
    }
    assert shown["run_id"] == "manual__of_ann"
