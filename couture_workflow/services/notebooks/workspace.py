"""Where the cells of a run work: a copy of what lies beside the notebook, and what becomes of new files.

Cells read by relative paths what lies beside the notebook, or above it, and write there too. So they get a
copy, ``work`` in the run's own folder: of the whole DAG repository, or of the person's folder. After the run
what is new or changed is moved to ``files``, and the rest goes. The originals stay as they are; what is too
much to be copied is linked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from couture_workflow.services.notebooks import cell_files
from couture_workflow.services.notebooks.cell_files import Walk
from couture_workflow.store.names import quote

WORK, FILES = "work", "files"
#: Folder of ``files`` for what was written outside of the notebook's folder.
ELSEWHERE = "_elsewhere"
_COPIED = "copied.json"
#: Files and folders of a run that are looked at when it has ended; bytes of a name of Linux; bytes of a path
#: below which folders are copied, so that what is in them can be named too.
MOST, _LONGEST_NAME, _LONGEST_PATH = 200_000, 255, 2_000
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


def collect(own: Path) -> str:
    """Move what cells wrote to ``files`` and remove the copies; nothing happens where there are none.

    Returns a sentence about what could not be kept, "" if all of it was.
    """
    work = own / WORK
    if not work.is_dir():
        return ""
    folder, copied = _kept(own / _COPIED)
    if copied is None:  # killed while it was copied: no cell has run
        cell_files.remove(work)
        copied = {}
    walk = Walk(work, entries=MOST, without=_SKIPPED)
    lost: list[str] = []
    for path, status in walk:
        if copied.get(path) == _stamp(status):
            continue
        try:
            _move(work / path, own / FILES / _name(Path(path), folder))
        except OSError as error:
            lost.append(f"{quote(path)} ({error.strerror})")
    cell_files.remove(work)
    (own / _COPIED).unlink(missing_ok=True)
    return _told(lost, is_whole=walk.is_whole)


def _told(lost: list[str], *, is_whole: bool) -> str:
    said = []
    if lost:
        said.append(f"Files that cells wrote and that cannot be kept: {len(lost):,}, such as {lost[0]}.")
    if not is_whole:
        said.append(
            f"The cells wrote more than {MOST:,} files and folders, or folders more than "
            f"{cell_files.DEEPEST} deep: what is beyond that is not kept. Put it into one archive."
        )
    return " ".join(said)


def _kept(path: Path) -> tuple[Path, dict[str, Any] | None]:
    """Return the notebook's folder in the copy and what was copied, None if that is not known."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
        return Path(kept["folder"]), dict(kept["files"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Path(), None


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):  # two names that are no text became the same one
        digest = hashlib.sha256(os.fsencode(source.name)).hexdigest()[:8]
        target = target.with_name(f"{target.stem[:50]}-{digest}{target.suffix[:20]}")
    source.replace(target)


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
                    elif self._may_copy(target):
                        self._entries -= 1
                        target.mkdir(exist_ok=True)
                        waiting.append(path)
                    else:
                        self._link(path, target)
                elif entry.is_file(follow_symlinks=False):
                    self._copy_file(path, target, entry.stat(follow_symlinks=False).st_size)

    def _may_copy(self, folder: Path) -> bool:
        return self._entries > 0 and self._limits.folders and len(os.fsencode(folder)) <= _LONGEST_PATH

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
        self.stamps[target.relative_to(self._target).as_posix()] = _stamp(target.lstat())

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


def _name(path: Path, folder: Path) -> Path:
    """Return what a file is called from now on: a name that is no text becomes one."""
    inner = path.relative_to(folder) if path.is_relative_to(folder) else Path(ELSEWHERE) / path
    return Path(*(_text(os.fsencode(part)) for part in inner.parts))


def _text(name: bytes) -> str:
    """Return a name as text; what stands for each of its bytes is longer, and must not be too long."""
    text = name.decode(errors="replace")
    if len(text.encode()) <= _LONGEST_NAME:
        return text
    digest = hashlib.sha256(name).hexdigest()[:8]
    return f"{text.encode()[: _LONGEST_NAME - 9].decode(errors='ignore')}-{digest}"


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []
