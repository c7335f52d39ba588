"""Tasks that got another name between two versions of a DAG: same operator and label, or same neighbours."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping

from couture_workflow.services.gate.graph import DagGraph, GraphTask

_Key = Callable[[GraphTask], Hashable]


def renames(old: DagGraph, new: DagGraph) -> dict[str, str]:
    """Return the old and the new id of tasks that are taken for renamed.

    A task that is gone and one that is new are taken for the same where they are of one operator and either
    have one label (moved into another group, or the group was renamed), or have the same neighbours and an
    argument in common, or, without neighbours, the same arguments; and where no other could be meant.
    """
    ids_before, ids_after = {task.id for task in old.tasks}, {task.id for task in new.tasks}
    gone = [task for task in old.tasks if task.id not in ids_after]
    come = [task for task in new.tasks if task.id not in ids_before]
    found = _pairs(gone, come, lambda task: (task.operator, task.label))
    while True:
        left = [task for task in gone if task.id not in found]
        fresh = [task for task in come if task.id not in found.values()]
        known = {**{name: name for name in ids_before & ids_after}, **found}
        origins = {name: name for name in known.values()}
        before, after = _neighbours(old, known), _neighbours(new, origins)
        alike = _pairs(left, fresh, _key(before), _key(after))
        tasks = {task.id: task for task in (*left, *fresh)}
        more = {one: other for one, other in alike.items() if _share(tasks[one], tasks[other])}
        if not more:
            return found
        found.update(more)


def _share(one: GraphTask, other: GraphTask) -> bool:
    """Tell whether two tasks have an argument in common, or both have none."""
    return bool(one.arguments.items() & other.arguments.items()) or not (one.arguments or other.arguments)


def _key(neighbours: Mapping[str, tuple[frozenset[str], frozenset[str]]]) -> _Key:
    def key(task: GraphTask) -> Hashable:
        around = neighbours.get(task.id, (frozenset(), frozenset()))
        if around[0] or around[1]:
            return (task.operator, around)
        return (task.operator, tuple(sorted(task.arguments.items()))) if task.arguments else None

    return key


def _pairs(
    gone: Iterable[GraphTask], come: Iterable[GraphTask], key: _Key, key_of_come: _Key | None = None
) -> dict[str, str]:
    """Return the tasks of one key where each side has exactly one of it."""
    before, after = _by_key(gone, key), _by_key(come, key_of_come or key)
    return {
        tasks[0].id: after[same][0].id
        for same, tasks in before.items()
        if len(tasks) == 1 and len(after.get(same, ())) == 1
    }


def _by_key(tasks: Iterable[GraphTask], key: _Key) -> dict[Hashable, list[GraphTask]]:
    found: dict[Hashable, list[GraphTask]] = {}
    for task in tasks:
        if (its := key(task)) is not None:
            found.setdefault(its, []).append(task)
    return found


def _neighbours(dag: DagGraph, known: Mapping[str, str]) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Return the tasks before and after each one, by the names that both versions know."""
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    for one, other in dag.edges:
        if one in known:
            before.setdefault(other, set()).add(known[one])
        if other in known:
            after.setdefault(one, set()).add(known[other])
    return {
        task.id: (frozenset(before.get(task.id, ())), frozenset(after.get(task.id, ()))) for task in dag.tasks
    }
