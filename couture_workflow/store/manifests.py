"""What is known of each name: its versions, in one small JSON file per name, and a quick list of them all."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from couture_workflow.exceptions import CorruptError, NotFoundError, StorageError
from couture_workflow.store import atomic
from couture_workflow.store.blobs import is_sha256

#: Every kind of file, in the order in which locks are taken.
KINDS = ("dependencies", "artifacts", "data", "models")

SUFFIX = ".json"
#: Folder of the manifests of deleted files, below that of the kind.
DELETED = ".deleted"
LAYOUT = 1
#: Two changes of a folder within this many seconds may leave it the same modification time ...
GRANULARITY = 0.05
#: ... and on file systems that keep whole seconds, within this many.
COARSE_GRANULARITY = 2.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One upload of a name."""

    number: int
    sha256: str
    size: int
    uploaded_by: str
    uploaded_at: datetime


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A name with all its versions, oldest first."""

    name: str
    versions: tuple[FileVersion, ...]
    current: int

    def version(self, number: int | None = None) -> FileVersion:
        """Return one version (None: the current one) or raise ``NotFoundError``."""
        wanted = self.current if number is None else number
        for version in reversed(self.versions):
            if version.number == wanted:
                return version
        known = ", ".join(str(version.number) for version in self.versions[-10:])
        raise NotFoundError(f"{self.name} has no version {wanted}. Choose one of these: {known}.")

    @property
    def current_version(self) -> FileVersion:
        """The version that the bare name stands for."""
        return self.version()

    @property
    def sha256(self) -> str:
        """The sha256 of the current version."""
        return self.version().sha256

    @property
    def size(self) -> int:
        """The size in bytes of the current version."""
        return self.version().size

    @property
    def uploaded_by(self) -> str:
        """Who uploaded the current version."""
        return self.version().uploaded_by

    @property
    def uploaded_at(self) -> datetime:
        """When the current version was uploaded."""
        return self.version().uploaded_at


class Manifests:
    """The manifests in one folder; reads never wait, writes are the caller's to lock."""

    def __init__(self, folder: Path, *, temporary: Path) -> None:
        self.folder = folder
        self._temporary = temporary
        self._listing = _Listing()
        self._refresh = threading.Lock()

    def path(self, name: str) -> Path:
        """Return where the manifest of a name is, whether it is there or not."""
        return self.folder / f"{name}{SUFFIX}"

    def read(self, name: str) -> StoredFile | None:
        """Return what is known of a name, None if nothing is, or raise ``CorruptError``."""
        return load(self.path(name))

    def replacing(self, file: StoredFile) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """Write what is known of a name aside; calling what this gives puts it in place."""
        return atomic.replacing(self.path(file.name), dump(file), folder=self._temporary)

    def names(self) -> list[str]:
        """Return every name that has a manifest, readable or not, without reading any."""
        try:
            with os.scandir(self.folder) as entries:
                return [e.name.removesuffix(SUFFIX) for e in entries if _is_manifest(e.name)]
        except FileNotFoundError:
            return []

    def all(self) -> tuple[StoredFile, ...]:
        """Return every readable manifest by name; a damaged one is logged once and left out.

        The list is kept, and read again as far as it changed when the folder's modification time says so.
        """
        modified = self._modified()
        if not self._listing.is_valid(modified):
            with self._refresh:
                modified = self._modified()
                if not self._listing.is_valid(modified):
                    self._listing = self._read_changed(self._listing, modified)
        return self._listing.files

    def _modified(self) -> int:
        try:
            return self.folder.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _read_changed(self, old: _Listing, modified: int) -> _Listing:
        started = time.monotonic()
        entries: dict[str, _Entry] = {}
        changed = False
        try:
            with os.scandir(self.folder) as found:
                for entry in found:
                    if not _is_manifest(entry.name):
                        continue
                    known = old.entries.get(entry.name)
                    status = entry.stat()
                    stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
                    if known is None or known.stamp != stamp:
                        known, changed = _Entry(stamp, _load_or_log(self.folder / entry.name)), True
                    entries[entry.name] = known
        except FileNotFoundError:
            pass
        first_seen = old.first_seen if old.modified == modified else started
        if not changed and len(entries) == len(old.entries):
            files = old.files
        else:
            readable = (entry.file for entry in entries.values() if entry.file is not None)
            files = tuple(sorted(readable, key=lambda file: (file.name.casefold(), file.name)))
        granularity = GRANULARITY if modified % 1_000_000_000 else COARSE_GRANULARITY
        return _Listing(entries, files, modified, first_seen, settled=started - first_seen >= granularity)


