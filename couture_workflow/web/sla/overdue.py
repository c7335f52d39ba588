"""Deadlines of ours that have passed, and what the tasks of their runs were doing, from Airflow's tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, TypeVar
from uuid import UUID

from airflow.models.callback import Callback
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.deadline import Deadline
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from sqlalchemy import select
from sqlalchemy.orm import Session

from couture_workflow.services.sla.declaring import Declared
from couture_workflow.services.sla.judging import Try

Key = TypeVar("Key")

#: Rows that one statement asks for.
_MOST = 200


_RUN = (
    DagRun.id,
    DagRun.dag_id,
    DagRun.run_id,
    DagRun.logical_date,
    DagRun.data_interval_end,
    DagRun.run_after,
)


@dataclass(frozen=True)
class Overdue:
    """An SLA of a run that is over.

    :param is_paused: its DAG is paused, so nobody expects anything of it now.
    """

    id: UUID
    run: int
    dag_id: str
    run_id: str
    logical_date: datetime | None
    interval_end: datetime | None
    due: datetime
    declared: Declared
    is_paused: bool = False


def passed(session: Session, *, since: datetime, until: datetime) -> set[UUID]:
    """Return the deadlines between two moments, everybody's; an index of Airflow has them by time."""
    # Both values of ``missed`` are named for the sake of the index, which begins with it. The scheduler may
    # not have looked at a deadline yet: it may be down.
    query = select(Deadline.id).where(
        Deadline.missed.in_((True, False)), Deadline.deadline_time >= since, Deadline.deadline_time < until
    )
    return set(session.scalars(query))


def overdue(session: Session, ids: Iterable[UUID]) -> list[Overdue]:
    """Return those of some deadlines that are of SLAs, earliest first."""
    found = []
    for some in _groups(sorted(ids)):
        query = (
            select(Deadline.id, Deadline.deadline_time, Callback.data, DagModel.is_paused, *_RUN)
            .join(Callback, Callback.id == Deadline.callback_id)
            .join(DagRun, DagRun.id == Deadline.dagrun_id)
            .outerjoin(DagModel, DagModel.dag_id == DagRun.dag_id)
            .where(Deadline.id.in_(some))
        )
        for number, due, data, is_paused, run, dag_id, run_id, date, end, after in session.execute(query):
            if (declared := Declared.read(data)) is not None:
                found.append(
                    Overdue(number, run, dag_id, run_id, date, end or after, due, declared, bool(is_paused))
                )
    return sorted(found, key=lambda each: (each.due, each.dag_id, each.run_id))


def tries(
    session: Session, runs: Iterable[int], task_ids: Iterable[str] | None = None
) -> dict[int, list[Try]]:
    """Return all tries of the task instances of some runs, those of the past too, by the runs' numbers.

    :param task_ids: of these tasks alone; None: of all.
    """
    found: dict[int, list[Try]] = defaultdict(list)
    tasks = None if task_ids is None else sorted(set(task_ids))
    tables: tuple[Any, ...] = (TaskInstance, TaskInstanceHistory)
    for some, table in product(_groups(sorted(set(runs))), tables):
        query = (
            select(
                DagRun.id,
                table.task_id,
                table.map_index,
                table.state,
                table.start_date,
                table.end_date,
            )
            .join(DagRun, (DagRun.dag_id == table.dag_id) & (DagRun.run_id == table.run_id))
            .where(DagRun.id.in_(some))
        )
        if tasks is not None and len(tasks) <= _MOST:
            query = query.where(table.task_id.in_(tasks))
        for run, task_id, index, state, started, ended in session.execute(query):
            is_last = table is TaskInstance
            found[run].append(Try(task_id, index, str(state or ""), started, ended, is_last))
    return found


def place_of(session: Session, dag_id: str) -> str:
    """Return the path of the file, below its bundle's folder, that has a DAG, "" if unknown."""
    query = select(DagModel.relative_fileloc, DagModel.fileloc).where(DagModel.dag_id == dag_id)
    row = session.execute(query).first()
    return str((row[0] or row[1] or "") if row else "")


def _groups(ids: Sequence[Key]) -> Iterable[Sequence[Key]]:
    return (ids[at : at + _MOST] for at in range(0, len(ids), _MOST))


def runs_callbacks() -> bool:
    """Tell whether the executor runs callbacks: the scheduler ends with an error at one that does not."""
    from airflow.executors.executor_loader import ExecutorLoader

    executor, _ = ExecutorLoader.import_default_executor_cls()
    return bool(executor.supports_callbacks)


def queue_callback(session: Session, run: int, dag_id: str, path: str, arguments: dict[str, Any]) -> str:
    """Have Airflow call a function on a worker, in a run's version of the DAG files; return its id."""
    from airflow.models.callback import ExecutorCallback
    from airflow.sdk.definitions.callback import SyncCallback
    from airflow.utils.state import CallbackState

    found = session.get(DagRun, run)
    made = ExecutorCallback(
        SyncCallback(path, kwargs=arguments), fetch_method=_import_path(), prefix="couture_sla", dag_id=dag_id
    )
    made.data = {**made.data, "dag_run_id": str(run), "dag_id": dag_id}
    made.bundle_name = found.dag_model.bundle_name if found and found.dag_model else None
    made.state = CallbackState.PENDING
    session.add(made)
    session.flush()
    return str(made.id)


def _import_path() -> Any:
    from airflow.executors.workloads.callback import CallbackFetchMethod

    return CallbackFetchMethod.IMPORT_PATH


def callback_states(session: Session, numbers: Iterable[str]) -> dict[str, str]:
    """Return how callbacks stand; none of one that Airflow does not know any more.

    One whose run was deleted before a worker had it is withdrawn: the scheduler would come upon it for ever.
    """
    found: dict[str, str] = {}
    for some in _groups(sorted(set(numbers))):
        query = select(Callback).where(Callback.id.in_(map(UUID, some)))
        callbacks = {str(each.id): each for each in session.scalars(query)}
        runs = {
            key: int(each.data["dag_run_id"]) for key, each in callbacks.items() if each.state == "pending"
        }
        there = set(session.scalars(select(DagRun.id).where(DagRun.id.in_(set(runs.values())))))
        for key in (key for key, run in runs.items() if run not in there):
            session.delete(callbacks.pop(key))
        found |= {key: str(each.state) for key, each in callbacks.items()}
    return found
