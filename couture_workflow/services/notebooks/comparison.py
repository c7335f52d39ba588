"""Two runs of notebooks side by side: parameters, durations, and what each cell has shown.

The notebooks are read in a process apart, within limits: they are data of others and may be of any size. What
comes back is text, tables of text and verified pictures, as much as a page can show.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.services.notebooks import folders, opening, outputs, results
from couture_workflow.services.notebooks.results import CodeCell, Result
from couture_workflow.services.processes import apart

if TYPE_CHECKING:
    from couture_workflow.services.runs.records import Run
    from couture_workflow.store.home import Store

Mark = Literal["same", "add", "del", "meta"]

#: Seconds that both notebooks take at most.
PATIENCE = 25.0
#: Lines of a text that are compared, characters of a line that are shown, lines around a difference.
_LINES, _WIDTH, _CONTEXT = 1_500, 400, 3
#: Pairs of equal lines: more would take a matcher long.
_PAIRS = 200_000
#: What one page shows at most: differing cells, lines, rows of tables, characters of pictures.
_CELLS, _ALL_LINES, _ALL_ROWS, _PICTURES = 300, 6_000, 2_000, 12 * 2**20


@dataclass(frozen=True)
class Parameter:
    """One parameter of two runs, each value as JSON; None where a run does not have it."""

    name: str
    old: str | None
    new: str | None

    @property
    def differs(self) -> bool:
        """Tell whether it does."""
        return self.old != self.new


@dataclass(frozen=True)
class Comparison:
    """Two runs.

    :param cells: of both notebooks, as ``compared`` returns them; empty if ``problem`` says why.
    :param left_out: how many more cells differ.
    """

    parameters: tuple[Parameter, ...]
    cells: tuple[Mapping[str, Any], ...]
    left_out: int = 0
    problem: str = ""


def compare(store: Store, old: Run, new: Run) -> Comparison:
    """Compare two runs; what cannot be compared of their notebooks is told in ``problem``."""
    parameters = tuple(_parameters(old, new))
    for run in (old, new):
        try:
            with opening.opened(store, run.key, outputs.NOTEBOOK) as file:
                if opening.size(file) > results.LARGEST:
                    return Comparison(parameters, (), problem=_too_large(run))
        except NotFoundError:
            return Comparison(parameters, (), problem=_missing(run))
    paths = [opening.place(store, run.key, outputs.NOTEBOOK) for run in (old, new)]
    (answer,) = apart.each(
        "notebooks.comparison.compared", str(store.outputs), [paths], seconds=PATIENCE, total=PATIENCE + 10
    )
    if not isinstance(answer.value, dict):
        return Comparison(parameters, (), problem=_WHY[answer.why])
    return Comparison(parameters, tuple(answer.value["cells"]), answer.value["left_out"])


def check_notebooks(*runs: Run) -> None:
    """Refuse runs that are none of notebooks."""
    for run in runs:
        if run.kind != "notebook":
            raise InvalidError(
                f"The task {run.key.task_id!r} ran a Spark job: only runs of notebooks can be compared here. "
                "Its Run details say what changed since its last success."
            )


def compared(top: str, paths: Sequence[str]) -> dict[str, Any]:
    """Return what differs between two notebooks; called in a process apart."""
    old, new = (results.cells_of(folders.read(Path(top), path, largest=results.LARGEST)) for path in paths)
    room = _Room()
    found = [room.cell(*pair) for pair in _pairs(old, new)]
    kept = [cell for cell in found if cell is not None]
    told = {"cells": kept, "left_out": len(found) - len(kept)}
    # Halves of characters, which JSON may hold, are none that a page can.
    return dict(json.loads(json.dumps(told, ensure_ascii=False).encode(errors="replace")))


class _Room:
    """What a page still has room for."""

    def __init__(self) -> None:
        self._cells, self._lines, self._rows, self._pictures = _CELLS, _ALL_LINES, _ALL_ROWS, _PICTURES

    def cell(self, old: CodeCell | None, new: CodeCell | None) -> dict[str, Any] | None:
        """Return two cells as a page has them, None if they differ and there is no room."""
        before, after = (cell.source if cell else "" for cell in (old, new))
        same_source = old is not None and new is not None and before == after
        pairs = list(zip_longest(old.results if old else (), new.results if new else ()))
        same = same_source and all(one and other and _equal(one, other) for one, other in pairs)
        same = same and (old.left_out if old else 0) == (new.left_out if new else 0)
        first = next((line.strip() for line in (after or before).splitlines() if line.strip()), "")
        shown = {
            "old": old.number if old else None,
            "new": new.number if new else None,
            "first_line": results.plain(first)[:100],
            "same": same,
            "left_out": max(old.left_out if old else 0, new.left_out if new else 0),
        }
        if same:
            return {**shown, "source": [], "results": []}
        if self._cells <= 0:
            return None
        self._cells -= 1
        source = [] if same_source else self._text(before, after)
        return {**shown, "source": source, "results": [self._pair(*pair) for pair in pairs]}

    def _pair(self, old: Result | None, new: Result | None) -> dict[str, Any]:
        either = new or old
        if either is None:
            raise ValueError("a pair of nothing")
        label = either.label
        if old and new and _equal(old, new):
            return {"kind": "same", "label": label}
        kinds = {each.kind for each in (old, new) if each}
        if kinds == {"text"}:
            lines = self._text(old.text if old else "", new.text if new else "")
            return {"kind": "text", "label": label, "lines": lines}
        sides = [self._side(each, other) for each, other in ((old, new), (new, old))]
        return {"kind": "sides", "label": label, "sides": sides}

    def _side(self, result: Result | None, other: Result | None) -> dict[str, Any] | None:
        """Return one of two that stand side by side."""
        if result is None:
            return None
        if result.kind == "table":
            rows = [
                [[cell, cell != _at(other, row, column)] for column, cell in enumerate(cells)]
                for row, cells in enumerate(result.rows[: max(self._rows, 0)])
            ]
            self._rows -= len(rows)
            more = "shortened" if len(rows) < len(result.rows) else ""
            return {"kind": "table", "rows": rows, "text": more or result.text}
        if result.kind == "picture":
            self._pictures -= len(result.picture)
            if self._pictures < 0:
                return {"kind": "other", "text": "This page has too many pictures already."}
            return {"kind": "picture", "picture": result.picture}
        if result.kind == "text":
            return {"kind": "text", "lines": self._text("", result.text, mark="same")}
        return {"kind": "other", "text": f"{result.label}: {result.text}"}

    def _text(self, old: str, new: str, *, mark: Mark = "add") -> list[tuple[Mark, str]]:
        """Return the lines of a difference with their marks."""
        lines = _difference(old, new)
        shown = [
            (mark if kind == "add" else kind, line[:_WIDTH]) for kind, line in lines[: max(self._lines, 0)]
        ]
        self._lines -= len(shown)
        if len(shown) < len(lines):
            shown.append(("meta", f"{len(lines) - len(shown):,} lines more are not shown"))
        return shown


def _at(other: Result | None, row: int, column: int) -> str | None:
    if other is None or row >= len(other.rows) or column >= len(other.rows[row]):
        return None
    return other.rows[row][column]


def _equal(old: Result, new: Result) -> bool:
    return (old.kind, old.label, old.digest) == (new.kind, new.label, new.digest)


def _pairs(old: Sequence[CodeCell], new: Sequence[CodeCell]) -> list[tuple[CodeCell | None, CodeCell | None]]:
    """Return the cells that belong together, by ids that both notebooks share, else by source."""
    by_name = ([each.name for each in old], [each.name for each in new])
    by_source = ([each.source for each in old], [each.source for each in new])
    names, sources = (sum((Counter(a) & Counter(b)).values()) for a, b in (by_name, by_source))
    named = all(by_name[0]) and all(by_name[1]) and names >= sources
    found: list[tuple[CodeCell | None, CodeCell | None]] = []
    for _kind, start, end, begin, stop in _blocks(*(by_name if named else by_source)):
        found += zip_longest(old[start:end], new[begin:stop])
    return found


def _difference(old: str, new: str) -> list[tuple[Mark, str]]:
    """Return a difference in the unified form, without its head; lines that are too many are told of."""
    before, after = old.split("\n") if old else [], new.split("\n") if new else []
    rest = max(len(before), len(after)) - _LINES
    before, after = before[:_LINES], after[:_LINES]
    found: list[tuple[Mark, str]] = []
    blocks = _blocks(before, after)
    for number, (kind, start, end, begin, stop) in enumerate(blocks):
        if kind != "equal":
            found += [("del", line) for line in before[start:end]]
            found += [("add", line) for line in after[begin:stop]]
            continue
        head = 0 if number == 0 else _CONTEXT
        tail = 0 if number == len(blocks) - 1 else _CONTEXT
        lines = before[start:end]
        if len(lines) <= head + tail + 1:
            found += [("same", line) for line in lines]
            continue
        found += [("same", line) for line in lines[:head]]
        found.append(("meta", f"{len(lines) - head - tail:,} equal lines"))
        found += [("same", line) for line in lines[len(lines) - tail :]]
    if rest > 0:
        found.append(("meta", f"{rest:,} lines more are not compared"))
    return found


def _blocks(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """Return the blocks of two sequences that are equal and that are not, in a time that has a limit."""
    here, there = Counter(old), Counter(new)
    if sum(count * there[line] for line, count in here.items()) <= _PAIRS:
        return list(difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes())
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    most = shorter - head
    tail = next((at for at in range(most) if old[-1 - at] != new[-1 - at]), most)
    ends = (len(old) - tail, len(new) - tail)
    found = [("equal", 0, head, 0, head), ("replace", head, ends[0], head, ends[1])]
    found.append(("equal", ends[0], len(old), ends[1], len(new)))
    return [block for block in found if block[1] < block[2] or block[3] < block[4]]


def _parameters(old: Run, new: Run) -> list[Parameter]:
    before, after = (dict(run.notebook.parameters) if run.notebook else {} for run in (old, new))
    return [Parameter(name, before.get(name), after.get(name)) for name in sorted({*before, *after})]


def _missing(run: Run) -> str:
    if run.state == "running":
        return f"Run {run.key.run_id} has not ended yet: its output is there when it has. Compare it then."
    return (
        f"Run {run.key.run_id} has no output any more, or never had one: it was deleted, swept, or the run "
        "was killed before it could write it."
    )


def _too_large(run: Run) -> str:
    return (
        f"The notebook of run {run.key.run_id} is larger than {results.LARGEST // 2**20} MB, the most that "
        "is compared. Download both from their Run details."
    )


_WHY = {
    "time": "The outputs are too large to be compared in time. Download both from their Run details.",
    "late": "The server compares other runs at the moment. Try again.",
    "crashed": "An output is no notebook that can be read, or takes too much memory. Download both from "
    "their Run details.",
}
