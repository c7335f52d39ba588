"""Which tasks of a run were not done when they were due, by all tries that they had.

A task is done in time if it had *succeeded* by then. One that is skipped, has failed, waits for a retry or
never started is late. Tries that ended later do not count, and a success that somebody cleared afterwards
does: so it does not matter when one looks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

SUCCESS = "success"
REMOVED = "removed"


@dataclass(frozen=True)
class Try:
    """One try of a task instance.

    :param state: "" if nothing has happened yet.
    :param is_last: the present try; the others are history.
    """

    task_id: str
    map_index: int
    state: str
    started: datetime | None
    ended: datetime | None
    is_last: bool = True


@dataclass(frozen=True)
class Late:
    """A task that was not done in time, as it is when one looks.

    :param state: of the task instance that is furthest from done, "" if nothing has happened yet.
    :param count: of task instances that were not done in time, of ``total``.
    """

    task_id: str
    state: str
    started: datetime | None
    ended: datetime | None
    count: int
    total: int


#: The further behind, the further from done.
_PROGRESS = (SUCCESS, "running", "deferred", "queued", "scheduled", "up_for_retry", "up_for_reschedule")
_DISTANCE = {state: number for number, state in enumerate(_PROGRESS)}


def late(tries: Iterable[Try], task_ids: Iterable[str], due: datetime) -> list[Late]:
    """Return the tasks that were not done when they were due.

    A task of which the run has no instance is none of this run: it was taken out of the DAG.

    :param task_ids: those that had to be done.
    """
    instances: dict[str, dict[int, list[Try]]] = defaultdict(lambda: defaultdict(list))
    for each in tries:
        instances[each.task_id][each.map_index].append(each)
    found = (_late(task_id, instances[task_id], due) for task_id in sorted(set(task_ids)))
    return [each for each in found if each is not None]


def _late(task_id: str, instances: Mapping[int, list[Try]], due: datetime) -> Late | None:
    present = {
        index: tries
        for index, tries in instances.items()
        if any(each.is_last and each.state != REMOVED for each in tries)
    }
    behind = [tries for tries in present.values() if not any(_in_time(each, due) for each in tries)]
    if not behind:
        return None
    shown = max((each for tries in behind for each in tries if each.is_last), key=_distance)
    return Late(task_id, shown.state, shown.started, shown.ended, len(behind), len(present))


def _in_time(each: Try, due: datetime) -> bool:
    return each.state == SUCCESS and each.ended is not None and each.ended <= due


def _distance(each: Try) -> int:
    return _DISTANCE.get(each.state, len(_DISTANCE))


def blocking(tries: Iterable[Try]) -> list[tuple[str, str]]:
    """Return the tasks of a run that have begun and not succeeded, with their state, as Airflow 1.10 does."""
    found: dict[str, Try] = {}
    for each in tries:
        if each.is_last and each.state not in ("", SUCCESS, REMOVED):
            known = found.get(each.task_id)
            found[each.task_id] = each if known is None else max(known, each, key=_distance)
    return [(task_id, found[task_id].state) for task_id in sorted(found)]
