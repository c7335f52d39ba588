"""Play, Kill and the schedules of sources, as Airflow allows them: run, audit row, parse."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from airflow.api.common.trigger_dag import trigger_dag
from airflow.exceptions import DagNotFound, DagRunAlreadyExists, ParamValidationError
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import select
from sqlalchemy import update as sql_update

from couture_workflow.exceptions import ConflictError, InUseError, InvalidError, NotFoundError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.eda import dag_file, outputs, schedules, sources
from couture_workflow.services.eda.document import MOST_SAMPLE_ROWS, Source
from couture_workflow.services.eda.outputs import Output
from couture_workflow.services.eda.schedules import Schedule
from couture_workflow.store.names import quote
from couture_workflow.web.audit import audit
from couture_workflow.web.dags.processing import request_parse
from couture_workflow.web.eda import connections
from couture_workflow.web.eda import outputs as web_outputs
from couture_workflow.web.security import demand_on_dag
from couture_workflow.web.state import store

#: Seconds that *Play* waits for Airflow to read the product's DAG on a new home, and between two looks.
_PATIENCE, _LOOK = 10.0, 0.25


@dataclass(frozen=True, kw_only=True)
class Live:
    """How far Airflow is with a schedule.

    :param state: ``waiting`` until Airflow has read it, else ``ready``.
    :param next_run: None: it is paused, or not read yet.
    """

    state: str = "waiting"
    paused: bool = False
    next_run: datetime | None = None


def play(name: str, user: Any, *, sample_rows: int | None = None) -> Output:
    """Start a run of a source at once, and return the output that it will make."""
    source, version = sources.read(store(), name)
    if sample_rows is not None and not 0 <= sample_rows <= MOST_SAMPLE_ROWS:
        raise InvalidError(
            f"The sample has 0 to {MOST_SAMPLE_ROWS:,} rows, not {sample_rows:,}.", field="sample_rows"
        )
    _demand(source, user)
    demand_on_dag(user, "POST", dag_file.DAG_ID, entity="RUN", purpose="To start a run")
    _wait_for_dag()
    account, now = str(user.get_name()), datetime.now(UTC)
    run_id = f"manual__{now.isoformat(timespec='seconds')}_{uuid4().hex[:8]}"
    output = outputs.add(
        store(),
        Output(
            number=0,
            source=name,
            source_version=version,
            started_at=now,
            by=account,
            dag_id=dag_file.DAG_ID,
            run_id=run_id,
            task_id=dag_file.TASK_ID,
            sample_rows=source.sample_rows if sample_rows is None else sample_rows,
        ),
    )
    try:
        _trigger(run_id, account, {"source": name, "sample_rows": sample_rows})
    except BaseException:
        outputs.close(store(), output, "failed", "Its run could not be started.")
        outputs.delete(store(), name, output.number)
        raise
    audit("eda.run", user, source=name, output=output.number, dag_id=dag_file.DAG_ID, run_id=run_id)
    return output


def stop(source: str, number: int, user: Any) -> Output:
    """Ask the run of an output to end; one whose task has not begun ends at once."""
    output = web_outputs.get(source, number)
    if output.is_over:
        return output
    name = str(user.get_name())
    demand_on_dag(user, "PUT", output.dag_id, entity="RUN", purpose="To stop a run")
    again = outputs.asked_to_stop(store(), output) is not None
    outputs.ask_to_stop(store(), output, name)
    if output.state == "queued" or again:  # its task does not look, or has died
        _end_run(output)
    audit("eda.stop", user, source=source, output=number, dag_id=output.dag_id, run_id=output.run_id)
    return web_outputs.get(source, number)


def refuse_while_running(name: str) -> None:
    """Raise ``InUseError`` if a source is being run."""
    going = [each for each in web_outputs.listed(name) if not each.is_over]
    if going:
        raise InUseError(
            f"Output {going[0].number} of the source {quote(name)} is being made. Wait for its end, or stop "
            "its run first."
        )


def source_renamed(old: str, new: str, user: Any) -> None:
    """Let the outputs and the schedule of a source have its new name."""
    outputs.rename(store(), old, new)
    if schedules.rename(store(), old, new, user=str(user.get_name())):
        _set_paused(dag_file.dag_id(old), paused=True)
        _set_paused(dag_file.dag_id(new), paused=False)
        _parse()


def schedule_files(name: str) -> list[str]:
    """Return the paths of the schedule of a source: one, or none."""
    path = schedules.path_of(name)
    return [path] if path in store().config.paths(path) else []


def source_deleted(name: str, user: Any, *, scheduled: bool) -> None:
    """Delete the outputs of a source, and a schedule that it got meanwhile.

    :param scheduled: it had a schedule, which went with it.
    """
    if schedules.delete(store(), name, user=str(user.get_name())) or scheduled:
        _set_paused(dag_file.dag_id(name), paused=True)
        _parse()
    try:
        outputs.delete_all(store(), name)
    except InUseError:  # a run has begun in this instant
        for each in outputs.running(store(), name):
            outputs.ask_to_stop(store(), each, str(user.get_name()))


def schedule_of(name: str) -> tuple[Schedule | None, str | None]:
    """Return the schedule of a source, None if it has none, and the version that it was read from.

    Raises ``NotFoundError`` if there is no such source.
    """
    sources.get(store(), name)
    return schedules.read(store(), name)


def save_schedule(name: str, data: Mapping[str, Any], user: Any, *, base: str | None = None) -> Schedule:
    """Let a source run by itself, or change when it does.

    :param base: the version that the caller read; None: the present one.
    """
    source = sources.get(store(), name)
    _demand(source, user)
    schedule = schedules.normal(name, data)
    _refuse_taken(schedule)
    is_new = schedules.path_of(name) not in store().config.paths(schedules.path_of(name))
    saved = schedules.save(store(), schedule, user=str(user.get_name()), base=base)
    if is_new:
        _set_paused(saved.dag_id, paused=False)
    audit("eda_schedule.save", user, source=name, **{**saved.json(), "email": len(saved.email)})
    _parse()
    return saved


def delete_schedule(name: str, user: Any, *, base: str | None = None) -> str:
    """Let a source run by itself no more, and return the version without it; runs that go on go on."""
    version = schedules.delete(store(), name, user=str(user.get_name()), base=base)
    if not version:
        raise NotFoundError(f"The source {quote(name)} has no schedule.")
    _set_paused(dag_file.dag_id(name), paused=True)
    audit("eda_schedule.delete", user, source=name)
    _parse()
    return version


def pause_schedule(name: str, user: Any, *, paused: bool) -> None:
    """Pause the schedule of a source, or let it run again."""
    schedule, _ = schedule_of(name)
    if schedule is None:
        raise NotFoundError(f"The source {quote(name)} has no schedule.")
    demand_on_dag(user, "PUT", schedule.dag_id, purpose="To pause a schedule, or let it run again,")
    if live(schedule).state != "ready":
        raise ConflictError(f"Airflow has not read the DAG {schedule.dag_id} yet. Try again in a moment.")
    _set_paused(schedule.dag_id, paused=paused)
    audit("eda_schedule.pause" if paused else "eda_schedule.unpause", user, source=name)


def live(schedule: Schedule) -> Live:
    """Return how far Airflow is with a schedule."""
    row = _dag(schedule.dag_id)
    if row is None:
        return Live()
    paused, after = row
    return Live(state="ready", paused=paused, next_run=None if paused else after)


def _demand(source: Source, user: Any) -> None:
    if source.kind == "sql":
        connections.demand(user, source.sql.connection)


def _end_run(output: Output) -> None:
    """Mark the run of an output failed, which kills its task if there is one."""
    from airflow.api.common.mark_tasks import set_dag_run_state_to_failed
    from airflow.models.dagbag import DBDagBag

    if output.dag_id != dag_file.DAG_ID and not output.dag_id.startswith(dag_file.SCHEDULED):
        return  # somebody's own DAG may have other tasks
    with create_session(scoped=False) as session:
        run = session.scalar(select(DagRun).filter_by(dag_id=output.dag_id, run_id=output.run_id))
        dag = DBDagBag().get_dag_for_run(dag_run=run, session=session) if run else None
        if dag is not None:
            set_dag_run_state_to_failed(dag=dag, run_id=output.run_id, commit=True, session=session)


def _trigger(run_id: str, account: str, conf: Mapping[str, Any]) -> None:
    try:
        trigger_dag(
            dag_id=dag_file.DAG_ID,
            run_id=run_id,
            triggered_by=DagRunTriggeredByType.REST_API,
            triggering_user_name=account,
            conf=dict(conf),
            replace_microseconds=False,
        )
    except (DagNotFound, DagRunAlreadyExists, ParamValidationError, ValueError) as error:
        raise InvalidError(f"Airflow does not start the run: {error}") from error


def _wait_for_dag() -> None:
    """Return when Airflow can run the DAG of *Play*; ``ConflictError`` says why it cannot."""
    deadline = time.monotonic() + _PATIENCE
    asked = False
    while (row := _dag(dag_file.DAG_ID)) is None:
        if not asked:
            _parse()
            asked = True
        if time.monotonic() > deadline:
            raise ConflictError(
                f"Airflow has not read its DAG {dag_file.DAG_ID} yet. Try again in a moment. If it does not "
                f"come, look whether a .airflowignore of the DAG repository leaves {dag_file.PATH} out, and "
                "whether the DAG processor runs."
            )
        time.sleep(_LOOK)
    if row[0]:
        raise ConflictError(
            f"The DAG {dag_file.DAG_ID} is paused, so no run would begin. Switch it on in Airflow's list of "
            "Dags."
        )


def _dag(dag_id: str) -> tuple[bool, datetime | None] | None:
    """Return whether a DAG of ours is paused and when it runs next, None if Airflow does not have it."""
    query = select(DagModel.is_paused, DagModel.next_dagrun_create_after).where(
        DagModel.dag_id == dag_id,
        DagModel.is_stale.is_(False),
        DagModel.bundle_name == dag_repository.BUNDLE,
        DagModel.relative_fileloc == dag_file.PATH,
    )
    with create_session(scoped=False) as session:
        row = session.execute(query).first()
    return (bool(row[0]), row[1]) if row else None


def _refuse_taken(schedule: Schedule) -> None:
    query = select(DagModel.relative_fileloc).where(
        DagModel.dag_id == schedule.dag_id,
        DagModel.is_stale.is_(False),
        DagModel.relative_fileloc != dag_file.PATH,
    )
    with create_session(scoped=False) as session:
        path = session.scalar(query)
    if path:
        raise ConflictError(
            f"There is a DAG {quote(schedule.dag_id)} in {path} already, and the schedule's would have this "
            "id. Rename the one or the other."
        )


def _set_paused(dag_id: str, *, paused: bool) -> None:
    with create_session(scoped=False) as session:
        session.execute(sql_update(DagModel).where(DagModel.dag_id == dag_id).values(is_paused=paused))


def _parse() -> None:
    request_parse([dag_root.whole(dag_root.current(store().root), dag_file.PATH)])
