"""The folders with the trees that checks look at: kept from one check to the next, so that only what differs
is written.

A place belongs to one check at a time, and to the process that made it: a lock file tells others that it is
in use, until the process ends in whatever way. Before a place is used again each of its files is compared
with what was written (inode, time of change, size); if anything else touched it, a new one is made. Nothing
here is state: a place that is gone is made again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from couture_workflow.exceptions import StorageError
from couture_workflow.store import atomic, latest
from couture_workflow.store.names import quote

_PREFIX = "couture-check-"
_LOCK = "lock"
#: Seconds after which a place without a lock, of an earlier version, cannot be in use any more.
_ABANDONED = 3600.0
#: Places that one process keeps while no check uses them.
_KEPT = 2

#: Inode, time of change, size.
_Seen = tuple[int, int, int]


class Place:
    """A folder of its own with a tree of files in ``dags``."""

    def __init__(self) -> None:
        self.root, self._lock = _made()
        self.tree = self.root / "dags"
        self._files: dict[str, bytes] = {}
        self._seen: dict[str, _Seen] = {}
        self._folders: set[str] = {""}
        with atomic.storage_errors(self.tree):
            self.tree.mkdir()

    def differing(self, files: Mapping[str, bytes]) -> int:
        """Count the files that ``show`` would write or remove."""
        gone = sum(1 for path in self._files if path not in files)
        return gone + sum(1 for path, content in files.items() if self._files.get(path) != content)

    def show(self, files: Mapping[str, bytes]) -> None:
        """Make the tree hold these files and no others; what is the same is left alone."""
        for path in self._files.keys() - files.keys():
            self._remove(path)
        self._remove_folders(_folders(files))
        for path, content in files.items():
            if self._files.get(path) != content:
                self._write(path, content)

    def can_be_kept(self) -> bool:
        """Tell whether what was written is what is there, and little enough to remember."""
        return len(self._seen) == len(self._files) and sum(map(len, self._files.values())) <= latest.LARGEST

    def is_intact(self) -> bool:
        """Tell whether every file is as it was written, and nothing else is there."""
        seen = dict(self._seen)
        folders = set(self._folders)
        try:
            for path, status in _walk(str(self.tree)):
                if status is None:
                    folders.remove(path)
                elif seen.pop(path) != status:
                    return False
        except (OSError, KeyError):
            return False
        return not seen and not folders

    def remove(self) -> None:
        """Remove it all."""
        remove(self.root)
        os.close(self._lock)

    def _write(self, path: str, content: bytes) -> None:
        if path.startswith("/") or ".." in path.split("/"):
            raise StorageError(f"The path {quote(path)} leads out of the tree of DAG files. Rename it.")
        target, folder = f"{self.tree}/{path}", path.rpartition("/")[0]
        # A name may be that of a file and of a folder, in what others pushed: the first one stands.
        with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
            if folder not in self._folders:
                (self.tree / folder).mkdir(parents=True, exist_ok=True)
                self._folders.update(_folders([path]))
            if path in self._files:
                self._remove(path)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            try:
                atomic.write_all(descriptor, content)
                self._seen[path] = _status(os.fstat(descriptor))
            finally:
                os.close(descriptor)
        self._files[path] = content

    def _remove(self, path: str) -> None:
        (self.tree / path).unlink()
        del self._files[path], self._seen[path]

    def _remove_folders(self, needed: set[str]) -> None:
        for folder in sorted(self._folders - needed - {""}, key=len, reverse=True):
            (self.tree / folder).rmdir()
            self._folders.remove(folder)


def _made() -> tuple[Path, int]:
    """Make a folder that is locked for as long as this process has it."""
    while True:
        with atomic.storage_errors(Path(tempfile.gettempdir())):
            root = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
            try:
                lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue  # swept in the instant between its making and its locking
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return root, lock
        os.close(lock)


class Places:
    """Those that no check uses at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Place] = []
        self._owner = 0

    def take(self, files: Mapping[str, bytes]) -> Place:
        """Return a place that shows these files, for the caller alone."""
        place = self._nearest(files)
        if place is not None and not place.is_intact():
            place.remove()
            place = None
        place = place or Place()
        try:
            with atomic.storage_errors(place.root):
                place.show(files)
        except BaseException:
            place.remove()
            raise
        return place

    def give_back(self, place: Place, *, keep: bool) -> None:
        """End the use of a place.

        :param keep: whether nothing but the checks can have written into it, and it is worth it.
        """
        gone = place
        if keep and place.can_be_kept():
            with self._lock:
                self._own()
                self._idle.append(place)
                if len(self._idle) <= _KEPT:
                    return
                gone = self._idle.pop(0)
        gone.remove()

    def remove(self) -> None:
        """Remove those of this process that are not in use."""
        with self._lock:
            self._own()
            idle, self._idle = self._idle, []
        for place in idle:
            place.remove()

    def _nearest(self, files: Mapping[str, bytes]) -> Place | None:
        """Take the one that differs least, unless it is less work to write all of it anew."""
        with self._lock:
            self._own()
            counted = [(place.differing(files), number) for number, place in enumerate(self._idle)]
            least, number = min(counted, default=(len(files), 0))
            return self._idle.pop(number) if least * 2 < len(files) else None

    def _own(self) -> None:
        if self._owner != os.getpid():  # a fork of the process that made them
            self._owner, self._idle = os.getpid(), []


def remove(folder: Path) -> None:
    """Remove a folder, whatever a DAG file made in it."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # folders without rights, or nested deeper than Python can follow
        subprocess.run(["/bin/chmod", "-R", "u+rwx", folder], capture_output=True, check=False)  # noqa: S603
        subprocess.run(["/bin/rm", "-rf", folder], capture_output=True, check=False)  # noqa: S603


def sweep() -> None:
    """Remove what a killed server left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, RecursionError):
            status = folder.lstat()
            if status.st_uid == os.geteuid():
                _remove_abandoned(folder, age=time.time() - status.st_mtime)


def _remove_abandoned(folder: Path, *, age: float) -> None:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:  # just being made, or an older version's
        if age > _ABANDONED:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass  # in use
    finally:
        os.close(lock)


def _folders(paths: Iterable[str]) -> set[str]:
    """Return the folders that some files are in, the root ("") among them."""
    found: set[str] = {""}
    for folder in {path.rpartition("/")[0] for path in paths}:
        while folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _walk(tree: str) -> Iterator[tuple[str, _Seen | None]]:
    """Iterate over all that is in a tree: files with their status, folders without one."""
    yield "", None
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(f"{tree}/{folder}") as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                    yield path, None
                else:
                    yield path, _status(entry.stat(follow_symlinks=False))


def _status(status: os.stat_result) -> _Seen:
    return status.st_ino, status.st_ctime_ns, status.st_size
