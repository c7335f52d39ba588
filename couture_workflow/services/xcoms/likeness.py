"""What a file does not tell of a frame of pandas: it is noted in the file, or the frame is refused.

Arrow knows no columns of Python's objects, no names of an index but texts, and no frequency of its times.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from numbers import Integral
from reprlib import Repr
from typing import Any

#: Key of the schema's metadata.
_KEY = b"couture_pandas"
#: What a column of Arrow's types is noted as; the file has the type.
_ARROW = "arrow"
_OBJECT = "object"
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 100
#: Kinds of objects (of ``infer_dtype``) that Arrow keeps one by one.
_EXACT = frozenset({"string", "bytes", "boolean", "integer", "floating", "empty"})


class UnlikeError(ValueError):
    """A frame would come back as another one; the text has the remedy too."""


@dataclass(frozen=True)
class Notes:
    """What is put back.

    :param dtypes: types of columns and of levels of the index, by their place in the table.
    :param rows: start, stop and step of an index that is a range.
    :param columns: type of the columns' names, or start, stop and step of a range.
    :param names: those of the index's levels.
    :param freq: of the index and of the columns, if they are times.
    """

    dtypes: dict[str, str] = field(default_factory=dict)
    rows: list[int] | None = None
    columns: str | list[int] | None = None
    names: list[Any] | None = None
    freq: list[str | None] = field(default_factory=lambda: [None, None])


def noted(frame: Any, table: Any) -> Any:
    """Return the table of a frame with what it would lose; raise ``UnlikeError`` where no note tells it."""
    from pandas.api.types import is_object_dtype

    table = _understood(table)
    back = _empty(frame, table)
    dtypes = {}
    for place, name, old, new in _types(frame, back, table):
        column = table.column(place)
        if note := _note_of(name, old, new, column):
            dtypes[str(place)] = note
        if place < frame.shape[1] and is_object_dtype(old):
            if _are_objects(name, frame.iloc[:, place], column):
                dtypes[str(place)] = _OBJECT
    rows, columns = _range(frame.index, back.index), _axis(frame.columns, back.columns)
    freq = [getattr(axis, "freqstr", None) for axis in (frame.index, frame.columns)]
    notes = Notes(dtypes, rows, columns, _names(frame.index), freq)
    if notes == Notes():
        return table
    return table.replace_schema_metadata({**table.schema.metadata, _KEY: json.dumps(asdict(notes))})


def to_pandas(table: Any) -> Any:
    """Return the frame of a table, which is given up."""
    kept = (table.schema.metadata or {}).get(_KEY)
    notes = Notes(**json.loads(kept)) if kept else Notes()
    levels = _level_places(table)
    # Taken first: a column is given up once pandas has it.
    arrays = {int(place): _array(table.column(int(place)), note) for place, note in notes.dtypes.items()}
    frame = table.to_pandas(self_destruct=True)  # without a copy (split_blocks) no cell could be assigned to
    for place, array in arrays.items():
        if place not in levels:
            frame.isetitem(place, _series(array, frame.index))
    _restore_axes(frame, notes, [arrays.get(place) for place in levels])
    return frame


def check_attrs(attrs: Any) -> None:
    """Raise ``UnlikeError`` if JSON does not keep what a frame has beside its columns."""
    try:
        kept = json.loads(json.dumps(attrs)) == attrs
    except (TypeError, ValueError):
        kept = False
    if not kept:
        raise UnlikeError("frame.attrs holds what JSON does not keep. Clear it: frame.attrs = {}")


def _empty(frame: Any, table: Any) -> Any:
    """Return a frame without rows as it would come back, once its columns have the names of this one's."""
    from pandas.api.types import is_any_real_numeric_dtype, is_string_dtype

    remedy = "Name the columns by text: frame.columns = frame.columns.map(str)"
    try:
        back = table.slice(0, 0).to_pandas()
    except (TypeError, ValueError, NotImplementedError) as error:
        kind = frame.columns.dtype
        if is_any_real_numeric_dtype(kind) or is_string_dtype(frame.columns):  # it is not the names
            raise
        raise UnlikeError(f"the names of its columns are of the type {kind}. {remedy}") from error
    if not frame.columns.equals(back.columns):
        pairs = zip(frame.columns, back.columns, strict=False)
        axes = (frame.columns, back.columns)
        old, new = next(((old, new) for old, new in pairs if repr(old) != repr(new)), axes)
        raise UnlikeError(f"the column name {old!r} would come back as {new!r}. {remedy}")
    return back


def _understood(table: Any) -> Any:
    """Return a table that pandas can read: it fails on the names of some of Arrow's own types."""
    from pandas.api.types import pandas_dtype

    about = table.schema.pandas_metadata
    changed = False
    for column in about["columns"]:
        if column["numpy_type"].endswith("[pyarrow]"):
            try:
                pandas_dtype(column["numpy_type"])
            except (TypeError, NotImplementedError):
                column["numpy_type"], changed = "object", True
    if not changed:
        return table
    return table.replace_schema_metadata({**table.schema.metadata, b"pandas": json.dumps(about)})


def _level_places(table: Any) -> list[int]:
    about = table.schema.pandas_metadata or {}
    names = [each for each in about.get("index_columns", ()) if isinstance(each, str)]
    return [table.schema.get_field_index(name) for name in names]


def _types(frame: Any, back: Any, table: Any) -> Iterator[tuple[int, object, Any, Any]]:
    """Return place, name, type, and type that would come back, of each column and level of the index."""
    for place, (old, new) in enumerate(zip(frame.dtypes, back.dtypes, strict=True)):
        yield place, frame.columns[place], old, new
    for number, place in enumerate(_level_places(table)):
        old, new = (axis.get_level_values(number) for axis in (frame.index, back.index))
        yield place, f"{number + 1} of the index", old.dtype, new.dtype


