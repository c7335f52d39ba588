"""Lists of runs across all DAGs: filters, order and pages, of what the reader may see.

Nothing is read but the entries of ``index``, newest first, and no more of them than the page needs: of the
newest runs the first few, of any other order as many as fit the filters, ``MOST`` at the most.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.runs import index, records
from couture_workflow.services.runs.records import Kind, RunKey

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

#: "lost": Airflow says that the try is over, but its end was not recorded: it was killed.
State = Literal["running", "success", "failed", "killed", "lost"]
Sort = Literal["started", "duration", "dag", "state", "user"]

STATES: tuple[State, ...] = get_args(State)
KINDS: tuple[Kind, ...] = get_args(Kind)
SORTS: tuple[Sort, ...] = get_args(Sort)

#: As many entries are looked at for one list.
MOST = 30_000
#: A list has no more runs than that.
LARGEST = 200

_CHUNK = 100

Word = TypeVar("Word", bound=str)

MayRead = Callable[[str], bool]
Lost = Callable[[Collection[RunKey]], Collection[RunKey]]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which runs are asked for; what is left empty does not matter.

    :param text: a part of the ids of DAG, run and task, or of the application's name.
    :param dag_id: the whole id.
    :param user: who started the DAG run, the task's owner, or the account that the job ran as.
    :param since: the earliest start; ``until`` the latest.
    :param at_least: seconds from start to end, or to now; ``at_most`` likewise.
    """

    text: str = ""
    state: State | None = None
    kind: Kind | None = None
    dag_id: str = ""
    user: str = ""
    since: datetime | None = None
    until: datetime | None = None
    at_least: float | None = None
    at_most: float | None = None
    sort: Sort = "started"
    descending: bool = True
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What a list says of one try. Its record has the rest."""

    key: RunKey
    state: State
    kind: Kind
    app_name: str
    application_id: str | None
    started_at: datetime
    ended_at: datetime | None
    triggered_by: str
    owner: str
    user: str

    @property
    def duration(self) -> float:
        """Return the seconds from start to end, or to now."""
        return ((self.ended_at or datetime.now(UTC)) - self.started_at).total_seconds()

    @property
    def who(self) -> str:
        """Return whom a list names: who started the run, else whose task it is."""
        return self.triggered_by or self.owner or self.user


@dataclass(frozen=True)
class Page:
    """A part of the runs that were asked for.

    :param more: there are others behind it.
    :param cut: older runs than the ``MOST`` newest were not looked at.
    """

    runs: tuple[Listed, ...]
    more: bool
    cut: bool


def page(store: Store, wish: Wish, *, may_read: MayRead, lost: Lost) -> Page:
    """Return the runs that were asked for, those alone whose DAG the reader may read.

    :param may_read: tells it of a DAG; asked once for each.
    :param lost: returns those of some runs, recorded as running, that are over.
    """
    records.complete_index(store)
    entries = _Counted(index.newest_first(store, _listed, since=wish.since, until=wish.until))
    fitting = _fitting(entries, wish, _Remembered(may_read), lost)
    end = wish.offset + min(wish.limit, LARGEST)
    if wish.sort == "started" and wish.descending:
        found = list(islice(fitting, end + 1))
    else:
        found = sorted(fitting, key=_ORDERS[wish.sort], reverse=wish.descending)
    shown = (run for run in found[wish.offset : end] if records.exists(store, run.key))
    return Page(tuple(shown), more=len(found) > end, cut=entries.cut)


def checked(value: str, known: tuple[Word, ...], *, field: str) -> Word | None:
    """Return a word of the address if it is known, None for none; else raise ``InvalidError``."""
    if not value:
        return None
    for word in known:
        if word == value:
            return word
    raise InvalidError(f"{field} is {value[:60]!r}: choose one of {', '.join(known)}.", field=field)


class _Counted:
    """The entries, ``MOST`` of them at the most."""

    def __init__(self, entries: Iterator[Listed]) -> None:
        self._entries = entries
        self.cut = False

    def __iter__(self) -> Iterator[Listed]:
        yield from islice(self._entries, MOST)
        self.cut = next(self._entries, None) is not None


class _Remembered:
    """An answer for each DAG, asked once."""

    def __init__(self, ask: MayRead) -> None:
        self._ask = ask
        self._known: dict[str, bool] = {}

    def __call__(self, dag_id: str) -> bool:
        if dag_id not in self._known:
            self._known[dag_id] = self._ask(dag_id)
        return self._known[dag_id]


def _fitting(entries: Iterable[Listed], wish: Wish, may_read: MayRead, lost: Lost) -> Iterator[Listed]:
    """Yield the runs that fit, newest first; a try whose record was begun anew counts once."""
    seen: set[RunKey] = set()
    candidates = (run for run in entries if _fits(run, wish) and may_read(run.key.dag_id))
    while chunk := list(islice(candidates, _CHUNK)):
        unsure = [run.key for run in chunk if run.state == index.RUNNING]
        over = set(lost(unsure)) if unsure else set()
        for run in chunk:
            if run.key in seen:
                continue
            seen.add(run.key)
            state = "lost" if run.key in over else run.state
            if wish.state is None or state == wish.state:
                yield run if state == run.state else replace(run, state="lost")


def _fits(run: Listed, wish: Wish) -> bool:
    recorded = "running" if wish.state == "lost" else wish.state
    return (
        (recorded is None or run.state == recorded)
        and (wish.kind is None or run.kind == wish.kind)
        and (not wish.dag_id or run.key.dag_id == wish.dag_id)
        and (not wish.user or wish.user in (run.triggered_by, run.owner, run.user))
        and (wish.at_least is None or run.duration >= wish.at_least)
        and (wish.at_most is None or run.duration <= wish.at_most)
        and (not wish.text or _contains(run, wish.text.casefold()))
    )


def _contains(run: Listed, text: str) -> bool:
    parts = (run.key.dag_id, run.key.run_id, run.key.task_id, run.app_name, run.application_id or "")
    return any(text in part.casefold() for part in parts)


def _listed(fields: Mapping[str, Any]) -> Listed | None:
    """Return what an entry says, None if it is damaged."""
    try:
        ended = fields["ended_at"]
        return Listed(
            key=RunKey(**fields["key"]),
            state=fields["state"],
            kind=fields["kind"],
            app_name=str(fields["app_name"]),
            application_id=fields["application_id"],
            started_at=datetime.fromisoformat(fields["started_at"]),
            ended_at=datetime.fromisoformat(ended) if ended else None,
            triggered_by=str(fields["triggered_by"]),
            owner=str(fields["owner"]),
            user=str(fields["user"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


_ORDERS: Mapping[Sort, Callable[[Listed], Any]] = {
    "started": lambda run: run.started_at,
    "duration": lambda run: (run.duration, run.started_at),
    "dag": lambda run: (run.key.dag_id.casefold(), run.key.task_id.casefold(), run.started_at),
    "state": lambda run: (STATES.index(run.state), run.started_at),
    "user": lambda run: (run.who.casefold(), run.started_at),
}
