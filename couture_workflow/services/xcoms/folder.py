"""Large values in a folder that all machines share; by default one of the home."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from couture_workflow.services.xcoms import references
from couture_workflow.services.xcoms.packing import Target
from couture_workflow.store import atomic
from couture_workflow.store.home import open_to

#: Seconds after which what a killed writer left is removed.
_LEFT = 3_600


class Folder:
    """The files of a folder, for its owner alone, or for the group whose the home is.

    A value is not flushed to the disk: after a loss of power the task that made it is cleared.

    :param home: whose rights tell who may read.
    """

    def __init__(self, root: Path, *, home: Path) -> None:
        self.root, self._home = root, home

    def write(self, name: str, dump: Callable[[Target], None]) -> int:
        """Keep what ``dump`` writes, and return its size in bytes."""
        path = self.root / name
        with atomic.storage_errors(path):
            mode = self._make(path.parent)
            descriptor, aside = atomic.temporary(path.parent, mode=mode)
            try:
                os.fchmod(descriptor, mode)
                dump(aside)
                size = aside.stat().st_size
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)
                os.close(descriptor)
        return size

    def _make(self, folder: Path) -> int:
        """Make a folder and return the mode of the files in it."""
        closed = open_to(self._home) if self._home.is_dir() else 0o077
        for each in (self.root, folder.parent, folder):
            try:
                each.mkdir(parents=True)
            except FileExistsError:
                continue
            each.chmod(0o777 & ~closed | (each.stat().st_mode & stat.S_ISGID))
        return 0o666 & ~closed

    def read(self, name: str) -> Path:
        """Return a file that can be read, or raise ``FileNotFoundError`` or ``StorageError``."""
        path = self.root / name
        with atomic.reading_errors(path), path.open("rb"):
            return path

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        path = self.root / name
        with atomic.storage_errors(path):
            path.unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """Return the names of all files that are there."""
        for path in self.root.glob("*/*/*"):
            name = path.relative_to(self.root).as_posix()
            if references.read_name(name):
                yield name

    def tidy(self) -> None:
        """Remove what writers left that were killed, and empty folders."""
        for folder in (*self.root.glob("*/*/"), *self.root.glob("*/")):
            atomic.sweep(folder, older_than=_LEFT)
            with contextlib.suppress(OSError):  # it is not empty, or somebody else was here
                if time.time() - folder.stat().st_mtime >= _LEFT:
                    folder.rmdir()
