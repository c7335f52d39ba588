"""A schedule run at once with other parameters, paused and let run again, as Airflow allows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.exceptions import DagNotFound, DagRunAlreadyExists, ParamValidationError
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import update as sql_update

from couture_workflow.exceptions import ConflictError, InvalidError, ScheduleError
from couture_workflow.services.schedules import library, timing, values
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.store.names import quote
from couture_workflow.web.audit import audit
from couture_workflow.web.schedules.surroundings import live
from couture_workflow.web.security import demand_on_dag
from couture_workflow.web.state import store


def pause(schedule: Schedule, user: Any, *, paused: bool) -> None:
    """Pause a schedule, or let it run again."""
    demand_on_dag(user, "PUT", schedule.dag_id, purpose="To pause a schedule, or let it run again,")
    _refuse_unready(schedule, user)
    with create_session(scoped=False) as session:
        session.execute(
            sql_update(DagModel).where(DagModel.dag_id == schedule.dag_id).values(is_paused=paused)
        )
    audit("notebook_schedules.pause" if paused else "notebook_schedules.unpause", user, name=schedule.name)


def run_now(
    schedule: Schedule, user: Any, parameters: Mapping[str, Any], *, types: Mapping[str, str] | None = None
) -> str:
    """Start a run and return its id.

    :param parameters: values in place of the schedule's own; they are taken literally.
    """
    demand_on_dag(user, "POST", schedule.dag_id, entity="RUN", purpose="To start a run")
    known = library.parameters(store(), schedule)
    conf, findings = values.values(parameters, types or {}, known, literal=True)
    if findings:
        raise ScheduleError(
            f"Nothing was started: {findings[0].message}",
            field=findings[0].field,
            problems=[vars(each) for each in findings],
        )
    run_id = _trigger(schedule, user, conf)
    audit("notebook_schedules.run", user, name=schedule.name, run_id=run_id, parameters=sorted(conf))
    return run_id


def _trigger(schedule: Schedule, user: Any, conf: Mapping[str, Any]) -> str:
    _refuse_unready(schedule, user)
    try:
        run = trigger_dag(
            dag_id=schedule.dag_id,
            triggered_by=DagRunTriggeredByType.REST_API,
            triggering_user_name=str(user.get_name()),
            conf=dict(conf),
            logical_date=_logical_date(schedule),
            replace_microseconds=False,
        )
    except DagNotFound as error:
        raise _not_yet(schedule) from error
    except (DagRunAlreadyExists, ParamValidationError, ValueError) as error:
        raise InvalidError(f"Airflow does not start the run: {error}", field="parameters") from error
    if run is None:
        raise _not_yet(schedule)
    return str(run.run_id)


def _logical_date(schedule: Schedule) -> datetime | None:
    """Return the present; None for a DAG that begins later: a run before that would have no task."""
    now = datetime.now(UTC)
    at = timing.time_of(schedule.form.when) if schedule.form.when.kind == "at" else None
    return None if at is not None and at > now else now


def _refuse_unready(schedule: Schedule, user: Any) -> None:
    """Raise why Airflow has no DAG to run or to pause."""
    state = live([schedule], user)[schedule.name].state
    if state == "error":
        raise ConflictError(
            f"The DAG file of {quote(schedule.name)} has an import error. Correct {schedule.path} first.",
            paths=(schedule.path,),
        )
    if state != "ready":
        raise _not_yet(schedule)


def _not_yet(schedule: Schedule) -> ConflictError:
    return ConflictError(
        f"Airflow has not read the DAG of {quote(schedule.name)} yet. Try again in a moment.",
        paths=(schedule.path,),
    )