def _note_of(name: object, old: Any, new: Any, column: Any) -> str:
    """Return what puts a type back, "" if there is nothing to do."""
    import pandas

    if isinstance(old, pandas.ArrowDtype):
        if old.pyarrow_dtype == column.type:
            return _ARROW
    elif isinstance(old, pandas.CategoricalDtype):
        new = column.slice(0, 1).to_pandas().dtype  # without rows there are no categories
        if not column.num_chunks or _alike(old.categories.dtype, new.categories.dtype):
            return ""
        old, new = old.categories.dtype, new.categories.dtype
        if str(old) in ("object", "string", "str"):
            return f"category:{old}"
        name = f"{name} (its categories)"
    elif _alike(old, new):
        return ""
    elif str(old) == _OBJECT or hasattr(old, "__from_arrow__"):
        return str(old)
    raise UnlikeError(
        f"the column {name} of the type {old} would come back as {new}. Convert it: frame.astype"
    )


def _alike(old: Any, new: Any) -> bool:
    """Tell whether two types say the same; the class of a time zone, and where texts are, do not count."""
    import pandas

    if isinstance(old, pandas.StringDtype) and isinstance(new, pandas.StringDtype):
        return (old.na_value is pandas.NA) == (new.na_value is pandas.NA)
    if isinstance(old, pandas.DatetimeTZDtype) and isinstance(new, pandas.DatetimeTZDtype):
        return bool(old.unit == new.unit)
    return bool(old == new)


def _are_objects(name: object, values: Any, column: Any) -> bool:
    """Tell whether lists and such are to come back as Python's; refuse what would be another value."""
    from pandas.api.types import infer_dtype
    from pyarrow import types

    if types.is_nested(column.type):
        place = values.first_valid_index()
        return place is not None and not hasattr(values.dropna().iloc[0], "dtype")
    if infer_dtype(values, skipna=True) not in _EXACT:
        for old, new in zip(values, column.to_pylist(), strict=True):
            if new is not None and old != new:
                told = f"{_SHORT.repr(old)} in the column {name!r} would come back as {_SHORT.repr(new)}"
                raise UnlikeError(f"{told}. Give the column values of one type")
    return False


def _range(old: Any, new: Any) -> list[int] | None:
    import pandas

    both = isinstance(old, pandas.RangeIndex), isinstance(new, pandas.RangeIndex)
    return [old.start, old.stop, old.step] if both == (True, False) else None


def _axis(old: Any, new: Any) -> str | list[int] | None:
    import pandas

    if (found := _range(old, new)) is not None or isinstance(old, pandas.MultiIndex):
        return found
    return str(old.dtype) if str(old.dtype) in ("object", "string") and old.dtype != new.dtype else None


def _names(index: Any) -> list[Any] | None:
    if all(name is None or isinstance(name, str) for name in index.names):
        return None
    names = [_plain(name) for name in index.names]
    if [_name(each) for each in json.loads(json.dumps(names, default=str))] != list(index.names):
        raise UnlikeError(
            f"a name of the index, {list(index.names)!r}, is neither a text nor a number. "
            "Give it another: frame.rename_axis(index='name')"
        )
    return names


def _plain(name: object) -> object:
    if isinstance(name, tuple):
        return [_plain(each) for each in name]
    return int(name) if isinstance(name, Integral) and not isinstance(name, bool) else name


def _name(noted: object) -> object:
    return tuple(_name(each) for each in noted) if isinstance(noted, list) else noted


def _series(values: Any, index: Any) -> Any:
    import pandas

    return pandas.Series(values, dtype=values.dtype, index=index, copy=False)


def _array(column: Any, note: str) -> Any:
    import numpy
    import pandas
    from pandas.api.types import pandas_dtype

    if note == _OBJECT:
        array = numpy.empty(len(column), dtype=object)
        array[:] = column.to_pylist()
        return array
    if note == _ARROW:
        return pandas.ArrowDtype(column.type).__from_arrow__(column)
    what, _, of_categories = note.partition(":")
    if of_categories:
        found = column.to_pandas().array
        return found.rename_categories(found.categories.astype(of_categories))
    return pandas_dtype(what).__from_arrow__(column)


def _restore_axes(frame: Any, notes: Notes, levels: list[Any]) -> None:
    import pandas

    index = frame.index
    if any(level is not None for level in levels):
        old = [index.get_level_values(place) for place in range(index.nlevels)]
        both = zip(levels, old, strict=True)
        new = [values if level is None else pandas.Index(level, dtype=level.dtype) for level, values in both]
        many = None if len(new) == 1 else pandas.MultiIndex.from_arrays(new, names=index.names)
        frame.index = new[0].rename(index.name) if many is None else many
    if notes.rows is not None:
        frame.index = pandas.RangeIndex(*notes.rows, name=index.name)
    if notes.names is not None:
        frame.index.names = [_name(name) for name in notes.names]
    if isinstance(notes.columns, list):
        frame.columns = pandas.RangeIndex(*notes.columns, name=frame.columns.name)
    elif notes.columns:
        frame.columns = frame.columns.astype(notes.columns)
    for axis, freq in zip((frame.index, frame.columns), notes.freq, strict=True):
        if freq and isinstance(axis, pandas.DatetimeIndex | pandas.TimedeltaIndex):
            with contextlib.suppress(ValueError):  # another pandas knows it by another name
                axis.freq = freq
