"""Keep children in step with their parents: stop a run whose ``DagOperator`` was killed or cleared.

A task has no database, and a killed task, one that waits in the triggerer or one on a lost machine can do
nothing at all. So the API server looks: it is there whenever a task runs, whatever the executor. Only the
runs that operators started and that go on are looked at, which are few.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.sdk.exceptions import AirflowException
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import with_row_locks
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from couture_workflow.services.runs import children as child_runs
from couture_workflow.services.runs.children import CLEARED, GONE, RECORD_KEY, RUNNING, ChildRun

log = logging.getLogger(__name__)

#: Seconds between two looks.
INTERVAL = 2.0

#: As many looks a stopped run is watched for tasks that go on nevertheless.
SETTLE = 5

_OWNER = "couture_workflow"

#: A child: DAG and run.
Child = tuple[str, str]


@dataclass(frozen=True)
class Parent:
    """The task instance that started a child."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    def __str__(self) -> str:
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"task {self.task_id}{index} of the run {self.run_id} of the DAG {self.dag_id}"


@dataclass(frozen=True)
class Run:
    """A child that goes on.

    :param queued_at: when it was started or cleared, seconds since the epoch.
    """

    state: str
    queued_at: float


class Keeper:
    """Looks again and again, in a thread of the API server. Several servers may look at once."""

    def __init__(self, *, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="couture-child-runs", daemon=True)
        self._parents: dict[Child, Parent | None] = {}
        self._stopped: dict[Child, int] = {}

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End looking; a look that has begun is finished."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            try:
                self.look()
            except (SQLAlchemyError, AirflowException) as error:
                log.warning("Children of killed tasks are looked for again later: %s", error)

    def look(self) -> list[Child]:
        """Look once; return the children that were stopped."""
        with create_session(scoped=False) as session:
            going_on = _going_on(session)
            known = {child: parent for child, parent in self._parents.items() if child in going_on}
            self._parents = known | _parents(session, going_on.keys() - known.keys())
            self._settle(session)
            stopped = [child for child, run in going_on.items() if self._look_at(session, child, run)]
            self._stopped.update(dict.fromkeys(stopped, SETTLE))
            return stopped

    def _settle(self, session: Session) -> None:
        """Stop tasks that the scheduler started in the very moment in which their run was stopped."""
        for child in self._stopped:
            _stop_left(session, child)
        self._stopped = {child: left - 1 for child, left in self._stopped.items() if left > 1}

    def _look_at(self, session: Session, child: Child, run: Run) -> bool:
        if not (parent := self._parents[child]) or not (record := _record_of(session, parent)):
            return False
        if record.unpause and run.state == "queued":
            _unpause(session, child[0], parent)
        reason = _reason(session, child, run, parent, record)
        return bool(reason) and _stop(session, child, reason)


def _going_on(session: Session) -> dict[Child, Run]:
    """Return the runs that operators started and that go on."""
    query = select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.queued_at, DagRun.run_after).where(
        DagRun.state.in_(sorted(RUNNING)), DagRun.triggered_by == DagRunTriggeredByType.OPERATOR
    )
    return {
        (dag_id, run_id): Run(str(state), (queued_at or run_after).timestamp())
        for dag_id, run_id, state, queued_at, run_after in session.execute(query)
    }


def _parents(session: Session, children: Iterable[Child]) -> dict[Child, Parent | None]:
    """Return who started each child, None where it was no ``DagOperator``.

    A record is written before its child is started, so what is not found now will not be found later.
    """
    wanted = set(children)
    found: dict[Child, Parent | None] = dict.fromkeys(wanted)
    if not wanted:
        return found
    rows = session.scalars(select(TaskStateStoreModel).where(TaskStateStoreModel.key == RECORD_KEY))
    for row in rows.yield_per(1000):
        record = _record(row.value)
        runs = [(record.dag_id, record.run_id), *((d, r) for d, r, _ in record.left)] if record else []
        for child in wanted.intersection(runs):
            found[child] = Parent(row.dag_id, row.run_id, row.task_id, row.map_index)
    return found


