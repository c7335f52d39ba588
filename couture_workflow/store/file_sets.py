"""New versions of many files, put in place together: all of them, or none.

The contents go to the blobs first, where nobody sees them yet. The new manifests are written into a folder
aside; renaming that folder is the moment from which the new state counts. ``pending_files`` moves its
manifests into place, now or after a kill.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from couture_workflow.store import atomic, pending_files
from couture_workflow.store.blobs import LEFTOVER_AGE
from couture_workflow.store.files import Files
from couture_workflow.store.manifests import SUFFIX, FileVersion, StoredFile, dump
from couture_workflow.store.names import check_name

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
        with pending_files.all_locked(root), atomic.storage_errors(root):
            pending_files.finish(root)
            made = [self._new(staged) for staged in self._staged]
            changed = [(staged.files, file) for staged, file in zip(self._staged, made, strict=True) if file]
            if changed:
                _prepare(root, changed)
                pending_files.finish(root)
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


def sweep(root: Path) -> list[Path]:
    """Remove what was prepared by processes that were killed before it counted."""
    removed = []
    for folder in root.glob(f"{_PREPARED}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > LEFTOVER_AGE:
                shutil.rmtree(folder)
                removed.append(folder)
    return removed


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
        folder.rename(root / pending_files.READY)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    atomic.sync_folder(root)
