"""New versions of many files, put in place together: all of them, or none.

The contents go to the blobs first, where nobody sees them yet. The new manifests are written into a folder
aside; renaming that folder is the moment from which the new state counts. Moving its manifests into place
needs no more space and can be done again from any point, so whoever comes next finishes what a killed process
left: ``Files`` before each change, ``Store.open`` and the garbage collection.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from couture_workflow.store import atomic
from couture_workflow.store.blobs import LEFTOVER_AGE
from couture_workflow.store.manifests import SUFFIX, FileVersion, StoredFile, dump
from couture_workflow.store.names import check_name

if TYPE_CHECKING:
    from couture_workflow.store.files import Files

READY = ".import.ready"
_PREPARED = ".import-"


@dataclass(frozen=True)
class _Staged:
    """A content that is in place, and the name that it is for."""

    files: Files
    name: str
    sha256: str
    size: int
    expect: int | None


class FileSet:
    """Files to be put in place together: ``with FileSet(kinds, user=...) as files: ...; files.commit()``.

    :param kinds: every kind of file of the store.
    """

    def __init__(self, kinds: Sequence[Files], *, user: str) -> None:
        self._kinds = kinds
        self._user = user
        self._staged: list[_Staged] = []
        self._hold = contextlib.ExitStack()

    def __enter__(self) -> Self:
        # Until the end nobody may take away contents that no manifest refers to yet.
        self._hold.enter_context(self._kinds[0].blobs.lock())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hold.close()

    def add(self, files: Files, name: str, content: Iterable[bytes], *, expect: int | None) -> None:
        """Store a content for a name; it becomes its current version with ``commit``.

        :param expect: the version that is current now, None if the name is new.
        """
        name = check_name(name)
        with files.upload(name, user=self._user) as upload:
            for piece in content:
                upload.write(piece)
            upload.keep()
            self._staged.append(_Staged(files, name, upload.sha256, upload.size, expect))

    def commit(self) -> list[StoredFile]:
        """Put all in place and return what changed; ``ConflictError`` if one was changed meanwhile."""
        root = self._kinds[0].blobs.root.parent
        with _all_locked(self._kinds), atomic.storage_errors(root):
            finish(self._kinds)
            made = [self._new(staged) for staged in self._staged]
            changed = [(staged.files, file) for staged, file in zip(self._staged, made, strict=True) if file]
            if changed:
                _prepare(root, changed)
                finish(self._kinds)
        return [file for _, file in changed]

    def _new(self, staged: _Staged) -> StoredFile | None:
        """Return a file with the new version, None if its current one has the same content."""
        staged.files.check_new(staged.name, expect=staged.expect)
        present = staged.files.manifests.read(staged.name)
        if present is not None and present.sha256 == staged.sha256:
            return None
        before = present or staged.files.deleted_manifests.read(staged.name)
        earlier = before.versions if before else ()
        number = max((version.number for version in earlier), default=0) + 1
        version = FileVersion(number, staged.sha256, staged.size, self._user, datetime.now(UTC))
        return StoredFile(staged.name, (*earlier, version), number)


def is_pending(root: Path) -> bool:
    """Tell whether a process was killed while it put files in place.

    :param root: the ``files`` folder of the home.
    """
    return (root / READY).exists()


def recover(kinds: Sequence[Files]) -> None:
    """Finish what a killed process left."""
    root = kinds[0].blobs.root.parent
    if is_pending(root):
        with _all_locked(kinds), atomic.storage_errors(root):
            finish(kinds)


def sweep(root: Path) -> list[Path]:
    """Remove what was prepared by processes that were killed before it counted."""
    removed = []
    for folder in root.glob(f"{_PREPARED}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > LEFTOVER_AGE:
                shutil.rmtree(folder)
                removed.append(folder)
    return removed


@contextlib.contextmanager
def _all_locked(kinds: Sequence[Files]) -> Iterator[None]:
    """Hold the locks of all kinds, always taken in the same order."""
    with contextlib.ExitStack() as stack:
        for files in kinds:
            stack.enter_context(atomic.locked(files.lock))
        yield


def _prepare(root: Path, changed: Iterable[tuple[Files, StoredFile]]) -> None:
    folder = root / f"{_PREPARED}{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        for files, file in changed:
            target = folder / files.kind
            target.mkdir(exist_ok=True)
            atomic.write(target / f"{file.name}{SUFFIX}", dump(file))
        for target in folder.iterdir():
            atomic.sync_folder(target)
        atomic.sync_folder(folder)
        folder.rename(root / READY)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    atomic.sync_folder(root)


def finish(kinds: Sequence[Files]) -> None:
    """Move what is ready into place; the caller holds all locks."""
    root = kinds[0].blobs.root.parent
    ready = root / READY
    if not ready.exists():
        return
    for files in kinds:
        for path in sorted((ready / files.kind).glob(f"*{SUFFIX}")):
            path.replace(files.folder / path.name)
            (files.deleted_manifests.folder / path.name).unlink(missing_ok=True)
        atomic.sync_folder(files.folder)
    shutil.rmtree(ready)
    atomic.sync_folder(root)
