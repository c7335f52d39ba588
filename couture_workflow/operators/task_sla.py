"""Say by when a task has to have succeeded: ``task_sla(task, timedelta(hours=2))``.

What comes of it is a matter of the DAG as a whole, see ``services.sla.declaring``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from couture_workflow.services.sla.declaring import MARK

Task = TypeVar("Task")


def task_sla(task: Task, sla: timedelta | None) -> Task:
    """Let a task have succeeded a time after the end of its run's interval, and return the task.

    Whoever is named in the task's ``email`` gets a mail when it has not, the DAG's ``sla_miss_callback`` is
    called, and *Browse > SLA Misses* lists it.

    :param task: an operator, a mapped one too, or what a function with ``@task`` returns.
    :param sla: counted from the end of the interval of each scheduled run; None: no SLA.
    """
    operator: Any = getattr(task, "operator", task)
    task_id = getattr(operator, "task_id", None)
    if task_id is None:
        raise TypeError(
            f"task_sla() was given a {type(task).__name__}, which is no task. Give it an operator, or what a "
            "function with @task returned."
        )
    if sla is not None and not isinstance(sla, timedelta):
        raise TypeError(
            f"The SLA of the task {task_id} is {sla!r:.60}. Give a timedelta, such as timedelta(hours=2)."
        )
    if sla is not None and sla < timedelta(0):
        raise ValueError(f"The SLA of the task {task_id} is {sla}. Give a time that is not negative.")
    vars(operator)[MARK] = sla
    return task
