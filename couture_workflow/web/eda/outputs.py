"""The outputs of sources as Airflow knows their tasks; what the page of a source says of its runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select, tuple_

from couture_workflow.exceptions import StorageError
from couture_workflow.permissions import CREATE, DELETE, EDA, EDIT, Permission
from couture_workflow.services.eda import outputs, progress
from couture_workflow.services.eda.outputs import Output
from couture_workflow.services.eda.progress import Progress
from couture_workflow.services.runs.records import RunKey
from couture_workflow.web.audit import audit
from couture_workflow.web.runs.task_instances import OVER
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

#: A run that was asked for is in Airflow's database after this time at the latest.
_PATIENCE = timedelta(seconds=60)
_RUN_OVER = ("success", "failed")

log = logging.getLogger(__name__)


def listed(source: str) -> tuple[Output, ...]:
    """Return the outputs of a source, newest first; those whose tasks are over have ended."""
    return _corrected(outputs.listed(store(), source))


def get(source: str, number: int) -> Output:
    """Return one output; NotFoundError if there is none."""
    return _corrected([outputs.get(store(), source, number)])[0]


def last_of(source: str) -> Output | None:
    """Return the newest output of a source, None if there is none."""
    found = outputs.latest(store(), source)
    return _corrected([found])[0] if found else None


def last_of_all() -> dict[str, Output]:
    """Return the newest output of each source that has any."""
    return {each.source: each for each in _corrected(outputs.latest_of_all(store()).values())}


def progress_of(output: Output) -> Progress | None:
    """Return how far the run of an output is, None if nothing is known."""
    return None if output.is_over else progress.read(store(), output)


def delete(source: str, number: int, user: Any) -> None:
    """Delete an output."""
    get(source, number)
    outputs.delete(store(), source, number)
    audit("eda_output.delete", user, source=source, output=number)


def panel(user: Any, source: str) -> dict[str, Any]:
    """Return what the template of a source's runs needs."""
    return {
        "source": source,
        "may_run": allowed(user, Permission(CREATE, EDA)),
        "may_edit": allowed(user, Permission(EDIT, EDA)),
        "may_delete": allowed(user, Permission(DELETE, EDA)),
    }


def frame_key(source: str, number: int) -> RunKey:
    """Return what a ticket for the frame of a report is made of."""
    return RunKey("exploratory data analysis", source, "report", -1, number)


def _corrected(found: Iterable[Output]) -> tuple[Output, ...]:
    """Close those whose tasks are over although they do not say so: these were killed."""
    known = tuple(found)
    going = [each for each in known if not each.is_over]
    if not going:
        return known
    over = _over(going)
    return tuple(
        _closed(each, over[_place(each)]) if not each.is_over and _place(each) in over else each
        for each in known
    )


def _closed(output: Output, state: str) -> Output:
    by = outputs.asked_to_stop(store(), output)
    said = f"Airflow says “{state}”" if state else "Airflow does not know it any more"
    ended: outputs.State = "failed" if by is None else "stopped"
    message = (
        f"Its task is over without a word of how, as after a kill: {said}. The task's log may tell more."
        if by is None
        else f"Stopped{f' by {by}' if by else ''}."
    )
    try:
        return outputs.close(store(), output, ended, message)
    except StorageError as error:  # a list can be read on a full disk, too
        log.warning("%s", error)
        return replace(output, state=ended, message=message, ended_at=datetime.now(UTC))


def _place(output: Output) -> tuple[str, int]:
    return output.source, output.number


def _over(going: list[Output]) -> dict[tuple[str, int], str]:
    """Return those whose tasks are over, with the state that Airflow has for these."""
    columns = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
    keys = [(each.dag_id, each.run_id, each.task_id, each.map_index) for each in going]
    tasks = select(*columns, TaskInstance.state, TaskInstance.try_number).where(tuple_(*columns).in_(keys))
    runs = select(DagRun.dag_id, DagRun.run_id, DagRun.state).where(
        tuple_(DagRun.dag_id, DagRun.run_id).in_([key[:2] for key in keys])
    )
    with create_session(scoped=False) as session:
        states = {tuple(row[:4]): (_text(row[4]), int(row[5] or 0)) for row in session.execute(tasks)}
        of_runs = {tuple(row[:2]): _text(row[2]) for row in session.execute(runs)}
    found = {}
    for output, key in zip(going, keys, strict=True):
        state = _end(output, states.get(key), of_runs.get(key[:2]))
        if state is not None:
            found[_place(output)] = state
    return found


def _end(output: Output, task: tuple[str, int] | None, run: str | None) -> str | None:
    """Return how a task has ended, "" if Airflow does not know it; None: it goes on."""
    if task is None:
        is_old = datetime.now(UTC) - output.started_at > _PATIENCE
        return (run if run in _RUN_OVER else None) if run is not None else "" if is_old else None
    state, try_number = task
    if state in OVER or (output.state == "running" and try_number > output.try_number):
        return state or "another try"
    return run if run in _RUN_OVER and state not in ("running", "restarting", "deferred") else None


def _text(state: Any) -> str:
    return str(getattr(state, "value", state) or "")
