"""Binary files that people upload: jars, Python files, job code. Versioned by name, stored by content.

``<files>/<kind>/<name>.json`` says which versions a name has, ``blobs`` holds the contents. A name that is
deleted keeps its versions in ``<kind>/.deleted``, and goes on counting where it stopped when it is uploaded
again: a reference such as ``name@3`` means one content for ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from couture_workflow.exceptions import (
    ConflictError,
    InvalidNameError,
    NotFoundError,
    StorageError,
    TooLargeError,
)
from couture_workflow.store import atomic, pending_files
from couture_workflow.store.blobs import CHUNK, Blobs
from couture_workflow.store.manifests import DELETED, KINDS, FileVersion, Manifests, StoredFile
from couture_workflow.store.names import check_name, parse_reference, quote

__all__ = ["ANY_VERSION", "KINDS", "FileVersion", "Files", "StoredFile", "Upload"]

#: For ``Files.upload(expect=...)``: whatever is there now.
ANY_VERSION: Final = -1


class Files:
    """The files of one kind, such as "dependencies".

    :param root: the ``files`` folder of the home, shared by all kinds.
    """

    def __init__(self, root: Path, kind: str) -> None:
        self.kind = kind
        self.folder = root / kind
        self.blobs = Blobs(root)
        self.manifests = Manifests(self.folder, temporary=self.blobs.temporary)
        self.deleted_manifests = Manifests(self.folder / DELETED, temporary=self.blobs.temporary)

    def list(self, *, search: str = "") -> Sequence[StoredFile]:
        """Return the files by name, without damaged ones (``doctor`` names those).

        :param search: part of the name, in any case.
        """
        files = self.manifests.all()
        wanted = search.strip().casefold()
        return tuple(file for file in files if wanted in file.name.casefold()) if wanted else files

    def get(self, name: str) -> StoredFile:
        """Return what is known of a name or raise ``NotFoundError``."""
        file = self.manifests.read(check_name(name))
        if file is None:
            raise NotFoundError(
                f"There is no {quote(name)} among the {self.kind}. Upload it, or choose another name."
            )
        return file

    def resolve(self, reference: str) -> tuple[StoredFile, FileVersion]:
        """Return the file and the version that a reference ``name`` or ``name@3`` stands for."""
        name, number = parse_reference(reference)
        file = self.get(name)
        return file, file.version(number)

    def upload(
        self, name: str, *, user: str, limit: int | None = None, expect: int | None = ANY_VERSION
    ) -> Upload:
        """Begin an upload: ``with files.upload(...) as upload: upload.write(...); upload.commit()``.

        :param limit: bytes that it may have at most, more is a ``TooLargeError``.
        :param expect: the current version that the caller knows (None: the name is new); if it is another one
            when the upload is committed, that is a ``ConflictError``.
        """
        return Upload(self, check_name(name), user=user, limit=limit, expect=expect)

    def put(self, name: str, chunks: Iterable[bytes], *, user: str, limit: int | None = None) -> StoredFile:
        """Upload a whole file from its parts."""
        with self.upload(name, user=user, limit=limit) as upload:
            for chunk in chunks:
                upload.write(chunk)
            return upload.commit()

    def open(self, name: str, version: int | None = None) -> BinaryIO:
        """Open a version (None: the current one) for reading; reading it to its end checks its sha256."""
        found = self.get(name).version(version)
        return self.blobs.open(found.sha256, found.size, name=name)

    def path(self, name: str, version: int | None = None) -> Path:
        """Return the path of a version's content, whose file name is its sha256. Nobody may write to it."""
        found = self.get(name).version(version)
        return self.blobs.check(found.sha256, found.size, name=name)

    def materialize(self, name: str, folder: Path, *, version: int | None = None) -> Path:
        """Copy a version into a folder under its own name, checking its sha256 on the way.

        A copy, not a link: whatever a job does to it, the stored content stays what was uploaded.
        """
        target = folder / check_name(name)
        with self.open(name, version) as source, atomic.storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = atomic.temporary(folder)
            try:
                while chunk := source.read(CHUNK):
                    atomic.write_all(descriptor, chunk)
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)
        return target

    def restore(self, name: str, version: int, *, user: str) -> StoredFile:
        """Make an earlier version current again, as a new version with the same content."""
        with self.changing():
            found = self.get(name).version(version)
            self.blobs.check(found.sha256, found.size, name=name)
            return self._add_version(check_name(name), found.sha256, found.size, user=user)

    def delete(self, name: str) -> None:
        """Take a name off the list; ``undelete`` brings it back with all its versions."""
        with self.changing(), atomic.storage_errors(self.folder):
            file = self.get(name)
            self.manifests.path(file.name).replace(self.deleted_manifests.path(file.name))
            atomic.sync_folder(self.deleted_manifests.folder)
            atomic.sync_folder(self.folder)

    def deleted(self) -> Sequence[StoredFile]:
        """Return the deleted files by name."""
        present = set(self.manifests.names())
        return tuple(file for file in self.deleted_manifests.all() if file.name not in present)

    def undelete(self, name: str) -> StoredFile:
        """Bring a deleted file back with all its versions."""
        name = check_name(name)
        with self.changing(), atomic.storage_errors(self.folder):
            file = None if self.manifests.path(name).exists() else self.deleted_manifests.read(name)
            if file is None:
                raise NotFoundError(f"There is no {quote(name)} among the deleted {self.kind}.")
            self._check_case(name)
            self.deleted_manifests.path(name).replace(self.manifests.path(name))
            atomic.sync_folder(self.folder)
        return file

    def check_new(self, name: str, *, expect: int | None = ANY_VERSION) -> None:
        """Raise if an upload under the name could not be committed now; spares a long upload in vain."""
        self._check_case(name)
        if expect != ANY_VERSION:
            self._check_expected(name, self.manifests.read(name), expect)

    def commit(self, upload: Upload, temporary: Path) -> StoredFile:
        """Put a complete upload in place; for ``Upload`` alone."""
        with self.changing(), atomic.storage_errors(self.folder):
            self.check_new(upload.name, expect=upload.expect)
            self.blobs.prepare(upload.sha256)
            return self._add_version(
                upload.name, upload.sha256, upload.size, user=upload.user, temporary=temporary
            )

    @property
    def lock(self) -> Path:
        """The file that whoever changes a manifest holds a lock on."""
        return pending_files.lock_of(self.folder)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        root = self.folder.parent
        with contextlib.ExitStack() as stack:
            while True:
                stack.enter_context(self.blobs.lock())
                stack.enter_context(atomic.locked(self.lock))
                if not pending_files.is_pending(root):
                    break
                stack.close()  # somebody was killed in the middle of an import; it needs all the locks
                pending_files.recover(root)
            yield

    def _add_version(
        self, name: str, sha256: str, size: int, *, user: str, temporary: Path | None = None
    ) -> StoredFile:
        present = self.manifests.read(name)
        if present is not None and present.sha256 == sha256:
            if temporary:
                self.blobs.adopt(temporary, sha256)
            return present
        before = present or self.deleted_manifests.read(name)
        earlier = before.versions if before else ()
        number = max((version.number for version in earlier), default=0) + 1
        version = FileVersion(number, sha256, size, user, datetime.now(UTC))
        file = StoredFile(name, (*earlier, version), number)
        with self.manifests.replacing(file) as replace:
            if temporary:
                self.blobs.adopt(temporary, sha256)
            replace()
        if present is None and before is not None:
            self.deleted_manifests.path(name).unlink(missing_ok=True)
        return file

    def _check_case(self, name: str) -> None:
        if self.manifests.path(name).exists():
            return
        folded = name.casefold()
        for other in self.manifests.names():
            if other.casefold() == folded and other != name:
                raise InvalidNameError(
                    f"The name {quote(name)} is refused: {quote(other)} exists, and names must differ in "
                    f"more than upper and lower case. Upload it as {quote(other)}, or choose another name.",
                    field="name",
                )

    def _check_expected(self, name: str, present: StoredFile | None, expect: int | None) -> None:
        current = present.current if present else None
        if current != expect:
            raise ConflictError(
                f"{quote(name)} was changed meanwhile: its version is now {current or 'none'}, not "
                f"{expect or 'none'}. Look at the new version, then upload again.",
                paths=(name,),
                base=str(expect or ""),
                theirs=str(current or ""),
            )


