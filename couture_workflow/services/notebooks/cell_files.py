"""Folders that cells wrote in: any number of files, however deep, with any bytes for names.

What is looked at has an end, and a folder is removed whatever is in it: Python's own ways are recursive, and
give up a thousand folders down.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Folders in each other that are looked into.
DEEPEST = 100


class Walk:
    """The regular files below a folder, by name, each folder's own ones first; no link is followed.

    :param entries: files, folders and the like that are looked at.
    :param without: names of folders that are left out.
    :ivar left: how many may be looked at yet.
    :ivar is_whole: whether all were looked at so far; if not, there is more.
    """

    def __init__(self, folder: Path, *, entries: int, without: Collection[str] = ()) -> None:
        self._folder, self._without, self.left = folder, without, entries
        self.is_whole = True

    def __iter__(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the path from the folder and the status of each file."""
        waiting = [("", 0)]
        while waiting:
            prefix, depth = waiting.pop()
            files, folders = self._look(prefix)
            yield from files
            if folders and depth >= DEEPEST:
                self.is_whole = False
            else:
                waiting += [(f"{prefix}{name}/", depth + 1) for name in reversed(folders)]

    def _look(self, prefix: str) -> tuple[list[tuple[str, os.stat_result]], list[str]]:
        files: list[tuple[str, os.stat_result]] = []
        folders: list[str] = []
        try:
            with os.scandir(self._folder / prefix) as found:
                entries = list(islice(found, self.left + 1))
        except FileNotFoundError:
            return files, folders
        except OSError:
            self.is_whole = False
            return files, folders
        if len(entries) > self.left:
            self.is_whole = False
            del entries[self.left :]
        self.left -= len(entries)
        for entry in sorted(entries, key=lambda each: each.name):
            with contextlib.suppress(OSError):  # it went meanwhile
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    files.append((f"{prefix}{entry.name}", status))
                elif stat.S_ISDIR(status.st_mode) and entry.name not in self._without:
                    folders.append(entry.name)
        return files, folders


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as that is possible; a link is left alone.

    Each folder in it is first moved to the top of it, so none is ever deep.
    """
    try:
        top = os.open(folder, _FOLDER)
    except OSError:
        return
    mark, count = f".{secrets.token_hex(8)}-", 0
    waiting = ["."]
    try:
        while waiting:
            name = waiting.pop()
            for moved in _emptied(top, name, mark, count):
                waiting.append(moved)
                count += 1
            if name != ".":
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _emptied(top: int, name: str, mark: str, count: int) -> Iterator[str]:
    """Remove the files of a folder, move its folders to the top and yield their new names."""
    try:
        number = os.open(name, _FOLDER, dir_fd=top)
    except OSError:
        return
    try:
        with os.scandir(number) as found:
            entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        for each, is_folder in entries:
            with contextlib.suppress(OSError):
                if not is_folder:
                    os.unlink(each, dir_fd=number)
                    continue
                moved = f"{mark}{count}"
                os.rename(each, moved, src_dir_fd=number, dst_dir_fd=top)
                count += 1
                yield moved
    except OSError:
        return
    finally:
        os.close(number)
