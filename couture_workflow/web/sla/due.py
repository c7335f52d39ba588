"""What an SLA is counted from: the end of the interval that a scheduled run stands for.

Airflow's scheduler and DAG processor import this module by its name, which is stored with each DAG.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class IntervalEnd(BaseDeadlineReference):
    """The end of the interval of a scheduled run; nothing of any other run, which has no SLA."""

    required_kwargs = frozenset({"dag_id", "run_id"})

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str, **_: Any) -> datetime | None:
        from airflow.models.dagrun import DagRun
        from airflow.utils.types import DagRunType
        from sqlalchemy import select

        query = select(DagRun.data_interval_end, DagRun.run_after, DagRun.run_type)
        run = session.execute(query.where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one_or_none()
        if run is None or run.run_type != DagRunType.SCHEDULED:
            return None
        found: datetime | None = run.data_interval_end or run.run_after
        return found
