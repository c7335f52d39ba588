"""Imports of DAG files that came with a submodule: what they import is found in the submodule too.

The files of a team's repository import its code by the path from its own folder. In a central repository they
lie one folder deeper, and only the central folder is on the import path. So what cannot be found otherwise is
looked for in the submodule that the importing file belongs to: each team has its own ``shared``, because
Airflow loads each DAG file and runs each task in a process of its own.

``policies`` installs this in every process of Airflow, behind all other finders: nothing heavy here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType, ModuleType

#: What stands between the file that imports and the finder: Python's own, and the save gate's look at it.
_ON_THE_WAY = ("/importlib/__init__.py", "/services/gate/inside/loading.py")


class SubmoduleFinder(MetaPathFinder):
    """Find modules from the folder of the submodule that the importing file is in."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is that nobody else has found, None if it is not ours either."""
        if path is not None:
            return None
        file = _importing(sys._getframe(1))
        folders = [str(folder) for folder in _submodules_of(file)] if file else []
        return PathFinder.find_spec(fullname, folders) if folders else None


def install() -> None:
    """Let this process find what submodules import."""
    if not any(isinstance(finder, SubmoduleFinder) for finder in sys.meta_path):
        sys.meta_path.append(SubmoduleFinder())


def _importing(frame: FrameType | None) -> Path | None:
    """Return the file whose import is under way."""
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith("<frozen importlib") and not name.endswith(_ON_THE_WAY):
            return Path(name) if name.startswith("/") else None
        frame = frame.f_back
    return None


def _submodules_of(file: Path) -> list[Path]:
    """Return the submodules that a file is in, the innermost first; none unless it is on the import path."""
    entries = {Path(entry) for entry in sys.path if entry.startswith("/")}
    within = [parent for parent in file.parents if parent in entries]
    if not within:
        return []
    found: list[Path] = []
    for top in (within[-1], *within[-1].parents):
        if (top / ".gitmodules").is_file():
            found = list(_below(top, file))
            break
    return found[::-1]


def _below(top: Path, file: Path) -> Iterator[Path]:
    """Yield the submodules of a folder that a file is in, the outermost first."""
    from couture_workflow.store import submodules

    try:
        text = (top / ".gitmodules").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for name in submodules.folders_of(text):
        folder = top / name
        if ".." not in folder.parts and folder != top and file.is_relative_to(folder):
            yield folder
            yield from _below(folder, file)
            return
