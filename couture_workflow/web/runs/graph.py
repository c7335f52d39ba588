"""A DAG as a graph with the states of one run, and the runs of other DAGs that its tasks started."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session

from couture_workflow.exceptions import NotFoundError
from couture_workflow.services.dags.triggers import calls_of
from couture_workflow.services.runs import children as child_runs
from couture_workflow.services.runs.children import RECORD_KEY

#: As many runs are offered for choice.
RECENT = 25

_TRIGGERED = "trigger_run_id"  # key under which TriggerDagRunOperator pushes the run that it started

#: Of the instances of a mapped task the state that matters most is shown.
_WEIGHT = (
    "failed",
    "upstream_failed",
    "running",
    "restarting",
    "up_for_retry",
    "up_for_reschedule",
    "deferred",
    "awaiting_input",
    "queued",
    "scheduled",
    "success",
    "skipped",
    "removed",
)

MayRead = Callable[[str], bool]


@dataclass(frozen=True)
class Run:
    """One run of a DAG."""

    run_id: str
    state: str
    start: datetime | None
    end: datetime | None

    def json(self) -> dict[str, Any]:
        """Return what the page reads."""
        moments = {"start": self.start, "end": self.end}
        return {**asdict(self), **{name: at.isoformat() if at else None for name, at in moments.items()}}


@dataclass(frozen=True)
class Structure:
    """What a version of a DAG consists of, as ``static/graph/graph.js`` reads it."""

    nodes: tuple[dict[str, Any], ...]
    edges: tuple[dict[str, str], ...]
    groups: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class ChildRef:
    """The run that an instance of a task started; no run if it has not started one yet."""

    dag_id: str
    run_id: str = ""
    map_index: int = -1


def graph(dag_id: str, run_id: str | None, *, may_read: MayRead) -> dict[str, Any]:
    """Return the graph of a DAG with the states of a run.

    :param run_id: None for the newest run; without any run there are no states.
    :param may_read: tells whether the reader may read a DAG; of others no more than the id is told.
    """
    with create_session(scoped=False) as session:
        recent = _runs(session, dag_id)
        run = _run(session, dag_id, run_id, recent)
        structure = _structure_of(session, dag_id, run)
        states = _states(session, dag_id, run.run_id) if run else {}
        children = _children(session, dag_id, run.run_id if run else "", structure)
        known = _known(session, {ref.dag_id for refs in children.values() for ref in refs})
    readable = {child: may_read(child) for child in known}
    nodes = [{**node, "state": states.get(node["id"], "")} for node in structure.nodes]
    return {
        "dag_id": dag_id,
        "run": run.json() if run else None,
        "runs": [each.json() for each in recent],
        "graph": {"nodes": nodes, "edges": structure.edges, "groups": structure.groups},
        "children": {
            task_id: [
                told(ref, known=ref.dag_id in known, readable=readable.get(ref.dag_id, False)) for ref in refs
            ]
            for task_id, refs in children.items()
        },
    }


def told(ref: ChildRef, *, known: bool, readable: bool) -> dict[str, Any]:
    """Return what a reader is told of a child: of a DAG that may not be read, its id alone."""
    run_id = ref.run_id if readable else ""
    return {**asdict(ref), "run_id": run_id, "known": known, "readable": readable}


def _runs(session: Session, dag_id: str) -> list[Run]:
    rows = session.execute(
        select(DagRun.run_id, DagRun.state, DagRun.start_date, DagRun.end_date)
        .where(DagRun.dag_id == dag_id)
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
        .limit(RECENT)
    )
    return [_run_of(row) for row in rows]


def _run(session: Session, dag_id: str, run_id: str | None, recent: Sequence[Run]) -> Run | None:
    if run_id is None:
        return recent[0] if recent else None
    row = session.execute(
        select(DagRun.run_id, DagRun.state, DagRun.start_date, DagRun.end_date).where(
            DagRun.dag_id == dag_id, DagRun.run_id == run_id
        )
    ).first()
    if row is None:
        raise NotFoundError(
            f"The DAG {dag_id} has no run {run_id}: it was deleted, or the address is wrong. Choose another."
        )
    return _run_of(row)


def _run_of(row: Any) -> Run:
    run_id, state, start, end = row
    return Run(str(run_id), str(getattr(state, "value", state) or ""), start, end)


def _structure_of(session: Session, dag_id: str, run: Run | None) -> Structure:
    """Return the version that the run has, or the newest."""
    newest = (
        select(SerializedDagModel)
        .where(SerializedDagModel.dag_id == dag_id)
        .order_by(SerializedDagModel.created_at.desc())
        .limit(1)
    )
    found = None
    if run:
        of_run = select(DagRun.created_dag_version_id).filter_by(dag_id=dag_id, run_id=run.run_id)
        found = session.scalar(
            select(SerializedDagModel).where(SerializedDagModel.dag_version_id == of_run.scalar_subquery())
        )
    found = found or session.scalar(newest)
    if found is None:
        raise NotFoundError(
            f"There is no DAG {dag_id}: it was deleted, or Airflow has not read its file yet."
        )
    return _structure(found.dag_hash, lambda: found.dag)


class _Loader:
    """A DAG that is read when it is needed, and stands for its hash in the cache."""

    def __init__(self, key: str, load: Callable[[], Any]) -> None:
        self.key = key
        self.load = load

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Loader) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def _structure(key: str, load: Callable[[], Any]) -> Structure:
    return _cached(_Loader(key, load))


@lru_cache(maxsize=64)
def _cached(loader: _Loader) -> Structure:
    return structure(loader.load())


def structure(dag: Any) -> Structure:
    """Return what a DAG consists of.

    :param dag: as Airflow keeps it serialised.
    """
    children = dict(calls_of(dag))
    nodes = tuple(
        {
            "id": task.task_id,
            "label": task.label,
            "operator": str(task.operator_name),
            "group": (task.task_group.group_id if task.task_group else None) or "",
            "mapped": _is_mapped(task),
            "child": children.get(task.task_id, ""),
        }
        for task in dag.task_dict.values()
    )
    edges = tuple(
        {"from": task.task_id, "to": downstream}
        for task in dag.task_dict.values()
        for downstream in sorted(task.downstream_task_ids)
    )
    groups = tuple(
        {
            "id": group_id,
            "label": group.label or group_id,
            "parent": (group.parent_group.group_id if group.parent_group else None) or "",
        }
        for group_id, group in dag.task_group.get_task_group_dict().items()
        if group_id
    )
    return Structure(nodes, edges, groups)


def _is_mapped(task: Any) -> bool:
    return bool(getattr(task, "is_mapped", False)) or any(task.iter_mapped_task_groups())


def _states(session: Session, dag_id: str, run_id: str) -> dict[str, str]:
    """Return the state of each task; of a mapped task the one that matters most."""
    found: dict[str, set[str]] = defaultdict(set)
    query = select(TaskInstance.task_id, TaskInstance.state).filter_by(dag_id=dag_id, run_id=run_id)
    for task_id, state in session.execute(query):
        found[task_id].add(str(getattr(state, "value", state) or ""))
    return {
        task_id: next((state for state in _WEIGHT if state in states), "")
        for task_id, states in found.items()
    }


def _children(session: Session, dag_id: str, run_id: str, structure: Structure) -> dict[str, list[ChildRef]]:
    """Return what each task that runs another DAG has started, or will."""
    planned = {node["id"]: node["child"] for node in structure.nodes}
    found: dict[str, dict[int, ChildRef]] = defaultdict(dict)
    if run_id:
        pushed = select(XComModel.task_id, XComModel.map_index, XComModel.value).where(
            XComModel.dag_id == dag_id, XComModel.run_id == run_id, XComModel.key == _TRIGGERED
        )
        for task_id, map_index, value in session.execute(pushed):
            if (child := planned.get(task_id)) and isinstance(value, str):
                found[task_id][map_index] = ChildRef(child, _plain(value), map_index)
        kept = select(
            TaskStateStoreModel.task_id, TaskStateStoreModel.map_index, TaskStateStoreModel.value
        ).where(
            TaskStateStoreModel.dag_id == dag_id,
            TaskStateStoreModel.run_id == run_id,
            TaskStateStoreModel.key == RECORD_KEY,
        )
        for task_id, map_index, value in session.execute(kept):
            if record := child_runs.read(json.loads(value)):
                found[task_id][map_index] = ChildRef(record.dag_id, record.run_id, map_index)
    for task_id, child in planned.items():
        if child and task_id not in found:
            found[task_id][-1] = ChildRef(child)
    return {task_id: [refs[index] for index in sorted(refs)] for task_id, refs in found.items()}


def _plain(value: str) -> str:
    """Return text that may have been written as JSON once more."""
    if value.startswith('"'):
        return str(json.loads(value))
    return value


def _known(session: Session, dag_ids: Iterable[str]) -> frozenset[str]:
    wanted = sorted(set(dag_ids))
    return frozenset(session.scalars(select(DagModel.dag_id).where(DagModel.dag_id.in_(wanted))))
