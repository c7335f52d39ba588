"""How a task's supervisor notices its end (``end-of-task``) and sends heartbeats (``first-heartbeat``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from couture_workflow.patches import guard

#: Seconds between two looks at a process that has closed everything and is about to end.
_END_INTERVAL = 0.02


def notice_ends() -> None:
    """Let the supervisor of a task see at once that the task has ended.

    The last sockets of a process are closed a moment before it can be waited for. Airflow looks once in
    between, finds it alive, and looks again after ``[workers] min_heartbeat_interval``: five seconds in which
    the slot does nothing, at about every second task of a busy machine.
    """
    if not guard.fits("end-of-task"):
        return
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    def noticing(serve: Callable[..., Any]) -> Callable[..., Any]:
        def serve_and_notice(self: Any, max_wait_time: float, *arguments: Any, **options: Any) -> Any:
            if not self._open_sockets:
                max_wait_time = min(max_wait_time, _END_INTERVAL)
            return serve(self, max_wait_time, *arguments, **options)

        return serve_and_notice

    guard.replace(WatchedSubprocess, "_service_subprocess", noticing)


def start_counts_as_heartbeat() -> None:
    """Let the first heartbeat of a task come ``[workers] min_heartbeat_interval`` after its start.

    The call that starts it is a sign of life already, to Airflow's API and to the supervisor. Airflow sends
    another one a moment later: one request in five of a short task.
    """
    if not guard.fits("first-heartbeat"):
        return
    from airflow.sdk.execution_time.supervisor import ActivitySubprocess

    def counting(started: Callable[..., Any]) -> Callable[..., Any]:
        def started_with_heartbeat(self: Any, *arguments: Any, **options: Any) -> None:
            started(self, *arguments, **options)
            self._last_heartbeat_attempt = time.monotonic()

        return started_with_heartbeat

    guard.replace(ActivitySubprocess, "_on_child_started", counting)
