"""Folders that only their owner may enter and that no killed process leaves behind: they may hold secrets."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "couture-run-"
_LONGEST_HOST = 60


def shared_place(home: Path) -> Path:
    """Return the folder of a home for private folders that other machines see."""
    return home / "submissions"


@contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder that only its owner may enter, and remove it with all that is in it.

    What killed processes of this machine left is removed first.

    :param parent: where other machines see it too; None: among this machine's temporary files.
    """
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    sweep_private_folders(parent)
    folder, lock = _made(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_private_folders(shared: Path | None = None) -> list[Path]:
    """Remove the private folders of processes that are gone, and return them.

    :param shared: a folder that machines share, beside this machine's temporary files. Only what this machine
        has made there is looked at: a lock may be known to its own machine alone.
    """
    found = list(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))
    if shared is not None:
        found += shared.glob(f"{_prefix(shared)}*")
    removed = []
    for folder in found:
        with suppress(OSError):
            if folder.lstat().st_uid == os.geteuid() and _removed(folder):
                removed.append(folder)
    return removed


def _prefix(parent: Path | None) -> str:
    if parent is None:
        return _PREFIX
    host = re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())[:_LONGEST_HOST]
    return f"{_PREFIX}{host}-"


def _made(parent: Path | None) -> tuple[Path, int]:
    """Make a folder that is locked as long as this process lives and has it, and the reaper after it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix(parent), dir=parent))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # swept in the instant between its making and its locking
        with suppress(OSError):  # a file system without locks: nobody sweeps there
            fcntl.flock(lock, fcntl.LOCK_SH)
        if folder.exists():
            return folder, lock
        os.close(lock)


def _removed(folder: Path) -> bool:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return False  # in use
    finally:
        os.close(lock)
    return not folder.exists()
