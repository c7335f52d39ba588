"""What the record of a notebook's run says beside the rest: version, kernel, parameters, cells, outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

CellState = Literal["running", "success", "failed", "not run"]


@dataclass(frozen=True)
class CellRun:
    """One code cell of a run.

    :param number: from 1, as the log and the page count them: code cells alone.
    :param first_line: of its source, masked and shortened.
    :param seconds: how long it took; None as long as it runs, and of one that did not run.
    """

    number: int
    first_line: str
    state: CellState
    seconds: float | None = None


@dataclass(frozen=True)
class OutputFile:
    """One file of the run's own folder: its path from there, such as ``files/result.csv``."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class NotebookUse:
    """A notebook's run. Everything in it is masked.

    :param path: the notebook: from the top of the DAG repository, or whole where it is not in it.
    :param sha256: of the notebook's file when it started.
    :param in_repository: whether it belongs to the DAG repository, whose version the record has.
    :param parameters: each value as JSON.
    :param kernel: the kernel's name, "" for the one that the operator makes for a Python.
    :param python: the program that the cells ran in; ``python_version`` its version.
    :param packages: some hundred packages of it at most, with their versions.
    :param of: how many code cells there are, the injected one included.
    :param cells: those that have begun.
    :param failed_cell: number of the cell that failed.
    :param output: where the notebook with its results is, as ``output_nb`` asks.
    :param files: what the run's own folder has.
    :param files_left_out: how many more files there are.
    """

    path: str = ""
    sha256: str = ""
    in_repository: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    kernel: str = ""
    language: str = ""
    python: str = ""
    python_version: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    of: int = 0
    cells: tuple[CellRun, ...] = ()
    failed_cell: int | None = None
    output: str = ""
    files: tuple[OutputFile, ...] = ()
    files_left_out: int = 0


def decoded(record: Mapping[str, Any] | None) -> NotebookUse | None:
    """Return what a record says of a notebook, None if nothing; raise ``ValueError`` for what is damaged."""
    if record is None:
        return None
    given = known(NotebookUse, record)
    given["cells"] = tuple(cell_decoded(cell) for cell in given.get("cells", ()))
    given["files"] = tuple(OutputFile(**known(OutputFile, each)) for each in given.get("files", ()))
    return NotebookUse(**given)


def comparable(old: NotebookUse | None, new: NotebookUse | None) -> tuple[NotebookUse, NotebookUse]:
    """Return two runs of notebooks to compare, empty ones unless the kernels of both have begun."""
    if old and new and old.python_version and new.python_version:
        return old, new
    return NotebookUse(), NotebookUse()


def cell_decoded(record: Mapping[str, Any]) -> CellRun:
    """Return a cell of its JSON."""
    cell = CellRun(**known(CellRun, record))
    if cell.state not in get_args(CellState):
        raise ValueError(f"{cell.state!r} is not a state of a cell")
    return cell


def known(kind: type, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a record a dataclass has fields for; a newer version may know more."""
    names = {each.name for each in dataclasses.fields(kind)}
    return {name: value for name, value in record.items() if name in names}
