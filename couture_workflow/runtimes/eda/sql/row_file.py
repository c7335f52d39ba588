"""The Parquet file in which the rows of a database lie: in groups of bounded size, whatever the cells are.

DuckDB's own tables keep 122,880 rows together, which no memory holds when each has a large cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute
from pyarrow import parquet

from ..protocol import EdaError
from ..table import literal, quoted

#: A group of rows ends with so many bytes, and some for each column, or rows, whichever comes first.
_BYTES, _COLUMN, _ROWS = 4 * 1024**2, 8 * 1024, 100_000
#: Bytes of a group from which on memory is given back behind it.
_MUCH = 16 * 1024**2

#: DuckDB's types that Parquet keeps; values of others lie there as texts, and are cast when they are read.
_KEPT: dict[str, pa.DataType] = {
    "VARCHAR": pa.large_string(),
    "BLOB": pa.large_binary(),
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
}


def room(columns: int) -> int:
    """Return how many bytes of a table with so many columns are held at a time."""
    return _BYTES + _COLUMN * columns


def as_stored(type_name: str) -> pa.DataType | None:
    """Return how Parquet keeps a type of DuckDB, None for those that it does not keep."""
    if type_name.startswith("DECIMAL("):
        digits, places = type_name.removeprefix("DECIMAL(").removesuffix(")").split(",")
        return pa.decimal128(int(digits), int(places))
    return _KEPT.get(type_name)


class RowFile:
    """A file that takes rows until it is closed, and is then read by DuckDB.

    :param names: of the columns.
    :param types: of the columns, DuckDB's.
    """

    def __init__(self, path: Path, names: Sequence[str], types: Sequence[str]) -> None:
        self.path, self.names, self.types = path, tuple(names), tuple(types)
        stored = [as_stored(kind) or _KEPT["VARCHAR"] for kind in types]
        self.schema = pa.schema(list(zip(names, stored, strict=True)))
        with _on_disk():
            self._writer = parquet.ParquetWriter(
                path, self.schema, compression="snappy", write_statistics=_bounded(self.schema)
            )
        self._waiting: list[pa.Table] = []
        self._bytes = self._rows = 0
        self._most = room(len(self.names))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write()
            with _on_disk():
                self._writer.close()
        else:
            with suppress(OSError):
                self._writer.close()

    @property
    def relation(self) -> str:
        """SQL of the rows, with the columns' own names and types."""
        scan = f"read_parquet({literal(str(self.path))})"
        casts = [
            f"cast({quoted(name)} as {kind}) as {quoted(name)}"
            for name, kind in zip(self.names, self.types, strict=True)
            if as_stored(kind) is None
        ]
        return f"(select * replace ({', '.join(casts)}) from {scan})" if casts else scan  # noqa: S608

    def add(self, columns: Sequence[Any]) -> None:
        """Take rows: their columns as Arrow has them, in the columns' own types or as texts."""
        cast = [
            pyarrow.compute.cast(column, field.type)
            for column, field in zip(columns, self.schema, strict=True)
        ]
        table = pa.Table.from_arrays(cast, schema=self.schema)
        self._waiting.append(table)
        self._bytes += table.nbytes
        self._rows += table.num_rows
        if self._bytes >= self._most or self._rows >= _ROWS:
            self._write()

    def parts(self) -> Iterator[pa.Table]:
        """Give the rows again, a group at a time."""
        with parquet.ParquetFile(self.path) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number)

    def _write(self) -> None:
        if self._waiting:
            with _on_disk():
                self._writer.write_table(pa.concat_tables(self._waiting))
        if self._bytes > _MUCH:
            pa.default_memory_pool().release_unused()  # else DuckDB would have to do without it
        self._waiting, self._bytes, self._rows = [], 0, 0


def _bounded(schema: pa.Schema) -> list[str]:
    """Return the columns whose least and greatest values are kept: not those that copy a large cell twice."""
    return [
        field.name
        for field in schema
        if not (pa.types.is_large_string(field.type) or pa.types.is_large_binary(field.type))
    ]


@contextmanager
def _on_disk() -> Iterator[None]:
    """Tell a disk that takes nothing more from a database that gives nothing more."""
    try:
        yield
    except OSError as error:
        raise EdaError(
            f"The rows cannot be written to the disk: {error.strerror or error}. Free some space or read "
            "less, then run it again.",
            code="disk",
        ) from error
