"""What tasks print stays in their own logs (``task-output``)."""

from __future__ import annotations

import functools
from typing import Any

from couture_workflow.patches import guard


def keep_output_in_logs() -> None:
    """Let the LocalExecutor write what tasks print and log into their logs alone.

    Airflow repeats it in the output of the scheduler, where nobody takes the secrets out. Called before the
    processes of the executor are forked.
    """
    if not guard.fits("task-output"):
        return
    from airflow.executors.base_executor import BaseExecutor

    run = BaseExecutor.run_workload
    if run.__module__ == __name__:
        return

    def run_quietly(workload: Any, **options: Any) -> int:
        return run(workload, **options | {"subprocess_logs_to_stdout": False})

    quiet = functools.update_wrapper(run_quietly, run)
    quiet.__module__ = __name__
    BaseExecutor.run_workload = staticmethod(quiet)  # type: ignore[method-assign]
