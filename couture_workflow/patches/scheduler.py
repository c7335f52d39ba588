"""What a scheduler with Celery tells and how often it looks (``failure-reason``, ``scheduler-pace``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from couture_workflow.patches import guard

#: Seconds between two looks of a busy scheduler at its DAG runs; tasks that wait at the workers last longer.
LOOK_INTERVAL = 0.8
#: Tasks that are queued or running in a scheduler that counts as busy.
_BUSY = 4


def tell_reasons() -> None:
    """Let the scheduler write into the audit log why Celery gave a task up.

    That is what the task could not tell itself: the signal that killed its supervisor, a full disk under its
    log. Airflow asks Celery's result for an "info" that results from a database do not have.
    """
    if not guard.fits("failure-reason"):
        return
    from celery.backends.database.models import Task

    def telling(to_dict: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def to_dict_with_info(self: Any) -> dict[str, Any]:
            found = to_dict(self)
            result = found.get("result")
            if found.get("status") == "FAILURE" and isinstance(result, dict):
                message = result.get("exc_message")
                words = message if isinstance(message, list | tuple) else [message]
                found["info"] = f"{result.get('exc_type')}: {' '.join(str(word) for word in words)}"
            elif isinstance(result, BaseException):
                found["info"] = f"{type(result).__name__}: {result}"
            return found

        return to_dict_with_info

    guard.replace(Task, "to_dict", telling)


def pace() -> None:
    """Let the scheduler look at all running DAGs at most every ``LOOK_INTERVAL`` while tasks are under way.

    Airflow's loop rests only when nothing has happened. On a busy machine something always has: it looks at
    everything for each task or two that has ended, and takes from the tasks the CPU that they wait for.
    """
    if not guard.fits("scheduler-pace"):
        return
    from airflow.executors.base_executor import BaseExecutor

    looked = 0.0

    def pacing(heartbeat: Callable[..., None]) -> Callable[..., None]:
        def paced_heartbeat(self: Any) -> None:
            nonlocal looked
            heartbeat(self)
            rest = looked + LOOK_INTERVAL - time.monotonic()
            if rest > 0 and len(self.running) >= _BUSY:
                time.sleep(rest)
            looked = time.monotonic()

        return paced_heartbeat

    guard.replace(BaseExecutor, "heartbeat", pacing)
