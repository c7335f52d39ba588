"""Files of people's notebook folders, opened so that no link and no swap leads out of them.

Whoever owns a folder can swap a file in it at any moment. So each part of a path is opened from the one
before, never through a link, and what is read is the very file that was looked at.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from couture_workflow import settings
from couture_workflow.exceptions import InvalidError, NotFoundError, TooLargeError
from couture_workflow.services.notebooks.people import EXAMPLES, SHARED, folder_name
from couture_workflow.store.names import MAX_PATH_BYTES, quote

#: Files that are listed of a folder, entries that are looked at for that, and folders in each other.
MOST_FILES, _MOST_ENTRIES, _DEEPEST = 200, 5_000, 3
#: Seconds after which a change of a file shows in its times for certain.
_SETTLED = 2.0
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A file that could go with a notebook.

    :param path: from the folder of the notebook.
    :param size: bytes.
    """

    path: str
    size: int


class State(NamedTuple):
    """What changes with the content of a file, and is known without reading it."""

    top: str
    path: str
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @property
    def is_settled(self) -> bool:
        """Tell whether the file was last changed long enough ago that a further change would show."""
        return abs(time.time() - max(self.mtime_ns, self.ctime_ns) / 1e9) >= _SETTLED


def state(top: Path, path: str) -> State | None:
    """Return the state of a file below a folder, None if there is none."""
    try:
        status = (top / path).lstat()
    except (OSError, ValueError):
        return None
    return State(str(top), path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def may_read(path: str, account: str) -> bool:
    """Tell whether a path below the folder of all notebooks is the account's own, shared or an example."""
    first, _, rest = path.partition("/")
    return bool(rest) and first in (SHARED, EXAMPLES, folder_name(account))


def is_path(path: str) -> bool:
    """Tell whether a text is a path that leads down from a folder, of printable characters."""
    return (
        path.isprintable()
        and not any(part in ("", ".", "..") for part in path.split("/"))
        and len(path.encode("utf-8", "replace")) <= MAX_PATH_BYTES
    )


def checked(path: str, account: str, *, field: str = "notebook") -> str:
    """Return a path that the account may read, or raise: nobody learns what is in another's folder.

    :raises InvalidError: it is no path below the folder of all notebooks.
    :raises NotFoundError: it is another person's, whether it exists or not.
    """
    if not is_path(path):
        raise InvalidError(
            f"{quote(path)} is no path of a notebook. Give one from the folder of all notebooks, such as "
            f"{quote(f'{folder_name(account)}/report.ipynb')}.",
            field=field,
        )
    if not may_read(path, account):
        raise NotFoundError(
            f"There is no {quote(path)} among your notebooks. They are below {folder_name(account)}/ and "
            f"{SHARED}/; a notebook of somebody else must be copied there.{at_a_hub()}"
        )
    return path


def at_a_hub() -> str:
    """Return why a notebook that somebody has open may not be among those that are known here."""
    if not settings.jupyter_hub_url():
        return ""
    return (
        " JupyterLab runs at a JupyterHub here, and its files are known only where its Spawner mounts the "
        "workbench's folder of notebooks. An administrator can see to it, or put the notebook there."
    )


@contextmanager
def opened(top: Path, path: str) -> Iterator[BinaryIO]:
    """Open a file below a folder for reading.

    :param path: as ``checked`` returns it, whose right has been asked for.
    :raises NotFoundError: there is none, it is a link or no ordinary file, or it cannot be read.
    """
    if {"", ".", ".."}.intersection(path.split("/")):
        raise NotFoundError(f"There is no {quote(path)} among the notebooks: it is no path of a file.")
    folder = _folder(top, path.split("/")[:-1], path)
    try:
        number = os.open(path.split("/")[-1], _FILE, dir_fd=folder)
    except OSError as error:
        raise _missing(path, error) from error
    finally:
        os.close(folder)
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode):  # a folder cannot even be made a file of Python
        os.close(number)
        raise NotFoundError(f"{quote(path)} is not an ordinary file.")
    with os.fdopen(number, "rb") as file:
        if status.st_nlink > 1:
            raise NotFoundError(f"{quote(path)} has a second name (a hard link). Take a copy of it.")
        yield file


def read(top: Path, path: str, *, largest: int) -> bytes:
    """Return a file below a folder, or raise ``TooLargeError`` if it has more bytes than that."""
    with opened(top, path) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise TooLargeError(f"{quote(path)} is larger than the {largest:,} bytes that are allowed.")
    return content


def beside(top: Path, path: str) -> tuple[Beside, ...]:
    """Return the files in the folder of a notebook and in folders of it, by path; hidden ones are left out.

    At most ``MOST_FILES``, and those in the folder itself first.
    """
    *start, own = path.split("/")
    return tuple(each for each in _files(top, start, path) if each.path != own)[:MOST_FILES]


def notebooks(top: Path, account: str) -> tuple[str, ...]:
    """Return paths of notebooks that the account may schedule: its own ones first, then the shared ones."""
    found: list[str] = []
    for folder in (folder_name(account), SHARED):
        try:
            found += (f"{folder}/{each.path}" for each in _files(top, [folder], folder, suffix=".ipynb"))
        except NotFoundError:
            continue  # nobody put anything there yet
    return tuple(found)


def _files(top: Path, start: list[str], path: str, *, suffix: str = "") -> list[Beside]:
    """Return files in a folder and in folders of it, those in the folder itself first.

    :param start: parts of the path of the folder.
    :param path: what is looked for, for the sentence of an error.
    """
    found: list[Beside] = []
    left = _MOST_ENTRIES
    todo = [("", 0)]
    while todo and left > 0 and len(found) <= MOST_FILES:
        prefix, depth = todo.pop(0)
        number = _folder(top, [*start, *prefix.split("/")[:-1]], path)
        try:
            names = []
            with os.scandir(number) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        break
                    names.append(entry.name)
            for name in sorted(names):
                _look(number, name, prefix, depth, found, todo)
        finally:
            os.close(number)
        found = [each for each in found if each.path.endswith(suffix)]
    return sorted(found, key=_order)[: MOST_FILES + 1]


def _order(file: Beside) -> tuple[int, str]:
    return file.path.count("/"), file.path


def _look(
    number: int, name: str, prefix: str, depth: int, found: list[Beside], todo: list[tuple[str, int]]
) -> None:
    """Put an entry of a folder where it belongs."""
    if name.startswith(".") or not name.isprintable() or name == "__pycache__":
        return
    try:
        status = os.stat(name, dir_fd=number, follow_symlinks=False)
    except OSError:
        return
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        found.append(Beside(path=prefix + name, size=status.st_size))
    elif stat.S_ISDIR(status.st_mode) and depth < _DEEPEST:
        todo.append((f"{prefix}{name}/", depth + 1))


def _folder(top: Path, parts: list[str], path: str) -> int:
    """Open a folder below the top, part by part."""
    number = -1
    try:
        number = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts:
            deeper = os.open(part, _FOLDER, dir_fd=number)
            os.close(number)
            number = deeper
    except OSError as error:
        if number >= 0:
            os.close(number)
        raise _missing(path, error) from error
    return number


def _missing(path: str, error: OSError) -> NotFoundError:
    if isinstance(error, PermissionError):
        return NotFoundError(f"{quote(path)} may not be read by the workbench. Move it into {SHARED}/.")
    return NotFoundError(
        f"There is no {quote(path)} among the notebooks; links are not followed. Save the notebook first, or "
        "choose another one."
    )
