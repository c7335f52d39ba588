"""What Airflow's own tables say of a task instance whose run is looked at."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

from airflow.models.dag_version import DagVersion
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select

from couture_workflow.exceptions import NotFoundError
from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.records import Details, RunKey
from couture_workflow.store.home import Store

_NOT_STARTED = frozenset({"", "none", "scheduled", "queued"})
#: States of Airflow in which the newest try of a task has ended.
OVER = frozenset({"success", "failed", "skipped", "removed", "up_for_retry", "upstream_failed"})


@dataclass(frozen=True)
class TaskState:
    """The newest try of a task instance, as Airflow knows it."""

    state: str
    try_number: int
    operator: str


def task_state(key: RunKey) -> TaskState | None:
    """Return what Airflow knows of a task instance, None if it does not know it."""
    with create_session() as session:
        row = session.execute(
            select(TaskInstance.state, TaskInstance.try_number, TaskInstance.operator).where(
                TaskInstance.dag_id == key.dag_id,
                TaskInstance.run_id == key.run_id,
                TaskInstance.task_id == key.task_id,
                TaskInstance.map_index == key.map_index,
            )
        ).first()
    return TaskState(str(row[0] or ""), int(row[1] or 0), str(row[2] or "")) if row else None


def details(store: Store, key: RunKey, *, newest: bool) -> Details:
    """Return a run's details; NotFoundError tells why there are none.

    :param newest: take the newest recorded try instead of the key's.
    """
    if newest and (known := run_records.tries(store, key)):
        key = replace(key, try_number=known[-1].key.try_number)
    try:
        return _with_version_numbers(run_records.details(store, key))
    except NotFoundError as error:
        raise NotFoundError(f"{error} {_why(store, key)}") from None


def _with_version_numbers(details: Details) -> Details:
    """Name DAG versions as Airflow's pages do, "v3"; a task knows no more than a version's id."""
    found = [text for run in (details.run, details.last_success) if run and (text := run.dag_version)]
    if not (numbers := _version_numbers(found)):
        return details

    def named(text: str | None) -> str | None:
        return numbers.get(text, text) if text else text

    return replace(
        details,
        run=replace(details.run, dag_version=named(details.run.dag_version)),
        changes=tuple(
            replace(change, old=named(change.old), new=named(change.new)) for change in details.changes
        ),
    )


def _version_numbers(texts: list[str]) -> dict[str, str]:
    ids = {}
    for text in texts:
        with suppress(ValueError):
            ids[UUID(text)] = text
    if not ids:
        return {}
    query = select(DagVersion.id, DagVersion.version_number).where(DagVersion.id.in_(ids))
    with create_session() as session:
        return {ids[found]: f"v{number}" for found, number in session.execute(query)}


def is_lost(details: Details) -> bool:
    """Tell whether Airflow says that a try is over whose record is still "running": it was killed."""
    if details.run.state != "running":
        return False
    known = task_state(details.run.key)
    if known is None or known.try_number != details.run.key.try_number:
        return True
    return known.state in OVER


def _why(store: Store, key: RunKey) -> str:
    if known := run_records.tries(store, key):
        numbers = ", ".join(str(run.key.try_number) for run in known)
        return f"Recorded tries of this task: {numbers}."
    state = task_state(key)
    if state is None:
        return "Airflow does not know it either: its DAG run was deleted, or the address is wrong."
    if state.state in _NOT_STARTED:
        return "The task has not started yet: its record is written when it does."
    if "Spark" not in state.operator and "Jupyter" not in state.operator:
        return (
            f"The task is a {state.operator}: only Couture Workflow's operators of Spark jobs and notebooks "
            "keep records."
        )
    return "The task ended before it could write one, or the record was deleted from the home's folder runs."
