"""Data frames: which values are some, and what a person sees of them.

pandas, polars and pyarrow are found among the modules that the task has imported, so no other task pays for
their import.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from reprlib import Repr
from typing import Any

from couture_workflow.exceptions import XComError
from couture_workflow.services.xcoms import packing
from couture_workflow.services.xcoms.likeness import UnlikeError
from couture_workflow.services.xcoms.packing import Packed, Source

#: Columns that a person sees, and characters of a cell or a name.
MOST_COLUMNS, MOST_CHARACTERS = 100, 100
#: Columns of the preview, which is the larger part of what is written to the database.
MOST_PREVIEWED = 20
#: The largest integer that a browser shows as it is.
_MOST_INTEGER = 2**53

#: What is nearly a frame, by package and name.
_NEARLY = {
    ("pandas", "Series"): "Return value.to_frame().",
    ("polars", "Series"): "Return value.to_frame().",
    ("polars", "LazyFrame"): "Return value.collect().",
    ("pyarrow", "RecordBatch"): "Return pyarrow.table(value).",
    ("pyarrow", "ChunkedArray"): "Return pyarrow.table({'name': value}).",
    ("numpy", "ndarray"): "Return pandas.DataFrame(value), or value.tolist() if it is small.",
}

_SHORT = Repr()
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = _SHORT.maxdict = 50
_SHORT.maxstring = _SHORT.maxother = MOST_CHARACTERS


@dataclass(frozen=True)
class Kind:
    """One class of data frames.

    :param name: module and class, as people write it.
    :param columns: names and types, in turn.
    :param head: the first cells of the first columns.
    """

    name: str
    pack: Callable[[Any], Packed]
    load: Callable[[Source], Any]
    columns: Callable[[Any], Iterator[tuple[object, object]]]
    head: Callable[[Any, int], Sequence[Sequence[Any]]]

    def of(self, value: object) -> bool:
        """Tell whether a value is of this class; one of a subclass is more than its columns."""
        module, _, name = self.name.partition(".")
        found = getattr(sys.modules.get(module), name, None)
        return found is not None and type(value) is found


def kind_of(value: object) -> Kind | None:
    """Return the class of a data frame, None for any other value."""
    return next((kind for kind in KINDS.values() if kind.of(value)), None)


def remedy_for(value: object) -> str:
    """Return what to do with a value that is nearly a frame, and which Airflow does not hand on; else ""."""
    kind = type(value)
    return _NEARLY.get((kind.__module__.partition(".")[0], kind.__name__), "")


def described(kind: Kind, value: Any, *, rows: int) -> dict[str, Any]:
    """Return what a person sees of a frame: its shape, its columns with their types, its first rows.

    :param rows: of the preview, 0 for none.
    """
    height, width = value.shape
    known = list(itertools.islice(kind.columns(value), MOST_COLUMNS))
    names = _shown_names(name for name, _ in known)
    columns = dict(zip(names, (_cut(str(of)) for _, of in known), strict=True))
    found: dict[str, Any] = {"shape": f"{height:,} rows x {width:,} columns", "columns": columns}
    if width > len(columns):
        found["more_columns"] = width - len(columns)
    if rows:
        cells = ([_cell(cell) for cell in column] for column in kind.head(value, rows))
        found["preview"] = [dict(zip(names, row, strict=False)) for row in zip(*cells, strict=True)]
    return found


def packed(kind: Kind, value: Any) -> Packed:
    """Return a frame ready to be written, or raise ``XComError`` if no file can hold it."""
    try:
        return kind.pack(value)
    except _failures() as error:
        raise refused(error) from error


def refused(error: BaseException) -> XComError:
    """Return the error of a frame that no file can hold."""
    # Arrow tells the column in a second text; a text that cannot be encoded is not to be repeated.
    texts = [error] if isinstance(error, UnicodeError) else error.args
    said = _cut(" ".join(str(each) for each in texts), 500).rstrip(".")
    remedy = (
        "Give each column a name of its own and values of one type, as with frame.astype({'column': str})."
    )
    known = isinstance(error, UnlikeError)
    return XComError(f"The data frame cannot be handed on as Parquet: {said}.{'' if known else f' {remedy}'}")


def write(pack: Packed, target: packing.Target) -> None:
    """Write a frame, or raise ``XComError`` if no file can hold it."""
    try:
        pack.dump(target)
    except _failures() as error:
        raise refused(error) from error
    except OSError as error:
        if error.errno is not None:  # it is the disk's
            raise
        raise refused(error) from error


def read(kind: Kind, source: Source, *, name: str) -> Any:
    """Return the frame of a file, or raise ``XComError``.

    :param name: of the file in the storage.
    """
    try:
        return kind.load(source)
    except (OSError, EOFError) as error:
        raise damaged(name, error) from error
    except _failures() as error:
        raise damaged(name, error) from error


def _failures() -> tuple[type[Exception], ...]:
    """Return what the libraries raise; Arrow's errors are of Python's."""
    found = sys.modules.get("polars.exceptions")
    return (
        NotImplementedError,
        TypeError,
        ValueError,
        OverflowError,
        *((found.PolarsError,) if found else ()),
    )


def damaged(name: str, error: BaseException) -> XComError:
    """Return the error of a file that is no longer what was written."""
    return XComError(
        f"The value of another task cannot be read, its file {name} is damaged: {error}. Clear the task that "
        "returned it, and it is made again."
    )


def _shown_names(names: Iterator[object]) -> list[str]:
    """Return short names that all differ: what looks alike is numbered."""
    found: dict[str, None] = {}
    for place, name in enumerate(names):
        shown = _cut(str(name))
        found[f"{shown} (column {place + 1})" if shown in found else shown] = None
    return list(found)


def _cut(text: str, most: int = MOST_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _cell(value: object) -> Any:
    """Return what JSON and a browser show of a cell, at little cost however large it is."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MOST_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return _cut(str(value[:MOST_CHARACTERS]))
    return _cut(_SHORT.repr(value) if isinstance(value, list | tuple | set | dict) else str(value))


def _pandas_columns(frame: Any) -> Iterator[tuple[object, object]]:
    return iter(frame.dtypes.items())


def _pandas_head(frame: Any, rows: int) -> list[list[Any]]:
    head = frame.iloc[:rows, :MOST_PREVIEWED]
    return [head.iloc[:, place].tolist() for place in range(head.shape[1])]


def _polars_columns(frame: Any) -> Iterator[tuple[object, object]]:
    return iter(frame.schema.items())


def _polars_head(frame: Any, rows: int) -> list[list[Any]]:
    return [column.to_list() for column in frame[:, :MOST_PREVIEWED].head(rows)]


def _arrow_columns(table: Any) -> Iterator[tuple[object, object]]:
    return ((field.name, field.type) for field in table.schema)


def _arrow_head(table: Any, rows: int) -> list[list[Any]]:
    head = table.slice(0, rows)
    return [head.column(place).to_pylist() for place in range(min(head.num_columns, MOST_PREVIEWED))]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("pandas.DataFrame", packing.of_pandas, packing.to_pandas, _pandas_columns, _pandas_head),
        Kind("polars.DataFrame", packing.of_polars, packing.to_polars, _polars_columns, _polars_head),
        Kind("pyarrow.Table", packing.of_arrow, packing.to_arrow, _arrow_columns, _arrow_head),
    )
}
