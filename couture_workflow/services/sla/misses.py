"""Records of what was missed: a file for each run and SLA, and it stays when Airflow deletes the run.

A record is ``sla/misses/<day>/<time>-<hash>.json`` below the home, named by when the tasks were due. It is
written before anybody is told, and replaced as a whole when somebody was: a miss whose record is there is
never found a second time. What people note is kept apart (``notes``), so the two writers do not meet.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from couture_workflow.exceptions import NotFoundError
from couture_workflow.services.sla.judging import Late
from couture_workflow.store import atomic, folders

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

#: "none": nobody is to be told. "failed": it was given up.
Told = Literal["none", "waiting", "sent", "failed"]
TOLD: tuple[Told, ...] = get_args(Told)

_DAY = len("2026-01-31")
_HASH = 16
_MOST_KEPT = 50_000
_read_before: dict[str, tuple[int, Miss]] = {}


@dataclass(frozen=True)
class Notice:
    """How somebody is told, by mail or by a call of the DAG's function.

    :param to: the addresses of a mail.
    :param attempts: that were made so far.
    :param next_at: of the next attempt.
    :param error: why the last attempt failed, in the server's own words where it had any.
    :param call: of a callback: Airflow's id of it.
    """

    state: Told = "none"
    to: tuple[str, ...] = ()
    attempts: int = 0
    at: datetime | None = None
    next_at: datetime | None = None
    error: str = ""
    call: str = ""


@dataclass(frozen=True, kw_only=True)
class Miss:
    """Tasks of one run that had the same SLA and were not done by then.

    :param id: names the record: ``2026-01-31/080000-<hash>``.
    :param interval_end: what the SLA is counted from.
    :param found_at: when it was seen.
    :param blocking: tasks of the run that had begun and not succeeded, with their state.
    """

    id: str
    dag_id: str
    run_id: str
    logical_date: datetime | None
    interval_end: datetime | None
    due: datetime
    seconds: float
    found_at: datetime
    tasks: tuple[Late, ...]
    blocking: tuple[tuple[str, str], ...] = ()
    mail: Notice = field(default_factory=Notice)
    callback: Notice = field(default_factory=Notice)

    @property
    def notified(self) -> bool:
        """Tell whether anybody was told, as Airflow 1.10's column *notification sent* does."""
        return "sent" in (self.mail.state, self.callback.state)

    @property
    def waits(self) -> bool:
        """Tell whether somebody is to be told yet."""
        return "waiting" in (self.mail.state, self.callback.state)


def identity(dag_id: str, run_id: str, due: datetime, seconds: float) -> str:
    """Return the id of the record of a run and an SLA: always the same one."""
    moment = due.astimezone(UTC)
    digest = hashlib.sha256(json.dumps([dag_id, run_id, seconds]).encode()).hexdigest()[:_HASH]
    return f"{moment:%Y-%m-%d}/{moment:%H%M%S}-{digest}"


def exists(store: Store, identity: str) -> bool:
    """Tell whether a miss is recorded."""
    return _path(store, identity).exists()


def put(store: Store, miss: Miss) -> None:
    """Write a record, replacing what an earlier call wrote."""
    path = _path(store, miss.id)
    with atomic.storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, json.dumps(asdict(miss), default=datetime.isoformat).encode())


def get(store: Store, identity: str) -> Miss:
    """Return a record or raise ``NotFoundError``."""
    day, _, name = identity.partition("/")
    found = None if not _is_day(day) or not _is_name(name) else _read(str(_path(store, identity)))
    if found is None:
        raise NotFoundError("There is no such miss of an SLA; its record may have been removed by now.")
    return found


def newest_first(
    store: Store, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Miss]:
    """Yield the records of what was due between two moments; each is read when it is its turn."""
    earliest, latest = (_stamp(since) if since else ""), (f"{_stamp(until)}~" if until else "~")
    root = _folder(store)
    for day in folders.newest_first(root):
        if day < earliest[:_DAY]:
            return
        if not _is_day(day) or day > latest[:_DAY]:
            continue
        for name in folders.newest_first(root / day):
            stamp = f"{day}/{name}"
            if stamp < earliest:
                return
            if stamp <= latest and (found := _read(str(root / day / name))) is not None:
                yield found


def sweep(store: Store, *, days: int, now: datetime) -> int:
    """Remove what was due longer ago than so many days, and return how many days' folders that were."""
    oldest = f"{now.astimezone(UTC) - timedelta(days=days):%Y-%m-%d}"
    gone = [day for day in folders.newest_first(_folder(store)) if _is_day(day) and day < oldest]
    for day in gone:
        shutil.rmtree(_folder(store) / day, ignore_errors=True)
        shutil.rmtree(store.root / "sla" / "notes" / day, ignore_errors=True)
    return len(gone)


def _folder(store: Store) -> Path:
    return store.root / "sla" / "misses"


def _path(store: Store, identity: str) -> Path:
    return _folder(store) / f"{identity}.json"


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d/%H%M%S}"


def _is_day(name: str) -> bool:
    try:
        return len(name) == _DAY and bool(datetime.strptime(name, "%Y-%m-%d"))
    except ValueError:
        return False


def _is_name(name: str) -> bool:
    time, _, digest = name.partition("-")
    return time.isdecimal() and len(digest) == _HASH and digest.isalnum() and name.isascii()


def _read(path: str) -> Miss | None:
    """Return a record, None if it is gone or damaged; one that did not change is read once."""
    try:
        written = os.stat(path).st_mtime_ns  # noqa: PTH116 (as often as there are records)
        known = _read_before.get(path)
        if known is not None and known[0] == written:
            return known[1]
        found = _miss(json.loads(Path(path).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if len(_read_before) >= _MOST_KEPT:
        _read_before.clear()
    _read_before[path] = (written, found)
    return found


def _miss(data: Mapping[str, Any]) -> Miss:
    tasks = tuple(
        Late(
            **{
                **each,
                "task_id": _text(each["task_id"]),
                "started": _moment(each["started"]),
                "ended": _moment(each["ended"]),
            }
        )
        for each in data["tasks"]
    )
    if not tasks:
        raise ValueError(data["tasks"])
    moments = {name: _moment(data[name]) for name in ("logical_date", "interval_end")}
    return Miss(
        **{
            **data,
            **moments,
            "dag_id": _text(data["dag_id"]),
            "run_id": _text(data["run_id"]),
            "due": _aware(data["due"]),
            "seconds": float(data["seconds"]),
            "found_at": _aware(data["found_at"]),
            "tasks": tasks,
            "blocking": tuple((task_id, state) for task_id, state in data["blocking"]),
            "mail": _notice(data["mail"]),
            "callback": _notice(data["callback"]),
        }
    )


def _notice(data: Mapping[str, Any]) -> Notice:
    moments = {name: _moment(data[name]) for name in ("at", "next_at")}
    if data["state"] not in TOLD:
        raise ValueError(data["state"])
    return Notice(
        **{**data, **moments, "attempts": int(data["attempts"]), "to": tuple(map(_text, data["to"]))}
    )


def _moment(text: str | None) -> datetime | None:
    return _aware(text) if text else None


def _aware(text: str) -> datetime:
    """Return a moment; one without a zone cannot be compared with others."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
