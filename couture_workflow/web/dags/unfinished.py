"""Which tasks unfinished runs of DAGs still have to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import State
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from couture_workflow.services.gate.problems import Waiting

#: DAGs that one query asks about: databases take some thousand values.
_AT_ONCE = 500


def waiting(dag_ids: Collection[str]) -> list[Waiting]:
    """Return what unfinished runs of some DAGs still have to do.

    DAGs without such a run, which most are at any time, cost a look into an index.
    """
    with create_session(scoped=False) as session:
        unfinished = DagRun.state.in_(State.unfinished_dr_states)
        busy = set(session.scalars(select(DagRun.dag_id).where(unfinished).distinct()))
        concerned = sorted(busy.intersection(dag_ids))
        return [
            each
            for start in range(0, len(concerned), _AT_ONCE)
            for each in _of(concerned[start : start + _AT_ONCE], session)
        ]


def _of(dag_ids: Sequence[str], session: Session) -> Iterator[Waiting]:
    pinned = DagRun.bundle_version.is_not(None)
    states = [state for state in State.unfinished if state is not None]
    query = (
        select(TaskInstance.dag_id, TaskInstance.task_id, pinned, func.count(DagRun.id.distinct()))
        .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
        .where(
            DagRun.dag_id.in_(dag_ids),
            DagRun.state.in_(State.unfinished_dr_states),
            or_(TaskInstance.state.is_(None), TaskInstance.state.in_(states)),
        )
        .group_by(TaskInstance.dag_id, TaskInstance.task_id, pinned)
        .order_by(TaskInstance.dag_id, TaskInstance.task_id)
    )
    for dag_id, task, is_pinned, runs in session.execute(query):
        yield Waiting(dag_id, task, int(runs), bool(is_pinned))
