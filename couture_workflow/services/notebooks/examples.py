"""The folder of example notebooks that people copy from: ``notebooks/examples`` of the home."""

from __future__ import annotations

from pathlib import Path

import couture_workflow
from couture_workflow.services.notebooks import people
from couture_workflow.store import atomic

_LOCK = ".examples.lock"
_READ, _ENTER, _CHANGE = 0o444, 0o555, 0o755


def shipped() -> list[Path]:
    """Return the notebooks that are part of this installation, by name."""
    package = Path(couture_workflow.__file__).parent
    for folder in (package / "examples" / "lab", package.parent / "examples" / "lab"):
        if folder.is_dir():
            return sorted(folder.glob("*.ipynb"))
    return []


def place(home: Path) -> None:
    """Put the example notebooks into the home, readable and not writable, as this installation has them.

    Notebooks of an earlier version, and what somebody with more rights changed, go. A call that finds all in
    place changes nothing. Call it whenever the workbench or the host of Jupyter servers starts.
    """
    folder = people.top(home) / people.EXAMPLES
    wanted = {path.name: path.read_bytes() for path in shipped()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic.locked(folder.parent / _LOCK):
        there = {path.name: path for path in folder.glob("*.ipynb")}
        fresh = [name for name in wanted if name not in there or there[name].read_bytes() != wanted[name]]
        if not fresh and there.keys() == wanted.keys():
            return
        folder.mkdir(exist_ok=True)
        folder.chmod(_CHANGE)
        for name in fresh:
            atomic.write(folder / name, wanted[name])
            (folder / name).chmod(_READ)
        for name in there.keys() - wanted.keys():
            there[name].unlink()
        folder.chmod(_ENTER)
