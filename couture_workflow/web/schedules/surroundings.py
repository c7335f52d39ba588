"""What Airflow knows that a schedule of a notebook must fit to, and how far it is with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.types import DagRunType
from sqlalchemy import func, select

from couture_workflow.permissions import DAG_FILES, EDIT, AirflowPermission, Permission
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.schedules.checking import Surroundings
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.web.dags.saving import known
from couture_workflow.web.dags.states import FileState, import_error, states
from couture_workflow.web.mail import page as mail_page
from couture_workflow.web.security import allowed

_RUNS = AirflowPermission("RUN")
_BY_SCHEDULE = (DagRunType.SCHEDULED, DagRunType.BACKFILL_JOB)


@dataclass(frozen=True, kw_only=True)
class LastRun:
    """The newest run of a schedule."""

    run_id: str
    state: str
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, kw_only=True)
class Live:
    """How far Airflow is with a schedule.

    :param state: ``waiting`` until Airflow has read the DAG file, ``error`` if it could not, else ``ready``.
    :param error: the traceback, as far as the account may read it.
    :param next_run: when it runs next; None: not any more, or it is paused.
    :param last_run: None: none yet, or the account may not read the DAG's runs.
    """

    state: str = "waiting"
    error: str = ""
    paused: bool = False
    next_run: datetime | None = None
    last_run: LastRun | None = None


def surroundings(name: str, user: Any) -> Surroundings:
    """Return what a schedule of this name must fit to, if the account saves it."""
    everywhere = known()
    taken = dict(everywhere.dag_ids)
    for path, state in states().items():
        taken |= dict.fromkeys(state.dag_ids, path)
    query = select(DagRun.id).where(DagRun.dag_id == name, DagRun.run_type.in_(_BY_SCHEDULE)).limit(1)
    with create_session(scoped=False) as session:
        ran = session.scalar(query) is not None
    return Surroundings(
        taken=taken,
        ran=frozenset({name} if ran else ()),
        templates=allowed(user, Permission(EDIT, DAG_FILES)),
        connections=everywhere.connections if everywhere.complete else None,
        has_mail_server=bool(mail_page.state().origin),
    )


def live(schedules: Sequence[Schedule], user: Any) -> dict[str, Live]:
    """Return how far Airflow is with schedules, by name."""
    ids = [schedule.dag_id for schedule in schedules]
    files = states()
    query = select(DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after).where(
        DagModel.dag_id.in_(ids),
        DagModel.is_stale.is_(False),
        DagModel.bundle_name == dag_repository.BUNDLE,
    )
    with create_session(scoped=False) as session:
        dags = {dag_id: (paused, after) for dag_id, paused, after in session.execute(query)}
    readable = [dag_id for dag_id in ids if allowed(user, _RUNS, dag_id=dag_id)]
    runs = _last_runs(readable)
    return {
        schedule.name: _live(schedule, files.get(schedule.path), dags, runs, user) for schedule in schedules
    }


def _live(
    schedule: Schedule,
    file: FileState | None,
    dags: dict[str, tuple[bool, datetime | None]],
    runs: dict[str, LastRun],
    user: Any,
) -> Live:
    there = dags.get(schedule.dag_id)
    if file is not None and file.import_error:
        state = "error"
    else:
        state = "ready" if there else "waiting"
    paused, after = there or (False, None)
    return Live(
        state=state,
        error=import_error(file, user),
        paused=paused,
        next_run=None if paused else after,
        last_run=runs.get(schedule.dag_id),
    )


def _last_runs(ids: Sequence[str]) -> dict[str, LastRun]:
    newest = (
        select(func.max(DagRun.id).label("id"))
        .where(DagRun.dag_id.in_(ids))
        .group_by(DagRun.dag_id)
        .subquery()
    )
    query = select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.start_date, DagRun.end_date).where(
        DagRun.id.in_(select(newest.c.id))
    )
    with create_session(scoped=False) as session:
        return {
            dag_id: LastRun(
                run_id=run_id, state=str(getattr(state, "value", state) or ""), start=start, end=end
            )
            for dag_id, run_id, state, start, end in session.execute(query)
        }
