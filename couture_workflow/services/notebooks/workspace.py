"""Where the cells of a run work: a copy of what lies beside the notebook, and what becomes of new files.

Cells read by relative paths what lies beside the notebook, or above it, and write there too. So they get a
copy, ``work`` in the run's own folder: of the whole DAG repository, or of the person's folder. After the run
what is new or changed is moved to ``files``, and the rest goes. The originals stay as they are; what is too
much to be copied is linked.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

WORK, FILES = "work", "files"
#: Folder of ``files`` for what was written outside of the notebook's folder.
ELSEWHERE = "_elsewhere"
_COPIED = "copied.json"
_SKIPPED = frozenset({".git", "__pycache__", ".ipynb_checkpoints", ".virtual_documents"})


@dataclass(frozen=True)
class Limits:
    """What is copied at most, in bytes; files and folders that are looked at; whether folders are, too."""

    file: int
    total: int
    entries: int
    folders: bool = True


#: Of the DAG repository, which is what git holds, and of a person's folder, which may hold all their data.
OF_REPOSITORY = Limits(file=500 * 2**20, total=2 * 2**30, entries=20_000)
OF_PERSON = Limits(file=20 * 2**20, total=200 * 2**20, entries=5_000)
#: Of the folder that has everybody's folders.
OF_ALL = Limits(file=20 * 2**20, total=200 * 2**20, entries=5_000, folders=False)


@dataclass
class Made:
    """The folder that cells run in.

    :param folder: the copy of the notebook's own folder.
    :param copied: how many files were copied.
    :param linked: those that were too much, from the top; a folder stands for all that is in it.
    """

    folder: Path
    copied: int = 0
    linked: list[str] = field(default_factory=list)


def make(own: Path, source: Path, *, top: Path | None, limits: Limits) -> Made:
    """Make the folder that the cells of a notebook run in.

    :param own: the run's own folder.
    :param top: what is copied; None: the notebook's folder. A notebook that is not in it counts as without.
    """
    beside = source.parent.resolve()
    above = top.resolve() if top is not None else beside
    if not beside.is_relative_to(above):
        above = beside
    inner = beside.relative_to(above)
    made = Made(own / WORK / inner)
    made.folder.mkdir(parents=True)
    copying = _Copying(above, (own / WORK).resolve(), limits, made)
    copying.copy(beside)
    if above != beside:
        copying.copy(above, without=beside)
    kept = {"folder": inner.as_posix(), "files": copying.stamps}
    (own / _COPIED).write_text(json.dumps(kept), encoding="utf-8", errors="surrogateescape")
    return made


def collect(own: Path) -> None:
    """Move what cells wrote to ``files`` and remove the copies; nothing happens where there are none."""
    work = own / WORK
    if not work.is_dir():
        return
    try:
        kept = json.loads((own / _COPIED).read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError):
        kept = {"folder": ".", "files": {}}  # killed while it was copied: no cell has run
        shutil.rmtree(work, ignore_errors=True)
    for path in _written(work, kept["files"]):
        target = own / FILES / _name(path, Path(kept["folder"]))
        with contextlib.suppress(OSError):
            target.parent.mkdir(parents=True, exist_ok=True)
            (work / path).replace(target)
    shutil.rmtree(work, ignore_errors=True)
    (own / _COPIED).unlink(missing_ok=True)


class _Copying:
    """The copying of one tree, the notebook's folder first, level by level."""

    def __init__(self, top: Path, target: Path, limits: Limits, made: Made) -> None:
        self._top, self._target, self._limits, self._made = top, target, limits, made
        self._left, self._entries = limits.total, limits.entries
        self.stamps: dict[str, list[int]] = {}

    def copy(self, folder: Path, *, without: Path | None = None) -> None:
        """Copy a folder of the tree.

        :param without: a folder below it that is there already; those that lead to it are, too.
        """
        waiting = deque([folder])
        while waiting:
            for entry in _entries(waiting.popleft()):
                path = Path(entry.path)
                if entry.name in _SKIPPED or path == without or self._target.is_relative_to(path):
                    continue  # the home itself is not for cells
                target = self._target / path.relative_to(self._top)
                if entry.is_symlink():
                    self._link_alike(path, target)
                elif entry.is_dir(follow_symlinks=False):
                    if without is not None and without.is_relative_to(path):
                        waiting.append(path)
                    elif self._entries > 0 and self._limits.folders:
                        self._entries -= 1
                        target.mkdir(exist_ok=True)
                        waiting.append(path)
                    else:
                        self._link(path, target)
                elif entry.is_file(follow_symlinks=False):
                    self._copy_file(path, target, entry.stat(follow_symlinks=False).st_size)

    def _copy_file(self, path: Path, target: Path, size: int) -> None:
        if size > min(self._limits.file, self._left) or self._entries <= 0:
            self._link(path, target)
            return
        try:
            shutil.copy(path, target)
        except PermissionError:  # the notebook could not read it either
            return
        self._left -= size
        self._entries -= 1
        self._made.copied += 1
        self.stamps[target.relative_to(self._target).as_posix()] = _stamp(target)

    def _link(self, path: Path, target: Path) -> None:
        target.symlink_to(path)
        if self._limits.folders or not path.is_dir():
            self._made.linked.append(path.relative_to(self._top).as_posix())

    def _link_alike(self, path: Path, target: Path) -> None:
        """Make a link like another one: within the tree it leads to the copy."""
        with contextlib.suppress(OSError, RuntimeError):
            whole = path.resolve()
            relative = not path.readlink().is_absolute() and whole.is_relative_to(self._top)
            target.symlink_to(path.readlink() if relative else whole)


def _written(work: Path, copied: dict[str, list[int]]) -> Iterator[Path]:
    """Yield the regular files of a tree that are not as they were copied, as paths from its top."""
    for parent, folders, names in os.walk(work):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        for name in names:
            path = Path(parent, name)
            with contextlib.suppress(OSError):
                inner = path.relative_to(work)
                if stat.S_ISREG(path.lstat().st_mode) and copied.get(inner.as_posix()) != _stamp(path):
                    yield inner


def _name(path: Path, folder: Path) -> Path:
    """Return what a file is called from now on: a name that is no text becomes one."""
    inner = path.relative_to(folder) if path.is_relative_to(folder) else Path(ELSEWHERE) / path
    return Path(os.fsencode(inner).decode(errors="replace"))


def _stamp(path: Path) -> list[int]:
    status = path.lstat()
    return [status.st_size, status.st_mtime_ns]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []
