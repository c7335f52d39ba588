"""Contents, each stored once under its sha256, whatever names refer to it.

``<files>/blobs/<first two digits>/<sha256>``. A blob is written once and never changed. Uploads hold the
shared lock from the moment a blob is in place until a manifest refers to it; removing unused blobs takes
the lock alone, so it cannot take away what an upload is about to use.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from couture_workflow.exceptions import CorruptError
from couture_workflow.store import atomic

CHUNK = 1024 * 1024
LEFTOVER_AGE = 3600.0

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_sha256(text: object) -> bool:
    """Tell whether this is a sha256 as the store writes it."""
    return isinstance(text, str) and bool(_SHA256.fullmatch(text))


class Blobs:
    """The contents below one ``files`` folder, shared by every kind of file."""

    def __init__(self, files: Path) -> None:
        self.root = files / "blobs"
        self.temporary = files / ".tmp"
        self._lock = files / ".blobs.lock"

    def path(self, sha256: str) -> Path:
        """Return where the content is, whether it is there or not."""
        return self.root / sha256[:2] / sha256

    def lock(self, *, alone: bool = False) -> contextlib.AbstractContextManager[int]:
        """Hold the lock that keeps blobs in place; alone: to remove some."""
        return atomic.locked(self._lock, shared=not alone)

    def prepare(self, sha256: str) -> None:
        """Make the folder that a content goes into."""
        folder = self.path(sha256).parent
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            atomic.sync_folder(self.root)

    def adopt(self, temporary: Path, sha256: str) -> None:
        """Move a complete, flushed temporary file into place; it heals a damaged blob of the same content."""
        target = self.path(sha256)
        temporary.replace(target)
        atomic.sync_folder(target.parent)

    def check(self, sha256: str, size: int, *, name: str) -> Path:
        """Return the path of a content that is there in its full size.

        :param name: whose content it is, for the message.
        """
        path = self.path(sha256)
        try:
            actual = path.stat().st_size
        except FileNotFoundError:
            raise damaged(path, name, "its content is missing") from None
        if actual != size:
            raise damaged(path, name, f"its content has {actual} bytes instead of {size}")
        return path

    def open(self, sha256: str, size: int, *, name: str) -> io.BufferedReader:
        """Open a content for reading; reading it from start to end checks its sha256."""
        path = self.check(sha256, size, name=name)
        with atomic.reading_errors(path):
            return io.BufferedReader(_Verified(path, sha256, size, name), CHUNK)

    def sweep(self) -> list[Path]:
        """Remove what killed uploads left behind."""
        return atomic.sweep(self.temporary, older_than=LEFTOVER_AGE)

    def unused(self, used: Collection[str]) -> Iterator[Path]:
        """Iterate over the contents that none of the given sha256 names."""
        for path in self.root.glob("[0-9a-f][0-9a-f]/*"):
            if is_sha256(path.name) and path.name not in used:
                yield path


def damaged(path: Path, name: str, problem: str) -> CorruptError:
    """Return the error for a content that is not what was uploaded."""
    return CorruptError(
        f"{name} is damaged: {problem} ({path}). Upload the same file again, restore {path} from a backup, "
        f"or delete {name}.",
        path=str(path),
    )


class _Verified(io.RawIOBase):
    """A file that refuses to hand out its last bytes when the whole does not have the expected sha256.

    Bytes that are read out of order (by a zip reader) are not checked: such formats have their own checksums.
    """

    def __init__(self, path: Path, sha256: str, size: int, name: str) -> None:
        self._file = path.open("rb", buffering=0)
        self._path, self._sha256, self._size, self._name = path, sha256, size, name
        self._hash = hashlib.sha256()
        self._position = 0
        self._hashed = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = self._file.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with atomic.reading_errors(self._path):
            count = self._file.readinto(buffer)
        if self._hashed == self._position:
            self._hash.update(buffer[:count])
            self._hashed += count
            at_end = self._hashed >= self._size or count == 0
            if at_end and self._hash.hexdigest() != self._sha256:
                raise damaged(self._path, self._name, "its content does not have the recorded sha256")
        self._position += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
