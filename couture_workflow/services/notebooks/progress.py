"""How far a notebook's run is: a small document in the run's own folder, read by pages on any machine.

It is replaced twice a second at most while the notebook runs, and gone when the record says everything.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.notebooks import folders, opening, outputs
from couture_workflow.services.runs import notebook_use
from couture_workflow.services.runs.notebook_use import CellRun

if TYPE_CHECKING:
    from couture_workflow.services.runs.records import RunKey
    from couture_workflow.store.home import Store

#: Seconds between two writes at least, and at most.
PACE, PULSE = 0.5, 60.0
#: Last lines of the running cell's output, and characters of each, that are kept at most.
LINES, LONGEST_LINE = 20, 500
#: Bytes that are read at most: cells can write there too.
_LARGEST = 2 * 2**20


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is. Everything in it is masked.

    :param of: how many code cells there are, 0 as long as the kernel starts.
    :param source: of the running cell, shortened.
    :param lines: the last that the running cell printed.
    :param cells: those that have begun; the last one runs.
    """

    of: int
    cells: tuple[CellRun, ...]
    source: str
    lines: tuple[str, ...]
    cell_started_at: datetime | None
    updated_at: datetime

    @property
    def number(self) -> int:
        """Return the number of the running cell, 0 if none has begun."""
        return self.cells[-1].number if self.cells else 0


def read(store: Store, key: RunKey) -> Progress | None:
    """Return how far a run is, None if nothing is known: it has not begun, or has ended."""
    try:
        path = opening.place(store, key, outputs.PROGRESS)
        record = json.loads(folders.read(store.outputs, path, largest=_LARGEST))
        begun = record["cell_started_at"]
        return Progress(
            of=int(record["of"]),
            cells=tuple(notebook_use.cell_decoded(cell) for cell in record["cells"]),
            source=str(record["source"]),
            lines=tuple(map(str, record["lines"])),
            cell_started_at=datetime.fromisoformat(begun) if begun else None,
            updated_at=datetime.fromisoformat(record["updated_at"]),
        )
    except (CoutureError, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def write(folder: Path, progress: Progress) -> None:
    """Say how far a run is.

    :param folder: the run's own.
    """
    record = {
        **asdict(progress),
        "cell_started_at": progress.cell_started_at and progress.cell_started_at.isoformat(),
        "updated_at": progress.updated_at.isoformat(),
    }
    new = folder / ".progress.json"
    new.unlink(missing_ok=True)
    with new.open("x", encoding="utf-8", errors="replace") as file:  # not synced: it is old in a second
        json.dump(record, file, ensure_ascii=False)
    new.replace(_path(folder))


def end(folder: Path) -> None:
    """Remove what was said: the run has ended."""
    _path(folder).unlink(missing_ok=True)


def _path(folder: Path) -> Path:
    return folder / outputs.PROGRESS
