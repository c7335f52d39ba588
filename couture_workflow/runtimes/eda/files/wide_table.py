"""Types for very many columns: a group of rows at a time and each column on its own, in bounded memory.

One query with thousands of casts takes minutes to be planned and memory that nobody has. pyarrow casts a
column in no time; what it does not read as DuckDB does (a plus sign, a date without zeros) DuckDB casts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.compute
from pyarrow import parquet

from ..table import quoted
from .column_types import BIG, TEXT, Typed, Types

if TYPE_CHECKING:
    import duckdb

_TYPES: Mapping[str, Any] = {
    TEXT: pyarrow.string(),
    "BIGINT": pyarrow.int64(),
    BIG: pyarrow.decimal128(38, 0),
    "DOUBLE": pyarrow.float64(),
    "BOOLEAN": pyarrow.bool_(),
    "DATE": pyarrow.date32(),
    "TIMESTAMP": pyarrow.timestamp("us"),
    "TIMESTAMP_NS": pyarrow.timestamp("ns"),
    "TIMESTAMPTZ": pyarrow.timestamp("us", "UTC"),
    "TIME": pyarrow.time64("us"),
}


def write(
    connection: duckdb.DuckDBPyConnection, source: Path, target: Path, typed: Sequence[Typed], types: Types
) -> None:
    """Write the texts of a Parquet file into another one, with the names and types that were found."""
    schema = pyarrow.schema([(each.text.name, _type(each.type)) for each in typed])
    words = pyarrow.array([word for word in types.nulls if word], pyarrow.string())
    file = parquet.ParquetFile(source)
    with parquet.ParquetWriter(target, schema, compression="snappy", use_dictionary=False) as writer:
        for number in range(file.num_row_groups):
            part = file.read_row_group(number)
            columns = [_cast(part[each.text.physical], each, words, types.decimal) for each in typed]
            rest = [each for each, column in zip(typed, columns, strict=True) if column is None]
            made = _by_duckdb(connection, part, rest, types) if rest else {}
            arrays = [
                made[each.text.name] if column is None else column
                for each, column in zip(typed, columns, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _type(name: str) -> Any:
    if name in _TYPES:
        return _TYPES[name]
    digits, places = name.removeprefix("DECIMAL(").removesuffix(")").split(",")
    return pyarrow.decimal128(int(digits), int(places))


def _cast(column: Any, typed: Typed, words: Any, decimal: str) -> Any:
    """Return a column in its type, None where pyarrow does not read it."""
    if len(words):
        is_word = pyarrow.compute.is_in(column, value_set=words)
        column = pyarrow.compute.if_else(is_word, pyarrow.scalar(None, pyarrow.string()), column)
    if typed.type == TEXT:
        return column
    if decimal == "," and typed.type not in ("BIGINT", BIG):
        return None
    try:
        return pyarrow.compute.cast(column, _type(typed.type))
    except pyarrow.ArrowException:
        return None


def _by_duckdb(
    connection: duckdb.DuckDBPyConnection, part: Any, typed: Sequence[Typed], types: Types
) -> dict[str, Any]:
    connection.register("part", part.select([each.text.physical for each in typed]))
    try:
        listed = ", ".join(types.sql(each) for each in typed)
        found = connection.sql(f"select {listed} from {quoted('part')}").to_arrow_table()  # noqa: S608
    finally:
        connection.unregister("part")
    return {each.text.name: pyarrow.compute.cast(found[each.text.name], _type(each.type)) for each in typed}
