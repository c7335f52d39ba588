"""The runs by time: a small entry for each try, so that a list reads no record.

An entry is ``cache/runs/<day>/<start>-<hash>``, JSON of one line. What has ended does not change any more and
is kept in memory. The folder may be deleted at any time: without ``complete`` beside the days, the first list
that is asked for makes the entries anew from the records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from couture_workflow.store import atomic, folders

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

RUNNING = "running"

Fields = Mapping[str, Any]
Entry = TypeVar("Entry")

_COMPLETE = "complete"
_DAY = len("2026-01-31")
_MOST_KEPT = 50_000
_ended: dict[str, Any] = {}


def name(when: datetime, digest: str) -> str:
    """Return what an entry is called: its day, and its start with what tells it from others."""
    moment = when.astimezone(UTC)
    return f"{moment:%Y-%m-%d}/{moment:%H%M%S.%f}-{digest}"


def put(store: Store, entry: str, fields: Fields) -> None:
    """Write an entry, replacing what an earlier call wrote."""
    path = _folder(store) / entry
    with atomic.storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, json.dumps(fields).encode())
    _ended.pop(str(path), None)


def newest_first(
    store: Store,
    read: Callable[[Fields], Entry | None],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Entry]:
    """Yield the entries whose start lies between two moments; each is read when it is its turn.

    :param read: makes an entry of what its file says, None of one that is damaged.
    """
    earliest, latest = (name(since, "") if since else ""), (name(until, "~") if until else "~")
    root = str(_folder(store))
    for day in folders.newest_first(root):
        if day < earliest[:_DAY]:
            return
        if day == _COMPLETE or day > latest[:_DAY]:
            continue
        for rest in folders.newest_first(f"{root}/{day}"):
            entry = f"{day}/{rest}"
            if entry < earliest:
                return
            if entry <= latest and (found := _read(f"{root}/{entry}", read)) is not None:
                yield found


def complete(store: Store, records: Callable[[], Iterable[tuple[str, Fields]]]) -> None:
    """Make the entries of all records, if that was not done before.

    :param records: yields each record's entry and what it says.
    """
    marker = _folder(store) / _COMPLETE
    if marker.exists():
        return
    with atomic.storage_errors(marker.parent):
        marker.parent.mkdir(parents=True, exist_ok=True)
    for entry, fields in records():
        if not (_folder(store) / entry).exists():
            put(store, entry, fields)
    atomic.write(marker, b"")


def _folder(store: Store) -> Path:
    return store.root / "cache" / "runs"


def _read(path: str, read: Callable[[Fields], Entry | None]) -> Entry | None:
    """Return an entry, None if it is gone or damaged: then its record is still there for who knows it."""
    if (kept := _ended.get(path)) is not None:
        return cast("Entry", kept)
    try:
        fields = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return None
    found = read(fields) if isinstance(fields, dict) else None
    if found is not None and fields["state"] != RUNNING:
        if len(_ended) >= _MOST_KEPT:
            _ended.clear()
        _ended[path] = found
    return found
