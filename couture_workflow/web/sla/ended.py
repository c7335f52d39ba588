"""Keeps what was due of a run that succeeded early although some of its tasks did not.

Airflow's scheduler deletes the deadlines of a run that succeeds before they are due. But a run succeeds also
with tasks that were skipped, or that failed above one which runs in any case: those miss their SLAs. Airflow
leaves alone what is marked as missed, so that is what such a deadline becomes. This module is a listener of
Airflow's, in its scheduler alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun


@hookimpl
def on_dag_run_success(dag_run: DagRun) -> None:
    """Mark the deadlines of SLAs of which a task has not succeeded, in the transaction that ends the run."""
    from airflow.models.callback import Callback
    from airflow.models.deadline import Deadline
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.types import DagRunType
    from sqlalchemy import or_, select, update
    from sqlalchemy.orm import object_session

    from couture_workflow.services.sla.declaring import Declared
    from couture_workflow.services.sla.judging import REMOVED, SUCCESS

    session = object_session(dag_run)
    if session is None or dag_run.run_type != DagRunType.SCHEDULED:
        return
    rows = session.execute(
        select(Deadline.id, Callback.data)
        .join(Callback, Callback.id == Deadline.callback_id)
        .where(Deadline.dagrun_id == dag_run.id, Deadline.missed.is_(False))
    )
    declared = {number: found for number, data in rows if (found := Declared.read(data)) is not None}
    if not declared:
        return
    state = TaskInstance.state
    undone = set(
        session.scalars(
            select(TaskInstance.task_id).where(
                TaskInstance.dag_id == dag_run.dag_id,
                TaskInstance.run_id == dag_run.run_id,
                or_(state.is_(None), state.not_in((SUCCESS, REMOVED))),
            )
        )
    )
    if late := [number for number, found in declared.items() if undone.intersection(found.tasks)]:
        session.execute(update(Deadline).where(Deadline.id.in_(late)).values(missed=True))
