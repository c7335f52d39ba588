"""Archives on their way in: a temporary file in the home, kept for an hour if a page asks for it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from couture_workflow import settings
from couture_workflow.exceptions import NotFoundError, TooLargeError
from couture_workflow.store import atomic
from couture_workflow.store.home import Store

#: Seconds after which an archive that was sent, and not imported, is removed.
KEPT = 3600.0

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Kept:
    """An archive that waits for its import.

    :param user: the account that sent it; nobody else gets it.
    :param name: what the file was called, "" if that is not known.
    """

    id: str
    noun: str
    user: str
    name: str = ""


class ArchiveUpload:
    """An archive under way: ``with ArchiveUpload(store) as upload: upload.write(...); upload.finish()``.

    The file is gone when it is left, unless ``keep`` was called.
    """

    def __init__(self, store: Store, *, name: str = "", announced: int | None = None) -> None:
        self._store = store
        self._limit = settings.max_upload_size()
        self._size = 0
        self._descriptor = -1
        self.name = name
        self.path = Path()
        if announced is not None:
            self._check(announced)

    def __enter__(self) -> Self:
        with atomic.storage_errors(self._store.imports):
            self._descriptor, self.path = atomic.temporary(self._store.imports, mode=0o600)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end."""
        self._check(self._size + len(chunk))
        with atomic.storage_errors(self._store.imports):
            atomic.write_all(self._descriptor, chunk)
        self._size += len(chunk)

    def finish(self) -> ArchiveUpload:
        """Return it; the file is whole."""
        return self

    def keep(self, noun: str, *, user: str) -> Kept:
        """Keep the file for an hour; ``kept`` finds it again."""
        kept = Kept(uuid.uuid4().hex, noun, user, self.name)
        folder = self._store.imports
        with atomic.storage_errors(folder):
            os.fsync(self._descriptor)
            atomic.write(folder / f"{kept.id}.json", json.dumps(asdict(kept)).encode(), mode=0o600)
            self.path.replace(folder / f"{kept.id}.tar.gz")
        return kept

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise TooLargeError(
                f"The archive has more than {self._limit:,} bytes. Send less at once, or ask an "
                "administrator to raise [couture_workflow] max_upload_size."
            )


def kept(store: Store, number: str, *, user: str) -> tuple[Kept, Path]:
    """Return an archive that waits and where it lies, or raise ``NotFoundError``.

    :param number: its id.
    """
    with contextlib.suppress(OSError, ValueError, TypeError):
        if _ID.fullmatch(number):
            found = Kept(**json.loads((store.imports / f"{number}.json").read_text(encoding="utf-8")))
            path = store.imports / f"{number}.tar.gz"
            if found.user == user and path.is_file():
                return found, path
    raise NotFoundError("This archive is no longer here: it is kept for an hour. Choose the file again.")


def drop(store: Store, number: str) -> None:
    """Remove an archive that waits."""
    if _ID.fullmatch(number):
        (store.imports / f"{number}.tar.gz").unlink(missing_ok=True)
        (store.imports / f"{number}.json").unlink(missing_ok=True)


def sweep(store: Store, *, older_than: float = KEPT) -> list[Path]:
    """Remove archives that nobody imported in time and return them.

    :param older_than: seconds since they were sent.
    """
    removed = atomic.sweep(store.imports, older_than=older_than)
    for path in store.imports.glob("*.*"):
        with contextlib.suppress(FileNotFoundError):
            if _ID.fullmatch(path.stem.partition(".")[0]) and time.time() - path.stat().st_mtime > older_than:
                path.unlink()
                removed.append(path)
    return removed
