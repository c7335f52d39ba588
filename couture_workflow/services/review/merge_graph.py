"""Two versions of a DAG as one graph, each node, edge and group marked as added, removed or changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from couture_workflow.services.gate.graph import DagGraph, GraphTask


def merged(
    old: DagGraph | None, new: DagGraph | None, renamed: Mapping[str, str], changed: Collection[str]
) -> dict[str, Any]:
    """Return ``{"nodes", "edges", "groups"}`` as the pages' graph takes it.

    :param old: None: all is added.
    :param new: None: all is removed.
    :param renamed: new id of tasks by their old one.
    :param changed: ids, the new ones, of tasks that differ.
    """
    before = {task.id: task for task in old.tasks} if old else {}
    after = {task.id: task for task in new.tasks} if new else {}
    origins = {name: origin for origin, name in renamed.items()}
    nodes = []
    for name, task in after.items():
        origin = origins.get(name, name)
        mark = "added" if origin not in before else "changed" if name in changed else ""
        nodes.append(_node(task, mark))
    nodes += [
        _node(task, "removed") for name, task in before.items() if name not in after and name not in renamed
    ]
    return {"nodes": nodes, "edges": _edges(old, new, renamed), "groups": _groups(old, new)}


def plain(dag: DagGraph) -> dict[str, Any]:
    """Return one version as the pages' graph takes it, without marks."""
    return merged(dag, dag, {}, ())


def _node(task: GraphTask, mark: str) -> dict[str, Any]:
    node: dict[str, Any] = {"id": task.id, "label": task.label or task.id, "operator": task.operator}
    optional = {
        "group": task.group,
        "mapped": task.mapped,
        "child": task.child,
        "line": task.line,
        "path": task.path,
        "change": mark,
    }
    return {**node, **{name: value for name, value in optional.items() if value}}


def _edges(old: DagGraph | None, new: DagGraph | None, renamed: Mapping[str, str]) -> list[dict[str, str]]:
    before = (
        {(renamed.get(one, one), renamed.get(other, other)) for one, other in old.edges} if old else set()
    )
    after = set(new.edges) if new else set()
    return [
        {"from": one, "to": other, **_mark((one, other), before, after)}
        for one, other in sorted(before | after)
    ]


def _groups(old: DagGraph | None, new: DagGraph | None) -> list[dict[str, str]]:
    before, after = (dict(dag.groups) if dag else {} for dag in (old, new))
    return [
        {"id": name, "label": name.rpartition(".")[2], "parent": parent, **_mark(name, before, after)}
        for name, parent in {**before, **after}.items()
    ]


def _mark(name: Any, before: Collection[Any], after: Collection[Any]) -> dict[str, str]:
    if name not in before:
        return {"change": "added"}
    return {} if name in after else {"change": "removed"}
