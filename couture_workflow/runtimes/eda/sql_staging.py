"""Rows of a database on their way into a table of DuckDB: in batches of bounded size, each value checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from sys import getsizeof
from typing import Any

import duckdb
import pyarrow as pa

from . import sql_values
from .protocol import EdaError, Messages
from .sql_dialect import Dialect, Incoming
from .sql_values import conversion, in_text
from .table import quoted

#: A batch ends with so many rows or bytes, whichever comes first.
_ROWS, _BYTES = 20_000, 16 * 1024**2
#: Columns that one statement looks at.
_WIDTH = 200
_FIRST_BAD, _LONGEST_BAD = 20, 200

_RAW, _STAGED = "arrived", "rows"


class Staging:
    """A table of DuckDB that is filled from a database.

    :param disk: bytes that the file of the table may have, 0: any number.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        dialect: Dialect,
        columns: Sequence[Incoming],
        *,
        progress: Messages,
        disk: int = 0,
        expected: int | None = None,
        file: Path,
    ) -> None:
        self.connection, self.dialect, self.columns = connection, dialect, tuple(columns)
        self.names = unique([column.name for column in columns])
        self.count = self.bytes = self.bad_count = 0
        self.bad: list[dict[str, Any]] = []
        self._progress, self._disk, self._expected, self._file = progress, disk, expected, file
        self._places = [f"c{place}" for place in range(len(self.columns))]
        self._kinds: list[set[type]] = [set() for _ in self.columns]
        self._later = any(column.decided for column in self.columns)
        self._table = _RAW if self._later else _STAGED

    def fill(self, rows: Iterator[Sequence[Any]]) -> str:
        """Take all rows and return the name of the table."""
        types = ", ".join(
            f"{quoted(name)} {'VARCHAR' if column.decided else column.type}"
            for name, column in zip(self.names, self.columns, strict=True)
        )
        self._do(f"create table {self._table} ({types})")
        for batch in self._batches(rows):
            self._take(batch)
            self._told()
        return self._decide() if self._later else _STAGED

    def _batches(self, rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
        batch: list[Sequence[Any]] = []
        size = 0
        for row in rows:
            batch.append(row)
            size += sum(map(getsizeof, row))
            if size >= _BYTES or len(batch) >= _ROWS:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _take(self, batch: list[Sequence[Any]]) -> None:
        arrays = [self._array(place, values) for place, values in enumerate(zip(*batch, strict=True))]
        table = pa.table(dict(zip(self._places, arrays, strict=True)))
        self.connection.register("batch", table)
        try:
            values = ", ".join(self._value(place, column) for place, column in enumerate(self.columns))
            self._do(f"insert into {self._table} select {values} from batch")  # noqa: S608
            self._look(table)
        finally:
            with suppress(duckdb.Error):
                self.connection.unregister("batch")
        self.count += len(batch)
        self.bytes += table.nbytes

    def _array(self, place: int, values: Sequence[Any]) -> pa.Array:
        column = self.columns[place]
        if column.binary:
            return pa.array(values, pa.large_binary())
        if column.decided == "values":
            kinds = set(map(type, values))
            self._kinds[place] |= kinds
            values = in_text(values, kinds)
        return pa.array(values, pa.large_string())

    def _value(self, place: int, column: Incoming) -> str:
        return self._places[place] if column.decided else conversion(column, self._places[place])

    def _look(self, table: pa.Table) -> None:
        """Count the values that could not be kept as they are, and keep the first ones."""
        tests = self._tests()
        for start in range(0, len(tests), _WIDTH):
            part = tests[start : start + _WIDTH]
            wanted = ", ".join(f"count(*) filter ({test})" for _, test, _ in part)
            ((*counts,),) = self._do(f"select {wanted} from batch")  # noqa: S608
            for found, (place, test, reason) in zip(counts, part, strict=True):
                if found:
                    self.bad_count += found
                    self._keep(place, test, reason)

    def _tests(self) -> list[tuple[int, str, str]]:
        """Return column, SQL that is true for a value that is at fault, and the reason."""
        tests = []
        for place, column in enumerate(self.columns):
            name, raw = self.names[place], self._places[place]
            if column.fallible and not column.decided:
                tests.append(
                    (
                        place,
                        f"{raw} is not null and {conversion(column, raw)} is null",
                        f"column {name}: a value that {column.type} cannot hold; it counts as missing",
                    )
                )
            elif self.dialect.lossy and not column.binary:
                reason = f"column {name}: characters in no known encoding; they are shown as U+FFFD"
                tests.append((place, f"contains({raw}, chr(65533))", reason))
        return tests

    def _keep(self, place: int, test: str, reason: str) -> None:
        room = _FIRST_BAD - len(self.bad)
        if room <= 0:
            return
        raw = self._places[place]
        rows = self._do(
            f"select number, left(cast({raw} as varchar), {_LONGEST_BAD}) "  # noqa: S608
            f"from (select row_number() over () as number, * from batch) where {test} limit {room}"
        )
        for number, text in rows:
            self.bad.append({"line": self.count + number, "reason": reason, "text": text})

    def _told(self) -> None:
        share = min(self.count / self._expected, 0.99) if self._expected else None
        words = f"Reading {self.dialect.what}"
        self._progress.stage("reading", share=share, rows=self.count, words=words)
        if self._disk and self._size() > self._disk:
            raise EdaError(
                f"The rows of {self.dialect.what} take more disk than the {self._disk // 1024**2:,} MiB "
                "that one "
                "run may use. Read fewer rows or columns: give a limit or a query.",
                code="disk",
            )

    def _size(self) -> int:
        """Return the bytes of the file and of what is about to go into it."""
        return sum(path.stat().st_size for path in self._file.parent.glob(f"{self._file.name}*"))

    def _decide(self) -> str:
        """Give each column whose values decide its type that type."""
        values = []
        for place, column in enumerate(self.columns):
            name = quoted(self.names[place])
            target, warning = chosen(self.connection, _RAW, name, column, kinds=self._kinds[place])
            if warning:
                self._progress.warning(f"Column {self.names[place]}: {warning}")
            values.append(f"{target} as {name}")
        self._do(f"create table {_STAGED} as select {', '.join(values)} from {_RAW}")  # noqa: S608
        self._do(f"drop table {_RAW}")
        return _STAGED

    def _do(self, statement: str) -> list[Any]:
        """Run a statement to its end."""
        try:
            return list(self.connection.execute(statement).fetchall())
        except duckdb.Error as error:
            if "pin block" not in str(error):
                raise
            raise EdaError(
                f"The values of {self.dialect.what} are too large for the memory that one run may use. Give "
                "it "
                "more with the option [couture_workflow] eda_memory, or leave the largest columns out by a "
                "query.",
                code="memory",
            ) from error


def chosen(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, column: Incoming, *, kinds: set[type]
) -> tuple[str, str]:
    """Return the SQL that gives a column its type, and what people should know, "" if nothing."""
    if column.decided == "number":
        return sql_values.number(connection, table, name)
    if column.decided == "time":
        return sql_values.time(connection, table, name)
    if column.decided == "values":
        return sql_values.by_kinds(connection, table, name, column, kinds=kinds)
    return name, ""


def unique(names: Sequence[str]) -> list[str]:
    """Return names that differ also without regard to upper and lower case, as DuckDB wants them."""
    taken: set[str] = set()
    found = []
    for place, name in enumerate(names, 1):
        base = fitting = name.replace("\0", "") or f"column{place}"
        numbers = count(1)
        while fitting.lower() in taken:
            fitting = f"{base}_{next(numbers)}"
        taken.add(fitting.lower())
        found.append(fitting)
    return found