def _record(value: str | None) -> ChildRun | None:
    try:
        return child_runs.read(json.loads(value)) if value else None
    except ValueError:
        return None


def _record_of(session: Session, parent: Parent) -> ChildRun | None:
    query = select(TaskStateStoreModel.value).filter_by(key=RECORD_KEY, **vars(parent))
    return _record(session.scalar(query))


def _reason(session: Session, child: Child, run: Run, parent: Parent, record: ChildRun) -> str:
    """Return why a child must be stopped, "" if it may go on."""
    query = (
        select(TaskInstance.state, TaskInstance.end_date, DagRun.queued_at)
        .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
        .where(*(getattr(TaskInstance, name) == value for name, value in vars(parent).items()))
    )
    if (row := session.execute(query).first()) is None:
        return ""  # the parent's run was deleted; nobody can tell any more what was wished
    state, ended, cleared = row
    gone = None
    if state in GONE:  # of a task that was cleared, its run tells when
        gone = (cleared if state in CLEARED else ended) or ended
    since = record.unwanted_since(*child, parent_gone=gone.timestamp() if gone else None)
    if since is None or run.queued_at > since:
        return ""
    how = "was cleared" if state in CLEARED else f"ended as {state}" if state in GONE else "gave it up"
    return f"Stopped, because the {parent}, which started this run, {how}."


def _unpause(session: Session, dag_id: str, parent: Parent) -> None:
    dag = session.get(DagModel, dag_id)
    if dag is None or not dag.is_paused:
        return
    dag.is_paused = False
    session.add(_row("dag.unpause", dag_id, None, f"for the {parent}"))
    session.commit()


def _stop(session: Session, child: Child, reason: str) -> bool:
    """Mark a run failed, which kills its tasks; tell whether this server did it."""
    from airflow.api.common.mark_tasks import set_dag_run_state_to_failed
    from airflow.models.dagbag import DBDagBag

    dag_id, run_id = child
    query = select(DagRun).filter_by(dag_id=dag_id, run_id=run_id).where(DagRun.state.in_(sorted(RUNNING)))
    run = session.scalar(with_row_locks(query, of=DagRun, session=session, skip_locked=True))
    dag = DBDagBag().get_dag_for_run(dag_run=run, session=session) if run else None
    if run is None or dag is None:
        session.rollback()
        return False
    set_dag_run_state_to_failed(dag=dag, run_id=run_id, commit=True, session=session)
    note = f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M:%S} UTC: {reason}"
    run.note = f"{run.note}\n\n{note}" if run.note else note
    session.add(_row("child_run.stop", dag_id, run_id, reason))
    session.commit()
    log.info("%s/%s: %s", dag_id, run_id, reason)
    return True


def _stop_left(session: Session, child: Child) -> None:
    from airflow.api.common.mark_tasks import set_dag_run_state_to_failed
    from airflow.models.dagbag import DBDagBag

    dag_id, run_id = child
    run = session.scalar(select(DagRun).filter_by(dag_id=dag_id, run_id=run_id, state="failed"))
    going_on = select(TaskInstance.task_id).where(
        TaskInstance.dag_id == dag_id,
        TaskInstance.run_id == run_id,
        TaskInstance.state.in_(("scheduled", "queued", "running", "deferred")),
    )
    if run is None or session.scalar(going_on.limit(1)) is None:
        return
    if dag := DBDagBag().get_dag_for_run(dag_run=run, session=session):
        set_dag_run_state_to_failed(dag=dag, run_id=run_id, commit=True, session=session)
        session.commit()


def _row(event: str, dag_id: str, run_id: str | None, reason: str) -> Log:
    row = Log(event=event, owner=_OWNER, owner_display_name=_OWNER, extra=json.dumps({"reason": reason}))
    row.dag_id, row.run_id = dag_id, run_id
    return row
