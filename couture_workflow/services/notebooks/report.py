"""What is known of a run from what its runner tells: cells, kernel, last lines."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from couture_workflow.services.notebooks import progress
from couture_workflow.services.runs.notebook_use import CellRun, CellState, NotebookUse

#: Characters of a cell's source on the page, and of its first line.
_SOURCE, _FIRST = 4_000, 100
#: Cells that a record names; a notebook with more has them all in its output.
_MOST = 1_000


def first_line(source: str) -> str:
    """Return the first line of a cell that has anything, shortened."""
    found = next((line for line in source.splitlines() if line.strip()), "").strip()
    return found[:_FIRST]


class Report:
    """What is known of one run so far.

    :param own: the run's own folder, where the progress is told; None: nowhere.
    :param redact: masks what is secret in a text.
    """

    def __init__(self, own: Path | None, *, redact: Callable[[str], str] = str) -> None:
        self.cell: Mapping[str, Any] = {}
        self._own = own
        self._redact = redact
        self._cells: dict[int, CellRun] = {}
        self._kernel: dict[str, Any] = {}
        self._lines: deque[str] = deque(maxlen=progress.LINES)
        self._begun: datetime | None = None
        self._told = 0.0
        self._news = True

    def took_kernel(self, event: Mapping[str, Any]) -> None:
        """Take what the kernel says of itself."""
        packages = event.get("packages") or {}
        self._kernel = {
            "python": str(event.get("python", "")),
            "python_version": str(event.get("python_version", "")),
            "packages": {str(name): str(version) for name, version in packages.items()},
        }

    def took_cell(self, event: Mapping[str, Any]) -> None:
        """Take the begin of a cell."""
        self.cell = event
        self._begun = datetime.now(UTC)
        self._lines.clear()
        number = int(event["number"])
        self._cells[number] = CellRun(number, self._redact(first_line(event["source"])), "running")
        self._news = True

    def took_end(self, event: Mapping[str, Any]) -> None:
        """Take the end of a cell."""
        number = int(event["number"])
        if (cell := self._cells.get(number)) is not None:
            seconds = event.get("seconds")
            state: CellState = "failed" if event.get("failed") else "success"
            self._cells[number] = replace(
                cell, state=state, seconds=None if seconds is None else float(seconds)
            )
            self._news = True

    def took_line(self, line: str) -> None:
        """Take a line that the running cell printed."""
        self._lines.append(line[: progress.LONGEST_LINE])
        self._news = True

    def tell(self) -> None:
        """Write the progress, if there is news and some time has passed, or much time without any."""
        passed = time.monotonic() - self._told
        if self._own is None or passed < (progress.PACE if self._news else progress.PULSE):
            return
        self._told, self._news = time.monotonic(), False
        now = progress.Progress(
            of=int(self.cell.get("of", 0)),
            cells=tuple(self._cells.values())[-_MOST:],
            source=self._redact(str(self.cell.get("source", ""))[:_SOURCE]),
            lines=tuple(map(self._redact, self._lines)),
            cell_started_at=self._begun,
            updated_at=datetime.now(UTC),
        )
        try:
            progress.write(self._own, now)
        except OSError:  # the folder was deleted, or the disk is full: the run goes on
            self._told = time.monotonic() + progress.PULSE

    def end(self) -> None:
        """Say that the run has ended: whatever cell still runs has been killed."""
        for number, cell in self._cells.items():
            if cell.state == "running":
                self._cells[number] = replace(cell, state="failed")
        if self._own is not None:
            progress.end(self._own)

    def use(self, use: NotebookUse) -> NotebookUse:
        """Return what the record says, with what is known by now."""
        cells = tuple(self._cells.values())[:_MOST]
        failed = next((cell.number for cell in self._cells.values() if cell.state == "failed"), None)
        known = replace(use, of=int(self.cell.get("of", 0)), cells=cells, failed_cell=failed)
        return replace(known, **self._kernel)
