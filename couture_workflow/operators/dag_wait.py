"""Waiting for a child run without a worker: the trigger of a ``DagOperator``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSuccessEvent, TriggerEvent
from asgiref.sync import sync_to_async

FIRST_PAUSE = 1.0

#: A resumed task that is queued again before the scheduler has seen its worker end is taken for a failed one
#: (apache/airflow#67287). So a task that must be resumed is not resumed earlier; seconds.
RESUME_AFTER = 15.0


def pause(waited: float, longest: float) -> float:
    """Return the seconds until the next look: often for a short child, seldom for a long one."""
    return min(longest, max(FIRST_PAUSE, waited / 20))


class ChildRunTrigger(BaseTrigger):
    """Wait for the end of a child run.

    Usually it ends the task itself, which spares a worker, and with it a race of the scheduler.

    :param resume: let a worker end the task.
    :param since: when the task was deferred, seconds since the epoch.
    """

    def __init__(
        self,
        *,
        dag_id: str,
        run_id: str,
        allowed_states: Sequence[str],
        failed_states: Sequence[str],
        poke_interval: float,
        resume: bool,
        since: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dag_id = dag_id
        self.run_id = run_id
        self.allowed_states = list(allowed_states)
        self.failed_states = list(failed_states)
        self.poke_interval = poke_interval
        self.resume = resume
        self.since = since

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what makes this trigger anew in the triggerer."""
        names = ("dag_id", "run_id", "allowed_states", "failed_states", "poke_interval", "resume", "since")
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the run has ended."""
        while True:
            ended, error = await sync_to_async(look)(
                self.dag_id, self.run_id, self.allowed_states, self.failed_states
            )
            if ended:
                break
            await asyncio.sleep(pause(time.time() - self.since, self.poke_interval))
        if self.resume:
            await asyncio.sleep(max(0.0, self.since + RESUME_AFTER - time.time()))
            yield TriggerEvent({"error": error})  # type: ignore[no-untyped-call]
        elif error:
            self.log.error("%s", error)
            yield TaskFailedEvent()
        else:
            self.log.info("The run %s of the DAG %s has ended well", self.run_id, self.dag_id)
            yield TaskSuccessEvent()


def look(
    dag_id: str, run_id: str, allowed_states: Sequence[str], failed_states: Sequence[str]
) -> tuple[bool, str]:
    """Tell whether a child run has ended, and what is wrong with it, "" if nothing is."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    try:
        state = text(RuntimeTaskInstance.get_dagrun_state(dag_id, run_id))
    except AirflowRuntimeError as error:
        if status_of(error) != 404:
            raise
        return True, (
            f"The run {run_id} of the DAG {dag_id} was deleted while this task waited for it. "
            "Clear this task to start another."
        )
    if state in failed_states:
        return True, failure(dag_id, run_id, state)
    return state in allowed_states, ""


def failure(dag_id: str, run_id: str, state: str) -> str:
    """Return the sentence that names a failed child run and its failed tasks."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states: dict[str, Any] = RuntimeTaskInstance.get_task_states(dag_id, run_ids=[run_id]).get(run_id, {})
    names = sorted(task for task, task_state in states.items() if text(task_state) == "failed")
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    what = f"failed in {shown}" if names else f"ended as {state}, though none of its tasks failed"
    return f"The run {run_id} of the DAG {dag_id} {what}. Its log says why; clear this task to run it again."


def text(state: Any) -> str:
    """Return a state as text; Airflow has enumerations that print themselves with their class."""
    return str(getattr(state, "value", state))


def status_of(error: AirflowRuntimeError) -> int:
    """Return the HTTP status with which the API server refused what a task asked, 0 if there is none."""
    detail = error.error.detail
    return int(detail.get("status_code") or 0) if isinstance(detail, dict) else 0


def reason_of(error: AirflowRuntimeError) -> str:
    """Return the sentence with which the API server refused what a task asked."""
    detail: Any = error.error.detail
    while isinstance(detail, dict):
        detail = detail.get("detail") or detail.get("message")
    return str(detail or error)
