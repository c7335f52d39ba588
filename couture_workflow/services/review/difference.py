"""What changes between two versions of DAGs: tasks, edges, groups, schedule, settings and so on, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from couture_workflow.services.gate.graph import DagGraph, GraphTask
from couture_workflow.services.review.merge_graph import merged
from couture_workflow.services.review.task_renames import renames

ADDED, REMOVED, CHANGED, SAME = "added", "removed", "changed", "same"

#: Summaries longer than this many parts end in "and n more".
_MOST_PARTS = 6


@dataclass(frozen=True)
class Value:
    """One value of a task that differs, such as ("trigger rule", "all_success", "all_done")."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Change:
    """One thing that differs.

    :param kind: "added", "removed" or "changed".
    :param what: "dag", "file", "task", "edge", "group", "schedule", "parameter", "setting", "tags", "owners".
    :param name: id of the task or group, name of the parameter or setting, "upstream → downstream".
    :param old: the text before, "" if it was not there; of a renamed task its old id.
    :param values: what differs in a task.
    """

    kind: str
    what: str
    name: str = ""
    old: str = ""
    new: str = ""
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class DagDifference:
    """What differs in one DAG.

    :param kind: "added", "removed", "changed" or "same".
    :param path: the file that it is in, or was in.
    :param summary: in words, such as "2 tasks added, schedule @daily → @hourly".
    :param graph: both versions in one, for the pages' graph: ``{"nodes", "edges", "groups"}`` with marks.
    """

    dag_id: str
    path: str
    kind: str
    summary: str
    changes: tuple[Change, ...]
    graph: Mapping[str, Any]

    def json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def difference(old: Sequence[DagGraph], new: Sequence[DagGraph]) -> list[DagDifference]:
    """Compare two versions of some DAGs, in the order of files and ids; those that are the same too."""
    before, after = {dag.dag_id: dag for dag in old}, {dag.dag_id: dag for dag in new}
    origins = {**{name: name for name in after}, **_renamed_dags(before, after)}
    pairs: list[tuple[DagGraph | None, DagGraph | None]]
    pairs = [(before.get(origins[name]), dag) for name, dag in after.items()]
    pairs += [(dag, None) for name, dag in before.items() if name not in origins.values()]
    found = [_compare(*pair) for pair in pairs]
    return sorted(found, key=lambda each: (each.path, each.dag_id))


def message(differences: Sequence[DagDifference], paths: Mapping[str, str]) -> str:
    """Return a first draft of what to write about a save.

    :param paths: "added", "removed" or "changed" by path.
    """
    told = [each for each in differences if each.kind != SAME]
    if len(told) == 1:
        return f"{told[0].dag_id}: {told[0].summary}"
    if told:
        return "; ".join(f"{each.dag_id}: {each.summary}" for each in told[:3]) + (
            f"; {len(told) - 3} more DAGs" if len(told) > 3 else ""
        )
    verbs = {ADDED: "Add", REMOVED: "Delete", CHANGED: "Change"}
    kinds = {kind: sorted(path for path, its in paths.items() if its == kind) for kind in verbs}
    parts = [f"{verbs[kind]} {_listed(names)}" for kind, names in kinds.items() if names]
    return "; ".join(parts)


def _renamed_dags(before: Mapping[str, DagGraph], after: Mapping[str, DagGraph]) -> dict[str, str]:
    """Return the new id and the old one of DAGs that a file gave another id: same file, same tasks."""

    def key(dag: DagGraph) -> tuple[str, frozenset[str]]:
        return dag.path, frozenset(task.id for task in dag.tasks)

    gone = [dag for name, dag in before.items() if name not in after]
    come = [dag for name, dag in after.items() if name not in before]
    found = {}
    for dag in come:
        alike = [other for other in gone if key(other) == key(dag) and dag.tasks]
        rivals = [other for other in come if key(other) == key(dag)]
        if len(alike) == len(rivals) == 1:
            found[dag.dag_id] = alike[0].dag_id
    return found


def _compare(old: DagGraph | None, new: DagGraph | None) -> DagDifference:
    dag = new or old
    assert dag is not None  # noqa: S101
    if old is None or new is None:
        kind = ADDED if new else REMOVED
        count = _count(len(dag.tasks), "task")
        summary = f"new DAG with {count}, schedule {dag.schedule}" if new else f"DAG removed ({count})"
        changes: tuple[Change, ...] = (Change(kind, "dag", dag.dag_id),)
        return DagDifference(dag.dag_id, dag.path, kind, summary, changes, merged(old, new, {}, ()))
    moved = renames(old, new)
    found = (*_dag_changes(old, new), *_task_changes(old, new, moved), *_edge_changes(old, new, moved))
    changed = {change.name for change in found if change.what == "task" and change.kind == CHANGED}
    return DagDifference(
        new.dag_id,
        new.path,
        CHANGED if found else SAME,
        _summary(found) if found else "no change in the graph",
        found,
        merged(old, new, moved, changed),
    )