@dataclass(frozen=True, slots=True)
class _Entry:
    stamp: tuple[int, int, int]
    file: StoredFile | None


@dataclass(frozen=True, slots=True)
class _Listing:
    """What a folder held when it had this modification time.

    :param first_seen: when (on this process's clock) the modification time was first seen.
    :param settled: whether the folder was read so long after that no later change can have the same time.
    """

    entries: Mapping[str, _Entry] = field(default_factory=dict)
    files: tuple[StoredFile, ...] = ()
    modified: int = -1
    first_seen: float = 0.0
    settled: bool = False

    def is_valid(self, modified: int) -> bool:
        return self.settled and self.modified == modified


def _is_manifest(file_name: str) -> bool:
    return file_name.endswith(SUFFIX) and not file_name.startswith(".")


def _load_or_log(path: Path) -> StoredFile | None:
    try:
        return load(path)
    except StorageError as error:
        log.warning("%s", error)
    return None


def load(path: Path) -> StoredFile | None:
    """Read one manifest: None if it is not there, ``CorruptError`` if it makes no sense."""
    try:
        with atomic.reading_errors(path):
            content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return _decode(json.loads(content), path.name.removesuffix(SUFFIX))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptError(
            f"{path} is damaged ({type(error).__name__}: {error}). Restore it from a backup; or remove it "
            f"and upload {path.name.removesuffix(SUFFIX)} again, which loses its earlier versions.",
            path=str(path),
        ) from error


def _decode(data: dict[str, object], name: str) -> StoredFile:
    if data["layout"] != LAYOUT:
        raise ValueError(f"layout {data['layout']} is not known")
    if data["name"] != name:
        raise ValueError(f"it speaks of another name, {data['name']}")
    records = data["versions"]
    if not isinstance(records, list) or not records:
        raise ValueError("it has no versions")
    versions = tuple(_decode_version(record) for record in records)
    current = data["current"]
    if not isinstance(current, int) or current not in [version.number for version in versions]:
        raise ValueError(f"its current version {current} is not among its versions")
    return StoredFile(name, versions, current)


def _decode_version(record: dict[str, object]) -> FileVersion:
    number, sha256, size = record["number"], record["sha256"], record["size"]
    if not (isinstance(number, int) and number > 0 and isinstance(size, int) and size >= 0):
        raise ValueError(f"version {number} has no valid number and size")
    if not is_sha256(sha256):
        raise ValueError(f"version {number} has no valid sha256")
    uploaded_at = datetime.fromisoformat(str(record["uploaded_at"]))
    if uploaded_at.tzinfo is None:
        raise ValueError(f"version {number} has a time without a zone")
    return FileVersion(number, str(sha256), size, str(record["uploaded_by"]), uploaded_at.astimezone(UTC))


def dump(file: StoredFile) -> bytes:
    """Return the manifest as it is written."""
    data = {
        "layout": LAYOUT,
        "name": file.name,
        "current": file.current,
        "versions": [
            {
                "number": version.number,
                "sha256": version.sha256,
                "size": version.size,
                "uploaded_by": version.uploaded_by,
                "uploaded_at": version.uploaded_at.isoformat(),
            }
            for version in file.versions
        ],
    }
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")
