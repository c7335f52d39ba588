"""The list of misses: filters and pages of what the reader may see, a row for each task, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Literal, get_args

from couture_workflow.services.sla import misses, notes
from couture_workflow.services.sla.judging import Late
from couture_workflow.services.sla.misses import Miss
from couture_workflow.services.sla.notes import Note

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

#: "open": nobody has said that the miss is documented.
Documented = Literal["open", "documented"]
Notified = Literal["sent", "not_sent"]

DOCUMENTED: tuple[Documented, ...] = get_args(Documented)
NOTIFIED: tuple[Notified, ...] = get_args(Notified)

#: Records that are looked at for one list, and rows of a file; rows of a page.
MOST = 30_000
LARGEST = 500

MayRead = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which misses are asked for; what is left empty does not matter.

    :param text: a part of the ids of DAG, run and task.
    :param since: the earliest time at which tasks were due; ``until`` the latest.
    """

    text: str = ""
    dag_id: str = ""
    notified: Notified | None = None
    documented: Documented | None = None
    since: datetime | None = None
    until: datetime | None = None
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True)
class Row:
    """A task that missed its SLA in one run."""

    miss: Miss
    task: Late
    note: Note | None


@dataclass(frozen=True)
class Page:
    """A part of the misses that were asked for.

    :param more: there are others behind it.
    :param cut: no older records than ``MOST`` were looked at; an earlier ``until`` reaches them.
    """

    rows: tuple[Row, ...]
    more: bool
    cut: bool = False


def page(store: Store, wish: Wish, *, may_read: MayRead) -> Page:
    """Return the misses that were asked for, those alone whose DAG the reader may read, newest first."""
    end = wish.offset + min(wish.limit, MOST)
    may_read = cache(may_read)
    found: list[tuple[Miss, Late]] = []
    cut = False
    for number, miss in enumerate(misses.newest_first(store, since=wish.since, until=wish.until)):
        if cut := number >= MOST:
            break
        if _fits(miss, wish) and may_read(miss.dag_id):
            found += _tasks(store, miss, wish)
        if len(found) > end:
            break
    return Page(tuple(_rows(store, found[wish.offset : end])), more=len(found) > end, cut=cut)


def _rows(store: Store, found: Iterable[tuple[Miss, Late]]) -> Iterator[Row]:
    for miss, tasks in groupby(found, key=lambda each: each[0]):
        note = notes.read(store, miss)
        yield from (Row(miss, task, note) for _, task in tasks)


def _tasks(store: Store, miss: Miss, wish: Wish) -> Iterator[tuple[Miss, Late]]:
    """Yield what is asked for of a miss; its note, a file of its own, is read if the answer depends on it."""
    tasks = [task for task in miss.tasks if _contains(miss, task, wish.text)]
    if tasks and wish.documented:
        note = notes.read(store, miss)
        if (wish.documented == "documented") != bool(note and note.done):
            return
    yield from ((miss, task) for task in tasks)


def _fits(miss: Miss, wish: Wish) -> bool:
    return (not wish.dag_id or miss.dag_id == wish.dag_id) and (
        wish.notified is None or miss.notified == (wish.notified == "sent")
    )


def _contains(miss: Miss, task: Late, text: str) -> bool:
    wanted = text.casefold()
    return not wanted or any(wanted in each.casefold() for each in (miss.dag_id, miss.run_id, task.task_id))


COLUMNS = (
    "dag_id",
    "task_id",
    "run_id",
    "logical_date",
    "due",
    "sla_seconds",
    "state",
    "found_at",
    "notification_sent",
    "mail",
    "mail_to",
    "mail_error",
    "documented",
    "note",
    "note_by",
    "note_at",
)


def as_csv(rows: Iterable[Row]) -> str:
    """Return rows as CSV; what a spreadsheet would take for a formula is text there."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(value) for value in _values(row)])
    return text.getvalue()


def _values(row: Row) -> tuple[object, ...]:
    miss, task, note = row.miss, row.task, row.note
    return (
        miss.dag_id,
        task.task_id,
        miss.run_id,
        miss.logical_date,
        miss.due,
        f"{miss.seconds:g}",
        task.state or "not started",
        miss.found_at,
        miss.notified,
        miss.mail.state,
        ", ".join(miss.mail.to),
        miss.mail.error,
        bool(note and note.done),
        note.text if note else "",
        note.by if note else "",
        note.at if note else None,
    )


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
