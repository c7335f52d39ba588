"""How data frames become files and come back as what they were.

Parquet keeps most frames. What it would give back as something else (categories that are no text, two columns
of one name, times in seconds) goes into a file of Arrow, which keeps everything that Arrow knows.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import XComError
from couture_workflow.services.xcoms import likeness

PARQUET, ARROW = ".parquet", ".arrow"
#: Light and fast: frames are read once or twice, and then go with their run.
COMPRESSION = "lz4"
#: Bytes of a column's categories up to which Parquet keeps all of them, and their order.
_MOST_CATEGORIES = 2**19
#: What a file of Arrow begins with.
_MAGIC = b"ARROW1"
#: How polars tells what the operating system said, of a full disk too.
_OF_SYSTEM = re.compile(r"\(os error (\d+)\)")

#: Where a frame is written to, or read from: a file or the memory.
Target = Path | BytesIO
Source = Path | bytes

_INSTALL = "Install it: pip install 'couture-workflow[frames]'."


@dataclass(frozen=True)
class Packed:
    """A frame that is ready to be written.

    :param suffix: of the name of its file.
    """

    suffix: str
    dump: Callable[[Target], None]


def of_pandas(frame: Any) -> Packed:
    """Return a frame of pandas ready to be written; raise ``ValueError`` if it would be another."""
    no_columns = len(frame.columns) == 0 and len(frame) > 0  # then only an index tells how many rows
    likeness.check_attrs(frame.attrs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*column names of mixed type")  # they are looked at here
        warnings.filterwarnings("ignore", message=".*non-str index name")
        table = _pyarrow().Table.from_pandas(frame, preserve_index=True if no_columns else None)
    _check_categories(table)
    return of_arrow(likeness.noted(frame, table))


def to_pandas(source: Source) -> Any:
    """Return the frame of pandas of a file."""
    return likeness.to_pandas(to_arrow(source))


def of_arrow(table: Any) -> Packed:
    """Return a table of Arrow ready to be written; raise ``ValueError`` if no file can hold it."""
    _check_categories(table)
    _check_types(table.schema)
    if _parquet_keeps(table):
        return Packed(PARQUET, lambda target: _dump_parquet(table, target))
    return Packed(ARROW, lambda target: _dump_arrow(table, target))


def _check_categories(table: Any) -> None:
    from pyarrow import BaseExtensionType, types

    for field in table.schema:
        if types.is_dictionary(field.type) and isinstance(field.type.value_type, BaseExtensionType):
            raise ValueError(f"the categories of the column {field.name} are {field.type.value_type}")


def _check_types(schema: Any) -> None:
    """Raise ``ValueError`` for a type that another process cannot know."""
    from pyarrow import ipc

    for old, new in zip(schema, ipc.read_schema(schema.serialize()), strict=True):
        if old.type != new.type:
            raise ValueError(
                f"the type {old.type} of the column {old.name} is not registered with Arrow, and would come "
                f"back as {new.type}"
            )


def to_arrow(source: Source) -> Any:
    """Return the table of a file."""
    arrow = _pyarrow()
    from pyarrow import ipc, parquet

    if isinstance(source, Path):
        if source.suffix == ARROW:
            with arrow.memory_map(str(source)) as mapped:
                return ipc.open_file(mapped).read_all()
        return parquet.read_table(source, memory_map=True, partitioning=None)
    reader = arrow.BufferReader(source)
    return ipc.open_file(reader).read_all() if source.startswith(_MAGIC) else parquet.read_table(reader)


def of_polars(frame: Any) -> Packed:
    """Return a frame of polars ready to be written."""

    from polars.exceptions import PolarsError

    def dump(target: Target) -> None:
        try:
            frame.write_parquet(target, compression=COMPRESSION, statistics=False)
        except PolarsError as error:
            if found := _OF_SYSTEM.search(str(error)):
                raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
            raise

    return Packed(PARQUET, dump)


def to_polars(source: Source) -> Any:
    """Return the frame of polars of a file."""
    try:
        import polars
    except ImportError as error:
        raise XComError(f"The value is a data frame of polars, which is not here. {_INSTALL}") from error
    return polars.read_parquet(source, glob=False)


def _dump_parquet(table: Any, target: Target) -> None:
    from pyarrow import parquet

    parquet.write_table(
        table,
        target,
        compression=COMPRESSION,
        use_dictionary=[field.name for field in table.schema if _is_text(field.type)],
        write_statistics=False,
        use_compliant_nested_type=False,  # the items of lists keep their name, and so the schema
    )


def _dump_arrow(table: Any, target: Target) -> None:
    from pyarrow import ipc

    options = ipc.IpcWriteOptions(compression=COMPRESSION, unify_dictionaries=True)
    where = str(target) if isinstance(target, Path) else target
    with ipc.new_file(where, table.schema, options=options) as file:
        if table.num_rows:
            file.write_table(table)
        elif all(column.num_chunks for column in table.columns):  # without rows, there are categories
            chunks = [column.chunk(0) for column in table.columns]
            file.write_batch(_pyarrow().RecordBatch.from_arrays(chunks, schema=table.schema))


def _parquet_keeps(table: Any) -> bool:
    """Tell whether Parquet gives a table back as it is; a table without rows is asked."""
    from pyarrow import parquet

    schema, memory = table.schema, BytesIO()
    if not schema.names or len(set(schema.names)) < len(schema.names):
        return False
    if not all(_few_categories(column) for column in table.columns):
        return False
    try:
        parquet.write_table(schema.empty_table(), memory, use_compliant_nested_type=False)
    except (NotImplementedError, TypeError, ValueError):
        return False
    back = parquet.ParquetFile(BytesIO(memory.getvalue())).read().schema  # without pyarrow.dataset's import
    return all(_alike(old.type, new.type) for old, new in zip(schema, back, strict=True))


def _few_categories(column: Any) -> bool:
    from pyarrow import types

    if not types.is_dictionary(column.type):
        return True
    return len(column) > 0 and all(chunk.dictionary.nbytes <= _MOST_CATEGORIES for chunk in column.chunks)


def _alike(old: Any, new: Any) -> bool:
    """Tell whether two types are the same, but for the width of the numbers of categories."""
    from pyarrow import types

    if types.is_dictionary(old) and types.is_dictionary(new):
        return bool(old.value_type == new.value_type and old.ordered == new.ordered)
    return bool(old.equals(new, check_metadata=True))  # the names in a map too


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind))


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise XComError(f"Data frames between tasks need pyarrow, which is not here. {_INSTALL}") from error
    return pyarrow