def _dag_changes(old: DagGraph, new: DagGraph) -> list[Change]:
    found = []
    for what, before, after in (
        ("dag", old.dag_id, new.dag_id),
        ("file", old.path, new.path),
        ("schedule", old.schedule, new.schedule),
        ("tags", ", ".join(sorted(old.tags)), ", ".join(sorted(new.tags))),
        ("owners", ", ".join(sorted(old.owners)), ", ".join(sorted(new.owners))),
    ):
        if before != after:
            found.append(Change(CHANGED, what, old=before, new=after))
    found += _mapping_changes("parameter", old.parameters, new.parameters)
    found += _mapping_changes("setting", old.settings, new.settings)
    groups_before, groups_after = (
        {name: parent or "none" for name, parent in dag.groups.items()} for dag in (old, new)
    )
    return found + _mapping_changes("group", groups_before, groups_after)


def _mapping_changes(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    found = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before != after:
            kind = ADDED if before is None else REMOVED if after is None else CHANGED
            found.append(Change(kind, what, name, before or "", after or ""))
    return found


def _task_changes(old: DagGraph, new: DagGraph, moved: Mapping[str, str]) -> list[Change]:
    before, after = ({task.id: task for task in dag.tasks} for dag in (old, new))
    origins = {name: origin for origin, name in moved.items()}
    found = []
    for name, task in after.items():
        origin = origins.get(name, name)
        if origin not in before:
            found.append(Change(ADDED, "task", name, new=task.operator))
        elif values := _values(before[origin], task):
            renamed = origin if origin != name else ""
            found.append(
                Change(CHANGED, "task", name, old=renamed, new=name if renamed else "", values=values)
            )
    gone = [task for name, task in before.items() if name not in after and name not in moved]
    return found + [Change(REMOVED, "task", task.id, old=task.operator) for task in gone]


def _values(old: GraphTask, new: GraphTask) -> tuple[Value, ...]:
    """Return what differs between two versions of a task."""
    plain = (
        ("task id", old.id, new.id),
        ("operator", old.operator, new.operator),
        ("trigger rule", old.trigger_rule, new.trigger_rule),
        ("group", old.group, new.group),
        ("mapped", "yes" if old.mapped else "no", "yes" if new.mapped else "no"),
        ("runs the DAG", old.child, new.child),
    )
    arguments = (
        (name, old.arguments.get(name, ""), new.arguments.get(name, ""))
        for name in sorted({*old.arguments, *new.arguments})
    )
    names = {name for name, *_ in plain}
    return tuple(
        Value(name, before, after)
        for name, before, after in (*plain, *((n, b, a) for n, b, a in arguments if n not in names))
        if before != after
    )


def _edge_changes(old: DagGraph, new: DagGraph, moved: Mapping[str, str]) -> list[Change]:
    before = {(moved.get(one, one), moved.get(other, other)) for one, other in old.edges}
    after = set(new.edges)
    marks = [(ADDED, edge) for edge in after - before] + [(REMOVED, edge) for edge in before - after]
    return [Change(kind, "edge", f"{one} → {other}") for kind, (one, other) in sorted(marks)]


def _summary(changes: Sequence[Change]) -> str:
    parts = _of_tasks(changes) + _of_edges(changes) + _of_groups(changes)
    parts += [_of_value(change) for change in changes if change.what not in ("task", "edge", "group")]
    more = len(parts) - _MOST_PARTS
    return ", ".join(parts[:_MOST_PARTS]) + (f" and {more} more" if more > 0 else "")


def _of_tasks(changes: Sequence[Change]) -> list[str]:
    tasks = [change for change in changes if change.what == "task"]
    renamed = [change for change in tasks if change.old and change.kind == CHANGED]
    parts = [f"task {change.old} renamed to {change.new}" for change in renamed[:1]]
    if len(renamed) > 1:
        parts = [f"{len(renamed)} tasks renamed"]
    for kind in (ADDED, REMOVED, CHANGED):
        found = [change for change in tasks if change.kind == kind and change not in renamed]
        if len(found) == 1:
            parts.append(f"task {found[0].name} {kind}")
        elif found:
            parts.append(f"{len(found)} tasks {kind}")
    return parts


def _of_edges(changes: Sequence[Change]) -> list[str]:
    """Tell of edges between tasks that stay; those of a new or removed task go without saying."""
    unstable = {change.name for change in changes if change.what == "task" and change.kind != CHANGED}
    parts = []
    for kind in (ADDED, REMOVED):
        names = [
            change.name.split(" → ") for change in changes if change.what == "edge" and change.kind == kind
        ]
        count = sum(not unstable.intersection(ends) for ends in names)
        if count:
            parts.append(f"{_count(count, 'edge')} {kind}")
    return parts


def _of_groups(changes: Sequence[Change]) -> list[str]:
    groups = [change for change in changes if change.what == "group"]
    return [f"group {change.name} {change.kind}" for change in groups]


def _of_value(change: Change) -> str:
    if change.what == "dag":
        return f"DAG id {change.old} → {change.new}"
    if change.what in ("tags", "owners"):
        return f"{change.what} {_short(change.old) or 'none'} → {_short(change.new) or 'none'}"
    name = f"{change.what} {change.name}".strip() if change.what != "setting" else change.name
    if change.kind != CHANGED:
        return f"{name} {change.kind}"
    return f"{name} {_short(change.old)} → {_short(change.new)}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: Collection[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
