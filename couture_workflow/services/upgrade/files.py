"""Upgrading files where they are: finding them below folders, reading and writing them."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.exceptions import NotFoundError
from couture_workflow.services.upgrade.upgrading import TEMPLATES, Note, Upgrade, upgrade_bytes
from couture_workflow.store import atomic

_SUFFIXES = (".py", *TEMPLATES)
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "venv", "site-packages"})
BACKUP = ".orig"
#: A line as a tool that applies a difference takes it: a form feed ends none.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True)
class UpgradedFile:
    """One file and what came of it.

    :param shown: its path as messages name it.
    :param new: its new content, the old one if nothing is to be changed.
    """

    path: Path
    shown: str
    old: bytes
    new: bytes
    upgrade: Upgrade

    @property
    def changed(self) -> bool:
        """Tell whether the file is to be rewritten."""
        return self.old != self.new

    @property
    def refused(self) -> bool:
        """Tell whether the file could not be read."""
        return self.upgrade.refused

    def difference(self) -> str:
        """Return the difference in the unified form, "" if there is none."""
        before, after = (_LINE.findall(each.decode(errors="replace")) for each in (self.old, self.new))
        lines = difflib.unified_diff(before, after, f"a/{self.shown}", f"b/{self.shown}")
        return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def upgrade_files(paths: Sequence[Path]) -> Iterator[UpgradedFile]:
    """Upgrade files, and what is below folders; nothing is written.

    Raises ``NotFoundError`` for a path that is not there.
    """
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"There is no {path}. Name a DAG file, or a folder of DAG files.")
    seen: set[Path] = set()
    for file in (file for path in paths for file in _files(path)):
        if (real := file.resolve()) in seen:
            continue
        seen.add(real)
        try:
            old = file.read_bytes()
        except OSError as error:
            note = Note(1, f"The file cannot be read: {error.strerror}.")
            yield UpgradedFile(file, _shown(file), b"", b"", Upgrade("", notes=(note,), refused=True))
            continue
        new, done = upgrade_bytes(old, path=file.name)
        yield UpgradedFile(file, _shown(file), old, new, done)


def write(file: UpgradedFile, *, backup: bool) -> None:
    """Put the new content in place, whole.

    :param backup: keep the old content beside it, in a file that ends in ``.orig``; one that is there stays.
    """
    mode = stat.S_IMODE(file.path.stat().st_mode)
    kept = file.path.with_name(file.path.name + BACKUP)
    if backup and not kept.exists():
        atomic.write(kept, file.old, mode=mode)
    real = file.path.resolve()
    atomic.write(real, file.new, mode=mode)
    real.chmod(mode)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if name not in _PASSED_OVER and not name.startswith("."))
        for name in sorted(files):
            file = Path(folder) / name
            named = name == ".airflowignore" or (name.endswith(_SUFFIXES) and not name.startswith("."))
            if named and file.is_file():  # no pipe, and no link to nowhere
                yield file


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
