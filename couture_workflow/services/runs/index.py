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
from typing import TYPE_CHECKING, Any

from couture_workflow.store import atomic

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

RUNNING = "running"

Fields = Mapping[str, Any]

_COMPLETE = "complete"
_MOST_KEPT = 50_000
_ended: dict[str, Fields] = {}


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
    store: Store, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Fields]:
    """Yield the entries whose start lies between two moments; each is read when it is its turn."""
    first = since.astimezone(UTC) if since else None
    last = until.astimezone(UTC) if until else None
    for day in _names(_folder(store)):
        if first and day < f"{first:%Y-%m-%d}":
            return
        if day == _COMPLETE or (last and day > f"{last:%Y-%m-%d}"):
            continue
        for entry in _names(_folder(store) / day):
            started = f"{day}/{entry}"
            if last and started > name(last, "~"):
                continue
            if first and started < name(first, ""):
                return
            if (fields := _read(_folder(store) / day / entry)) is not None:
                yield fields


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


def _names(folder: Path) -> list[str]:
    try:
        found = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, reverse=True)


def _read(path: Path) -> Fields | None:
    """Return an entry, None if it is gone or damaged: then its record is still there for who knows it."""
    if (kept := _ended.get(str(path))) is not None:
        return kept
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(fields, dict):
        return None
    if fields.get("state") != RUNNING:
        if len(_ended) >= _MOST_KEPT:
            _ended.clear()
        _ended[str(path)] = fields
    return fields