class Upload:
    """An upload under way, made by ``Files.upload``. Left without ``commit``, it leaves nothing behind."""

    def __init__(self, files: Files, name: str, *, user: str, limit: int | None, expect: int | None) -> None:
        self.name = name
        self.user = user
        self.limit = limit
        self.expect = expect
        self.size = 0
        self._files = files
        self._hash = hashlib.sha256()
        self._descriptor = -1
        self._temporary = Path()
        self._sound = False

    @property
    def sha256(self) -> str:
        """The sha256 of what was written so far."""
        return self._hash.hexdigest()

    @property
    def path(self) -> Path:
        """What was written so far, for a check before the commit; gone when the upload is over."""
        return self._temporary

    def __enter__(self) -> Self:
        self._files.check_new(self.name, expect=self.expect)
        folder = self._files.blobs.temporary
        with atomic.storage_errors(folder):
            self._files.blobs.sweep()
            self._descriptor, self._temporary = atomic.temporary(folder)
        self._sound = True
        return self

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end."""
        size = self.size + len(chunk)
        if self.limit is not None and size > self.limit:
            self._sound = False
            raise TooLargeError(
                f"{self.name} is larger than the limit of {self.limit} bytes. Upload a smaller file, or ask "
                "an administrator for a higher limit."
            )
        with self._must_work():
            atomic.write_all(self._descriptor, chunk)
        self._hash.update(chunk)
        self.size = size

    def keep(self) -> None:
        """Put what was written among the contents, durably, without a name that refers to it.

        The caller holds the lock on the contents until a manifest refers to it.
        """
        with self._must_work():
            os.fsync(self._descriptor)
            self._files.blobs.prepare(self.sha256)
            self._files.blobs.adopt(self._temporary, self.sha256)
        self._sound = False

    def commit(self) -> StoredFile:
        """Make what was written the current version of the name, durably."""
        with self._must_work():
            os.fsync(self._descriptor)
        file = self._files.commit(self, self._temporary)
        self._sound = False
        return file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sound = False
        self._temporary.unlink(missing_ok=True)
        os.close(self._descriptor)

    @contextlib.contextmanager
    def _must_work(self) -> Iterator[None]:
        if not self._sound:
            raise StorageError(f"The upload of {self.name} is over or has failed. Begin it again.")
        self._sound = False
        with atomic.storage_errors(self._files.blobs.temporary):
            yield
        self._sound = True
