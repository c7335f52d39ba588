"""Drafts: what somebody typed in the DAG editor and has not saved yet, kept for each account and file.

A draft belongs to one account and is never part of a version, an export or a parse. File names below the
folder ``drafts`` are digests, so an account or a path may hold any character; the names stand inside.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from couture_workflow.exceptions import ConflictError, InvalidError, TooLargeError
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from couture_workflow.store.names import MAX_PATH_BYTES, quote

#: Bytes of the largest text that is edited in the browser.
LARGEST = 2**20
#: Drafts that one account may have at a time.
MOST = 500

#: For ``expected``: replace whatever draft there is.
ANY: Final = "*"

_ENCODING = ("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Draft:
    """A text that is not saved yet.

    :param base: commit that the text started from, None if there was none.
    :param saved: when the draft was kept.
    """

    path: str
    base: str | None
    content: str
    saved: datetime

    @property
    def revision(self) -> str:
        """Name what the draft says: the same text from the same version has the same revision."""
        return hashlib.sha256(f"{self.base}\0{self.content}".encode(*_ENCODING)).hexdigest()[:16]


def get(store: Store, user: str, path: str) -> Draft | None:
    """Return an account's draft of a file, None if there is none."""
    return _read(_file(store, user, path))


def put(
    store: Store, user: str, path: str, *, base: str | None, content: str, expected: str | None = ANY
) -> Draft:
    """Keep an account's draft of a file in place of an earlier one, and return it.

    :param expected: revision of the draft that the caller knows, None if it knows of none, ``ANY`` to replace
        whatever there is. ``ConflictError`` if there is another one: it was typed in another window.

    Raises ``InvalidError`` for a path that no file can have, ``TooLargeError`` for a text over ``LARGEST``.
    """
    draft = Draft(_checked(path), base, content, datetime.now(UTC))
    body = content.encode(*_ENCODING)
    if len(body) > LARGEST:
        raise TooLargeError(
            f"The text of {quote(path)} has {len(body):,} bytes; the editor keeps {LARGEST:,} at most. "
            "Make it shorter, or upload it as a file."
        )
    file = _file(store, user, path)
    with atomic.storage_errors(file.parent):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic.locked(file.parent / ".lock"):
        present = _read(file)
        _check_expected(present, draft, expected)
        if present is None and sum(1 for _ in file.parent.glob("*.json")) >= MOST:
            raise InvalidError(f"You have {MOST} drafts. Save or discard some of them, then go on.")
        atomic.write(file, _encode(user, draft), mode=0o600)
    return draft


def delete(store: Store, user: str, path: str) -> bool:
    """Discard an account's draft of a file; tell whether there was one."""
    file = _file(store, user, path)
    existed = file.is_file()
    with atomic.storage_errors(file):
        file.unlink(missing_ok=True)
    return existed


def all_of(store: Store, user: str) -> list[Draft]:
    """Return an account's drafts, the newest first."""
    drafts = [draft for file in _folder(store, user).glob("*.json") if (draft := _read(file))]
    return sorted(drafts, key=lambda draft: draft.saved, reverse=True)


def _check_expected(present: Draft | None, new: Draft, expected: str | None) -> None:
    revision = present.revision if present else None
    if expected != ANY and revision is not None and revision not in (expected, new.revision):
        raise ConflictError(
            f"You have changed {quote(new.path)} in another window too. Choose which text to keep.",
            paths=[new.path],
            base=expected or "",
            theirs=revision,
        )


def _checked(path: str) -> str:
    fits = 0 < len(path.encode(*_ENCODING)) <= MAX_PATH_BYTES
    if not fits or not path.isprintable() or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise InvalidError(f"No file can have the path {quote(path)}. Choose another one.", field="path")
    return path


def _folder(store: Store, user: str) -> Path:
    return store.drafts / _digest(user)


def _file(store: Store, user: str, path: str) -> Path:
    return _folder(store, user) / f"{_digest(path)}.json"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(*_ENCODING)).hexdigest()[:32]


def _encode(user: str, draft: Draft) -> bytes:
    fields = {
        "user": user,
        "path": draft.path,
        "base": draft.base,
        "saved": draft.saved.isoformat(),
        "content": draft.content,
    }
    return json.dumps(fields).encode()  # in ASCII, which holds what no encoding can, such as half a character


def _read(file: Path) -> Draft | None:
    """Return a kept draft, None if there is none or it cannot be understood: it is a help, never a must."""
    try:
        fields = json.loads(file.read_bytes())
        saved = datetime.fromisoformat(fields["saved"])
        return Draft(fields["path"], fields["base"], fields["content"], saved)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError):
        return None
