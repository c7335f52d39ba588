"""The rows of the list of notebook schedules: which ones, in what order, and what stands in each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote as percent_encode

from couture_workflow.exceptions import InvalidError
from couture_workflow.permissions import RUN_DETAILS
from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.records import RunKey
from couture_workflow.services.schedules import copies, timing
from couture_workflow.services.schedules.form import When
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.views.runs.addresses import key_url
from couture_workflow.web.schedules import saving, surroundings
from couture_workflow.web.schedules.surroundings import LastRun, Live
from couture_workflow.web.security import allowed, allowed_on_dag
from couture_workflow.web.state import store

#: Columns that sort.
SORTS = ("name", "next", "last", "owner")
#: Id of the task in a DAG file that is as it was written.
_TASK = "notebook"
#: Characters of a value that are shown.
_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the address of the list asks for.

    :param words: all of them must be in the name, notebook, owner or tags of a schedule.
    """

    words: tuple[str, ...] = ()
    owner: str = ""
    sort: str = "name"
    descending: bool = False


@dataclass(frozen=True, kw_only=True)
class Found:
    """A schedule, and how far Airflow is with it."""

    schedule: Schedule
    live: Live


@dataclass(frozen=True, kw_only=True)
class Last:
    """The newest run.

    :param path: of its page, below Airflow's root.
    :param details: address of its *Run details*, "" if there are none.
    """

    state: str
    when: datetime | None
    path: str
    details: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """What stands in a row.

    :param why_not: why there is no next run.
    :param copy: as in ``copies.State``.
    :param parameters: names with their values as text.
    :param problem: why Airflow cannot read the DAG file, "" if it can.
    :param forged: why what is said of the copy's origin is not believed, "" if it is.
    :param is_paused: None: Airflow has not read the DAG yet.
    """

    name: str
    dag_id: str
    notebook: str
    words: str
    next: datetime | None
    why_not: str
    last: Last | None
    parameters: Sequence[tuple[str, str]]
    owner: str
    tags: Sequence[str]
    copy: str
    edited: bool
    problem: str
    forged: str
    is_paused: bool | None
    may_run: bool
    may_pause: bool


def wish_of(given: Mapping[str, str]) -> Wish:
    """Return what an address asks for, or raise ``InvalidError`` that names the part which cannot be read."""
    sort, order = given.get("sort", "name"), given.get("order", "asc")
    for name, value, known in (("sort", sort, SORTS), ("order", order, ("asc", "desc"))):
        if value not in known:
            raise InvalidError(f"{name} is {value[:60]!r}: give one of {', '.join(known)}.", field=name)
    words = tuple(given.get("q", "")[:1000].casefold().split())
    return Wish(words=words, owner=given.get("owner", ""), sort=sort, descending=order == "desc")


def found(user: Any, wish: Wish) -> list[Found]:
    """Return the schedules that were asked for, of the DAGs that the account may read."""
    chosen = [schedule for schedule in saving.schedules_of(user) if _fits(schedule, wish)]
    live = surroundings.live(chosen, user)
    every = [Found(schedule=schedule, live=live[schedule.name]) for schedule in chosen]
    every.sort(key=lambda each: each.schedule.name.casefold())
    known = [each for each in every if _key(each, wish.sort) is not None]
    known.sort(key=lambda each: _key(each, wish.sort), reverse=wish.descending)
    return [*known, *(each for each in every if _key(each, wish.sort) is None)]


def rows(found: Sequence[Found], user: Any, *, can_edit: bool) -> list[Row]:
    """Return rows for some schedules.

    :param can_edit: the account may change schedules.
    """
    states = copies.states(store(), [each.schedule for each in found], str(user.get_name()))
    return [_row(each, user, states[each.schedule.name], can_edit=can_edit) for each in found]


def owner_of(schedule: Schedule) -> str:
    """Return whose a schedule is."""
    return schedule.form.owner or schedule.origin.account


def words_of(when: When) -> str:
    """Return when something runs, in words for a list."""
    if when.kind == "cron":
        return f"{timing.words_of(when.cron)} ({when.zone})"
    return "Once, when it was saved" if when.kind == "now" else timing.timing(when).words


def _fits(schedule: Schedule, wish: Wish) -> bool:
    form, owner = schedule.form, owner_of(schedule)
    if wish.owner and owner != wish.owner:
        return False
    text = "\n".join((schedule.name, schedule.dag_id, form.notebook, owner, *form.tags)).casefold()
    return all(word in text for word in wish.words)


def _key(each: Found, sort: str) -> Any:
    """Return what a schedule is sorted by, None if it has nothing of the kind: it comes last."""
    if sort == "next":
        return each.live.next_run
    if sort == "last":
        return each.live.last_run and each.live.last_run.start
    return owner_of(each.schedule).casefold() if sort == "owner" else each.schedule.name.casefold()


def _row(each: Found, user: Any, copy: str, *, can_edit: bool) -> Row:
    schedule, live = each.schedule, each.live
    there = live.state == "ready"
    return Row(
        name=schedule.name,
        dag_id=schedule.dag_id,
        notebook=schedule.form.notebook or schedule.origin.source,
        words="As the DAG file says" if "when" in schedule.unknown else words_of(schedule.form.when),
        next=live.next_run if there else None,
        why_not="paused" if live.paused else "none" if there else "",
        last=_last(schedule, live.last_run, user) if live.last_run else None,
        parameters=[(name, _text(value)) for name, value in schedule.form.parameters.items()],
        owner=owner_of(schedule),
        tags=schedule.form.tags,
        copy=copy,
        edited=schedule.edited,
        problem=live.error.strip().rpartition("\n")[2] if live.state == "error" else "",
        forged=schedule.problem,
        is_paused=live.paused if there else None,
        may_run=there and can_edit and allowed_on_dag(user, "POST", schedule.dag_id, entity="RUN"),
        may_pause=can_edit and allowed_on_dag(user, "PUT", schedule.dag_id),
    )


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _last(schedule: Schedule, run: LastRun, user: Any) -> Last:
    key = RunKey(schedule.dag_id, run.run_id, _TASK)
    tries = run_records.tries(store(), key) if allowed(user, RUN_DETAILS, dag_id=schedule.dag_id) else []
    dag_id, run_id = (percent_encode(part, safe="") for part in (schedule.dag_id, run.run_id))
    return Last(
        state=run.state,
        when=run.start.astimezone(UTC) if run.start else None,
        path=f"dags/{dag_id}/runs/{run_id}",
        details=key_url(tries[-1].key) if tries else "",
    )
