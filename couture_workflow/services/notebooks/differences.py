"""The difference of two notebooks, cell by cell: what a run of a pinned copy would not do.

Its cost is bounded: cells are matched by their text, and only a window of the rest is paired.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError
from couture_workflow.services.notebooks import document, folders
from couture_workflow.services.processes import apart

Change = Literal["added", "removed", "changed"]

#: Cells that are told, and characters of each that are shown.
MOST, _SHOWN = 200, 20_000
#: Lines of a cell up to which its lines are compared.
_MOST_LINES = 500


@dataclass(frozen=True, kw_only=True)
class CellDifference:
    """A cell that only one of two notebooks has, or that they have with another source.

    :param number: of the cell, from 1: in the new notebook; of a removed one, in the old.
    :param kind: of the cell: code, markdown or raw.
    :param old: its source in the old notebook, "" for an added one.
    :param diff: of a changed one, the lines in the unified form; "" if it is too long.
    """

    change: Change
    number: int
    kind: str
    old: str = ""
    new: str = ""
    diff: str = ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What differs.

    :param cells: at most ``MOST``; ``more`` were left out.
    :param problem: why they cannot be compared, "" if they can.
    """

    cells: tuple[CellDifference, ...] = ()
    more: int = 0
    problem: str = ""


def against(pinned: bytes, top: Path, path: str) -> Difference:
    """Compare a pinned notebook with the file that it was copied from.

    :param path: of the file, as ``folders.checked`` returns it.
    """
    item = {
        "pinned": pinned.decode("utf-8", "replace"),
        "top": str(top),
        "path": path,
        "largest": settings.max_notebook_size(),
    }
    (answer,) = apart.each("notebooks.differences.look", None, [item], seconds=document.PATIENCE)
    if answer.why:
        return Difference(problem="The two notebooks are too large to be compared.")
    told = answer.value
    cells = tuple(CellDifference(**each) for each in told["cells"])
    return Difference(cells=cells, more=told["more"], problem=told["problem"])


def look(_: None, item: Mapping[str, Any]) -> dict[str, Any]:
    """Be the other process for ``against``."""
    path = str(item["path"])
    try:
        content = folders.read(Path(item["top"]), path, largest=int(item["largest"]))
        old = document.parsed(str(item["pinned"]).encode("utf-8", "replace"), "the pinned copy")
        found = compared(_cells(old), _cells(document.parsed(content, path)))
    except CoutureError as error:
        return {"cells": [], "more": 0, "problem": str(error)}
    shown = [vars(each) for each in found[:MOST]]
    return {"cells": shown, "more": len(found) - len(shown), "problem": ""}


def _cells(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (str(cell.get("cell_type", ""))[:20], document.source_of(cell).rstrip("\n"))
        for cell in document.cells_of(data)
    ]


def compared(old: Sequence[tuple[str, str]], new: Sequence[tuple[str, str]]) -> list[CellDifference]:
    """Return the differences of two lists of cells (kind, source), in the order of the new one."""
    found: list[CellDifference] = []
    ours, theirs = _digests(old), _digests(new)
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=True)
    for tag, start, end, first, last in matcher.get_opcodes():
        if tag == "equal":
            continue
        pairs = min(end - start, last - first)
        for step in range(pairs):
            found += _pair(old[start + step], new[first + step], start + step + 1, first + step + 1)
        for number in range(start + pairs, end):
            kind, source = old[number]
            found.append(CellDifference(change="removed", number=number + 1, kind=kind, old=source[:_SHOWN]))
        for number in range(first + pairs, last):
            kind, source = new[number]
            found.append(CellDifference(change="added", number=number + 1, kind=kind, new=source[:_SHOWN]))
    return found


def _pair(old: tuple[str, str], new: tuple[str, str], was: int, number: int) -> list[CellDifference]:
    if old[0] != new[0]:
        return [
            CellDifference(change="removed", number=was, kind=old[0], old=old[1][:_SHOWN]),
            CellDifference(change="added", number=number, kind=new[0], new=new[1][:_SHOWN]),
        ]
    return [
        CellDifference(
            change="changed",
            number=number,
            kind=new[0],
            old=old[1][:_SHOWN],
            new=new[1][:_SHOWN],
            diff=_unified(old[1], new[1]),
        )
    ]


def _unified(old: str, new: str) -> str:
    before, after = old.split("\n"), new.split("\n")
    if max(len(before), len(after)) > _MOST_LINES or max(len(old), len(new)) > _SHOWN:
        return ""
    return "\n".join(list(difflib.unified_diff(before, after, lineterm="", n=2))[2:])


def _digests(cells: Sequence[tuple[str, str]]) -> list[bytes]:
    return [
        hashlib.sha256(f"{kind}\0{source}".encode("utf-8", "surrogatepass")).digest()
        for kind, source in cells
    ]
