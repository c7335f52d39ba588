"""What people note of a miss, such as why it happened and that it is dealt with.

A note is ``sla/notes/<day>/<time>-<hash>.json`` below the home, replaced as a whole by the next one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from couture_workflow.exceptions import ConflictError, InvalidError
from couture_workflow.store import atomic

if TYPE_CHECKING:
    from pathlib import Path

    from couture_workflow.services.sla.misses import Miss
    from couture_workflow.store.home import Store

LONGEST = 4000


@dataclass(frozen=True)
class Note:
    """A note.

    :param done: the miss is analyzed and documented.
    """

    text: str
    done: bool
    by: str
    at: datetime


def read(store: Store, miss: Miss) -> Note | None:
    """Return the note of a miss, None if it has none."""
    try:
        data = json.loads(_path(store, miss.id).read_bytes())
        return Note(
            str(data["text"]), bool(data["done"]), str(data["by"]), datetime.fromisoformat(data["at"])
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write(store: Store, miss: Miss, *, text: object, done: object, by: str, base: object = None) -> Note:
    """Keep a note in the place of the present one, or raise ``InvalidError``, ``ConflictError``.

    :param base: when the note was written that the writer knows, "" for none; None: whatever it is.
    """
    if not isinstance(text, str) or len(text) > LONGEST or "\0" in text:
        raise InvalidError(
            f"A note is a text of at most {LONGEST:,} characters, none of them NUL.", field="text"
        )
    if not isinstance(done, bool):
        raise InvalidError("Say with true or false whether the miss is documented.", field="done")
    path = _path(store, miss.id)
    with atomic.storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.locked(store.root / "sla" / ".notes.lock"):
        present = read(store, miss)
        if base is not None and not _is_of(present, str(base)):
            raise ConflictError(
                f"{present.by if present else 'Somebody'} has changed this note meanwhile. Copy what you "
                "typed, load the page again and add it to what stands there."
            )
        note = Note(text.strip(), done, by, datetime.now(UTC))
        atomic.write(path, json.dumps(asdict(note), default=datetime.isoformat).encode())
    return note


def _is_of(note: Note | None, base: str) -> bool:
    """Tell whether a note is the one that was written then, "" for no note."""
    try:
        return note.at == datetime.fromisoformat(base) if note and base else not (note or base)
    except (ValueError, TypeError):
        return False


def _path(store: Store, identity: str) -> Path:
    return store.root / "sla" / "notes" / f"{identity}.json"
