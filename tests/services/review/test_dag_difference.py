"""What differs between two versions of DAGs: marks on the graph, names of what changed, words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from couture_workflow.services.gate.graph import DagGraph, GraphTask
from couture_workflow.services.review.difference import (
    Change,
    DagDifference,
    Value,
    difference,
    message,
)

HOSTILE = "a'b\"<&>ü"


def task(name: str, operator: str = "BashOperator", **arguments: str) -> GraphTask:
    group, _, label = name.rpartition(".")
    return GraphTask(name, label, operator, group=group, arguments=arguments)


def dag(*tasks: GraphTask, edges: tuple[tuple[str, str], ...] = (), **more: Any) -> DagGraph:
    return DagGraph(**{"dag_id": "orders", "path": "orders.py", "tasks": tasks, "edges": edges, **more})


EXTRACT, LOAD, REPORT = task("extract"), task("load", bash_command="load"), task("report")
ORDERS = dag(EXTRACT, LOAD, REPORT, edges=(("extract", "load"), ("load", "report")), schedule="@daily")


def one(old: DagGraph, new: DagGraph) -> DagDifference:
    (found,) = difference([old], [new])
    return found


def marks(found: DagDifference) -> tuple[Mapping[str, str], Mapping[tuple[str, str], str]]:
    nodes = {node["id"]: node["change"] for node in found.graph["nodes"] if "change" in node}
    edges = {(edge["from"], edge["to"]): edge["change"] for edge in found.graph["edges"] if "change" in edge}
    return nodes, edges


def test_same_dag_has_no_marks() -> None:
    found = one(ORDERS, ORDERS)

    assert (found.kind, found.summary, found.changes) == ("same", "no change in the graph", ())
    assert marks(found) == ({}, {})
    assert [node["id"] for node in found.graph["nodes"]] == ["extract", "load", "report"]


def test_added_task_and_schedule() -> None:
    check = task("check", "PythonOperator", **{HOSTILE: HOSTILE})
    new = replace(
        ORDERS, tasks=(*ORDERS.tasks, check), edges=(*ORDERS.edges, ("load", "check")), schedule="@hourly"
    )

    found = one(ORDERS, new)

    assert found.kind == "changed"
    assert found.summary == "task check added, schedule @daily → @hourly"
    assert found.changes == (
        Change("changed", "schedule", old="@daily", new="@hourly"),
        Change("added", "task", "check", new="PythonOperator"),
        Change("added", "edge", "load → check"),
    )
    assert marks(found) == ({"check": "added"}, {("load", "check"): "added"})


def test_removed_task_stays_in_the_graph_with_its_edges() -> None:
    new = replace(ORDERS, tasks=(EXTRACT, LOAD), edges=(("extract", "load"),))

    found = one(ORDERS, new)

    assert found.summary == "task report removed"
    assert marks(found) == ({"report": "removed"}, {("load", "report"): "removed"})


def test_changed_task_names_its_arguments() -> None:
    load = replace(task("load", bash_command="load --all", cwd="data"), trigger_rule="all_done", line=9)
    new = replace(ORDERS, tasks=(EXTRACT, load, REPORT))

    found = one(ORDERS, new)

    (change,) = found.changes
    assert (change.kind, change.what, change.name, change.old) == ("changed", "task", "load", "")
    assert change.values == (
        Value("trigger rule", "all_success", "all_done"),
        Value("bash_command", "load", "load --all"),
        Value("cwd", "", "data"),
    )
    assert marks(found) == ({"load": "changed"}, {})


def test_moved_line_is_no_change() -> None:
    new = replace(ORDERS, tasks=tuple(replace(each, line=each.line + 7) for each in ORDERS.tasks), line=8)

    assert one(ORDERS, new).kind == "same"


def test_edges_alone() -> None:
    new = replace(ORDERS, edges=(("extract", "load"), ("extract", "report")))

    found = one(ORDERS, new)

    assert found.summary == "1 edge added, 1 edge removed"
    assert marks(found) == ({}, {("extract", "report"): "added", ("load", "report"): "removed"})


def test_renamed_task_by_its_neighbours() -> None:
    new = replace(
        ORDERS,
        tasks=(EXTRACT, replace(LOAD, id="ingest", label="ingest"), REPORT),
        edges=(("extract", "ingest"), ("ingest", "report")),
    )

    found = one(ORDERS, new)

    assert found.summary == "task load renamed to ingest"
    (change,) = found.changes
    assert (change.old, change.new, change.values) == (
        "load",
        "ingest",
        (Value("task id", "load", "ingest"),),
    )
    assert marks(found) == ({"ingest": "changed"}, {})


def test_renamed_group_renames_its_tasks() -> None:
    old = dag(task("in.a"), task("in.b"), edges=(("in.a", "in.b"),), groups={"in": ""})
    new = dag(task("out.a"), task("out.b"), edges=(("out.a", "out.b"),), groups={"out": ""})

    found = one(old, new)

    assert found.summary == "2 tasks renamed, group in removed, group out added"
    assert marks(found) == ({"out.a": "changed", "out.b": "changed"}, {})
    assert {group["id"]: group["change"] for group in found.graph["groups"]} == {
        "in": "removed",
        "out": "added",
    }


def test_two_that_could_be_meant_are_no_rename() -> None:
    old = dag(EXTRACT, task("a"), task("b"), edges=(("extract", "a"), ("extract", "b")))
    new = dag(EXTRACT, task("c"), task("d"), edges=(("extract", "c"), ("extract", "d")))

    assert one(old, new).summary == "2 tasks added, 2 tasks removed"


def test_another_argument_is_no_rename() -> None:
    new = replace(
        ORDERS,
        tasks=(EXTRACT, task("ingest", bash_command="ingest"), REPORT),
        edges=(("extract", "ingest"), ("ingest", "report")),
    )

    assert one(ORDERS, new).summary == "task ingest added, task load removed"


def test_another_operator_is_no_rename() -> None:
    new = replace(
        ORDERS,
        tasks=(EXTRACT, task("ingest", "PythonOperator"), REPORT),
        edges=(("extract", "ingest"), ("ingest", "report")),
    )

    assert one(ORDERS, new).summary == "task ingest added, task load removed"


@pytest.mark.parametrize(
    ("old", "new", "summary"),
    [
        pytest.param({"tags": ("a",)}, {"tags": ("b", "a")}, "tags a → a, b", id="tags"),
        pytest.param({"owners": ()}, {"owners": ("eva",)}, "owners none → eva", id="owners"),
        pytest.param({"parameters": {}}, {"parameters": {"day": "1"}}, "parameter day added", id="parameter"),
        pytest.param(
            {"settings": {"catchup": "False"}},
            {"settings": {"catchup": "True"}},
            "catchup False → True",
            id="setting",
        ),
        pytest.param({"path": "a.py"}, {"path": "b.py"}, "file a.py → b.py", id="file"),
        pytest.param({"groups": {"g": ""}}, {"groups": {}}, "group g removed", id="group"),
    ],
)
def test_other_parts_of_a_dag(old: dict[str, Any], new: dict[str, Any], summary: str) -> None:
    assert one(dag(EXTRACT, **old), dag(EXTRACT, **new)).summary == summary


def test_added_and_removed_dags() -> None:
    other = dag(EXTRACT, dag_id="other", path="other.py")

    removed, added = difference([ORDERS], [other])

    assert (added.dag_id, added.kind, added.summary) == (
        "other",
        "added",
        "new DAG with 1 task, schedule none",
    )
    assert marks(added) == ({"extract": "added"}, {})
    assert (removed.dag_id, removed.kind, removed.summary) == ("orders", "removed", "DAG removed (3 tasks)")
    assert set(marks(removed)[0].values()) == {"removed"}


def test_dag_with_another_id_is_told_as_such() -> None:
    found = one(ORDERS, replace(ORDERS, dag_id="sales"))

    assert (found.dag_id, found.summary) == ("sales", "DAG id orders → sales")
    assert marks(found) == ({}, {})


def test_message_of_a_save() -> None:
    hourly = replace(ORDERS, schedule="@hourly")

    changed = message(difference([ORDERS], [hourly]), {"orders.py": "changed"})
    same = message(difference([ORDERS], [ORDERS]), {"orders.py": "changed", "a.sql": "added"})
    several = message([], {name: "removed" for name in "abcd"})

    assert changed == "orders: schedule @daily → @hourly"
    assert same == "Add a.sql; Change orders.py"
    assert several == "Delete a, b, c and 1 more"


def test_very_long_difference_is_told_in_short() -> None:
    settings = {f"setting_{number}": "x" * 100 for number in range(9)}

    summary = one(ORDERS, replace(ORDERS, settings=settings, schedule="y" * 100)).summary

    assert summary.endswith(" and 4 more")
    assert len(summary) < 300
