"""SLAs that a DAG file declares become Deadline Alerts of its DAG, which Airflow keeps the time of.

One alert stands for all tasks of one SLA. What a miss needs to know travels in the arguments of the alert's
callback, so that a run keeps the SLAs that it began with. The callback itself does nothing: Airflow marks
the run's deadline, and the keeper of the API server looks at the tasks (``web.sla.keeper``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from couture_workflow.exceptions import InvalidError

#: Where Airflow finds ``due``; our deadlines are told from others by it.
CALLBACK = f"{__name__}.due"

#: Attribute of a task that carries what ``task_sla`` was given.
MARK = "_couture_sla"

#: An SLA from here on is never missed. Airflow would make no run: there is no date that far ahead.
NEVER = timedelta(days=100 * 365)


@dataclass(frozen=True)
class Declared:
    """What the callback of one alert carries.

    :param tasks: id of each task -> the addresses that are told when it is late.
    :param seconds: the SLA.
    :param calls_back: the DAG has a ``sla_miss_callback``.
    """

    tasks: Mapping[str, tuple[str, ...]]
    seconds: float
    calls_back: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return this as the arguments of the callback."""
        tasks = {task_id: list(emails) for task_id, emails in sorted(self.tasks.items())}
        return {"tasks": tasks, "seconds": self.seconds, "calls_back": self.calls_back}

    @classmethod
    def read(cls, data: object) -> Declared | None:
        """Return what a callback of Airflow carries, None if it is not one of ours."""
        if not isinstance(data, Mapping) or data.get("path") != CALLBACK:
            return None
        given = data.get("kwargs")
        if not isinstance(given, Mapping) or not isinstance(given.get("tasks"), Mapping):
            return None
        tasks = {str(task_id): tuple(map(str, emails)) for task_id, emails in given["tasks"].items()}
        return cls(tasks, float(given.get("seconds", 0)), bool(given.get("calls_back")))


@dataclass
class _Group:
    tasks: dict[str, tuple[str, ...]] = field(default_factory=dict)


async def due(**_declared: Any) -> str:
    """Do nothing: Airflow calls this when a deadline has passed, and the keeper of the API server looks."""
    return "See Browse > SLA Misses."


def has_slas(dag: Any) -> bool:
    """Tell whether any task of a DAG has an SLA."""
    return any(sla_of(task) is not None for task in dag.tasks)


def sla_of(task: Any) -> timedelta | None:
    """Return the SLA of a task: of ``task_sla``, else ``task.sla``, else ``sla=``, of default_args too.

    ``InvalidError`` if it is no time.
    """
    own = vars(task) if hasattr(task, "__dict__") else {}
    given = own.get("_BaseOperator__init_kwargs") or getattr(task, "partial_kwargs", None) or {}
    sla = own[MARK] if MARK in own else own.get("sla", given.get("sla"))
    if sla is None:
        return None
    if not isinstance(sla, timedelta) or sla < timedelta(0):
        raise InvalidError(
            f"The SLA of the task {task.task_id} is {str(sla)[:60]!r}. Give a timedelta that is not "
            "negative, such as timedelta(hours=2).",
            field="sla",
        )
    return sla if sla < NEVER else None


def declare(dag: Any, *, reference: Any) -> None:
    """Give a DAG the alerts that its tasks' SLAs need, in the place of those of an earlier call.

    :param reference: what each SLA is counted from.
    """
    from airflow.sdk.definitions.callback import AsyncCallback
    from airflow.sdk.definitions.deadline import DeadlineAlert

    groups: dict[timedelta, _Group] = defaultdict(_Group)
    for task in dag.tasks:
        if (sla := sla_of(task)) is not None:
            groups[sla].tasks[task.task_id] = addresses(getattr(task, "email", None))
    calls_back = getattr(dag, "sla_miss_callback", None) is not None
    kept = [alert for alert in dag.deadline or () if alert.callback.path != CALLBACK]
    for sla, group in sorted(groups.items()):
        declared = Declared(group.tasks, sla.total_seconds(), calls_back)
        callback = AsyncCallback(CALLBACK, kwargs=declared.arguments())
        name = f"SLA {', '.join(sorted(group.tasks))}"
        kept.append(DeadlineAlert(reference=reference, interval=sla, callback=callback, name=name[:250]))
    dag.deadline = kept


def addresses(email: object) -> tuple[str, ...]:
    """Return the addresses of ``email=``, a text with commas or semicolons, or a list of such texts."""
    given = [email] if isinstance(email, str) else email
    texts = map(str, given) if isinstance(given, list | tuple | set) else ()
    found = (part.strip() for text in texts for part in text.replace(";", ",").split(","))
    return tuple(dict.fromkeys(each for each in found if each))
