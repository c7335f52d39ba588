"""Environments that tasks make for themselves (``@task.virtualenv`` with a cache), and when they go.

Airflow keeps each as a folder ``venv-<digest>``, named after its packages, beside an empty file of that name
and ``.lock``. A task opens that file for writing before it uses the environment, which dates it: so its time
is that of the last use, and whoever holds its lock makes the environment at this moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

#: Seconds without a use after which an environment may go.
UNUSED = 30 * 24 * 3600.0
_LOCK = ".lock"
_GOING = ".going-"


def unused(folder: Path, *, since: float) -> list[Path]:
    """Return the environments that no task has begun to use since a moment, and what is left of such.

    :param since: seconds since the epoch.
    """
    if not folder.is_dir():
        return []
    left = [path for path in folder.glob(f"venv-*{_GOING}*") if path.is_dir()]
    return sorted([*left, *(path for path in _made(folder) if _last_use(path) < since)])


def sweep(folder: Path, *, since: float) -> int:
    """Remove the environments that no task has begun to use since a moment, and return how many these were.

    :param since: seconds since the epoch; no task that is under way may have begun before.
    """
    return sum(_remove(path, since) for path in unused(folder, since=since))


def _made(folder: Path) -> Iterator[Path]:
    for lock in folder.glob(f"venv-*{_LOCK}"):
        path = lock.with_name(lock.name.removesuffix(_LOCK))
        if path.is_dir() and not path.is_symlink():
            yield path


def _last_use(path: Path) -> float:
    return path.with_name(f"{path.name}{_LOCK}").stat().st_mtime


def _remove(path: Path, since: float) -> bool:
    """Remove an environment, unless a task has taken it meanwhile, and tell whether it is gone."""
    if _GOING in path.name:  # of a sweep that was killed
        shutil.rmtree(path, ignore_errors=True)
        return False
    going = path.with_name(f"{path.name}{_GOING}{uuid.uuid4().hex}")
    with contextlib.suppress(OSError), _locked(path.with_name(f"{path.name}{_LOCK}")):
        if _last_use(path) >= since:
            return False
        path.rename(going)  # at once: half an environment would be taken for a whole one
        shutil.rmtree(going, ignore_errors=True)
        return True
    return False


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold the lock of an environment, or raise ``OSError`` at once; the file keeps its time, and stays."""
    descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
