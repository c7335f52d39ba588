"""Locks and writes that survive a kill at any instant, and what the disk says in terms of our errors.

A write goes to a temporary file, is flushed to the disk and renamed, so a reader sees the old or the new
content and nothing between. Temporary files are locked by their writer: the kernel drops the lock when the
writer dies, in whatever way, so ``sweep`` can tell leftovers from work in progress, on every host that
shares the folder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from couture_workflow.exceptions import CorruptError, HomeError, StorageError, StorageFullError

PREFIX = ".tmp-"

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of a write below into a ``StorageError`` that names the path and the remedy."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return our error for what the operating system said about a write to the path."""
    if error.errno in _FULL:
        return full(path)
    if error.errno in _REFUSED:
        return HomeError(
            f"{path} cannot be written: {error.strerror}. Give user {os.geteuid()} the right to write there, "
            "or choose another home (COUTURE_HOME, or [couture_workflow] home)."
        )
    return StorageError(f"{path} cannot be written: {error.strerror}. Look at the disk, then try again.")


def full(path: Path) -> StorageFullError:
    """Return the error of a disk without space."""
    return StorageFullError(
        f"No space is left on the disk of {path}. What was saved before is intact; free some space or ask "
        "for a larger disk, then try again."
    )


@contextlib.contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of a read below into a ``StorageError``; a missing file stays what it is."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        if error.errno in _REFUSED:
            raise StorageError(
                f"{path} cannot be read: {error.strerror}. Give user {os.geteuid()} the right to read it."
            ) from error
        raise CorruptError(
            f"{path} cannot be read: {error.strerror}. Check the disk, then restore {path} from a backup.",
            path=str(path),
        ) from error


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Hold a lock among processes and threads; gives the file descriptor that carries it.

    :param shared: let others that ask for a shared lock in too.
    :param waiting: is called once if another holds it, before the wait for it.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, kind)
        yield descriptor
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds a lock at this moment."""
    return path.exists() and not _abandoned(path, remove=False)


def temporary(folder: Path, *, mode: int = 0o644) -> tuple[int, Path]:
    """Make a temporary file that is safe from ``sweep`` while its descriptor is open.

    :param mode: permissions, less the umask.
    """
    while True:
        path = folder / f"{PREFIX}{uuid.uuid4().hex}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, path
        os.close(descriptor)  # swept in the instant between its making and its locking


def write(path: Path, content: bytes, *, mode: int = 0o644, folder: Path | None = None) -> None:
    """Replace a file by new content, durably; readers see the old or the new one.

    :param mode: permissions, less the umask.
    :param folder: where the temporary file is made, on the same file system (default: beside the file).
    """
    with replacing(path, content, mode=mode, folder=folder) as replace:
        replace()


@contextlib.contextmanager
def replacing(
    path: Path, content: bytes, *, mode: int = 0o644, folder: Path | None = None
) -> Iterator[Callable[[], None]]:
    """Write new content aside, durably; calling what this gives puts it in place, which needs no more space.

    :param mode: permissions, less the umask.
    :param folder: where the temporary file is made, on the same file system (default: beside the file).
    """
    with storage_errors(path):
        descriptor, aside = temporary(folder or path.parent, mode=mode)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)

            def replace() -> None:
                aside.replace(path)
                sync_folder(path.parent)

            yield replace
        finally:
            aside.unlink(missing_ok=True)
            os.close(descriptor)


def write_all(descriptor: int, content: bytes) -> None:
    """Write every byte; ``os.write`` alone may stop short."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make renames in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def leftovers(folder: Path, *, older_than: float) -> list[Path]:
    """Return temporary files whose writer is gone.

    :param older_than: seconds since the last write, so that work on a file system without locks is spared.
    """
    return [path for path in _old(folder, older_than) if _abandoned(path, remove=False)]


def sweep(folder: Path, *, older_than: float) -> list[Path]:
    """Remove temporary files whose writer is gone and return them."""
    return [path for path in _old(folder, older_than) if _abandoned(path, remove=True)]


def _old(folder: Path, seconds: float) -> Iterator[Path]:
    for path in sorted(folder.glob(f"{PREFIX}*")):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime >= seconds:
                yield path


def _abandoned(path: Path, *, remove: bool) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, PermissionError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if remove:
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
