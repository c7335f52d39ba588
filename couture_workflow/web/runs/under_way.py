"""What Airflow's own tables say of the tasks that are under way."""

from __future__ import annotations

from datetime import datetime

from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import func, select

_UNDER_WAY = (TaskInstanceState.RUNNING, TaskInstanceState.RESTARTING)


def since() -> datetime | None:
    """Return when the task began that is under way for the longest time, None if none is."""
    asked = select(func.min(TaskInstance.start_date)).where(TaskInstance.state.in_(_UNDER_WAY))
    with create_session() as session:
        found: datetime | None = session.scalar(asked)
    return found
