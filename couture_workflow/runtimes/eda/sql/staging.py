"""Rows of a database on their way into a Parquet file: in batches of bounded size, each value checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from sys import getsizeof
from typing import Any

import duckdb
import pyarrow as pa

from ..protocol import EdaError, Messages
from ..table import quoted
from . import stored_values
from .dialect import Dialect, Incoming
from .row_file import RowFile, as_stored, room
from .stored_values import conversion, in_text

#: A batch ends with so many rows, or with the bytes that there is room for.
_ROWS = 20_000
#: Columns that one statement looks at.
_WIDTH = 200
_FIRST_BAD, _LONGEST_BAD = 20, 200

_ARRIVED, _DECIDED = "arrived.parquet", "rows.parquet"


class Staging:
    """A file of rows that is filled from a database.

    :param folder: for the file, below what ``connection`` can reach.
    :param disk: bytes that the file may have, 0: any number.
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
        folder: Path,
    ) -> None:
        self.connection, self.dialect, self.columns = connection, dialect, tuple(columns)
        self.names = unique([column.name for column in columns])
        self.count = self.bytes = self.bad_count = 0
        self.bad: list[dict[str, Any]] = []
        self._progress, self._disk, self._expected, self._folder = progress, disk, expected, folder
        self._places = [f"c{place}" for place in range(len(self.columns))]
        self._kinds: list[set[type]] = [set() for _ in self.columns]

    def fill(self, rows: Iterator[Sequence[Any]]) -> str:
        """Take all rows and return the relation that has them."""
        types = ["VARCHAR" if column.decided else column.type for column in self.columns]
        with RowFile(self._folder / _ARRIVED, self.names, types) as file:
            for batch in self._batches(rows):
                self._take(batch, file)
                self._told()
        self._bound()
        return self._decide(file) if any(column.decided for column in self.columns) else file.relation

    def _batches(self, rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
        batch: list[Sequence[Any]] = []
        size, most = 0, room(len(self.columns))
        for row in rows:
            batch.append(row)
            size += sum(map(getsizeof, row))
            if size >= most or len(batch) >= _ROWS:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _take(self, batch: list[Sequence[Any]], file: RowFile) -> None:
        arrays = [self._array(place, values) for place, values in enumerate(zip(*batch, strict=True))]
        table = pa.table(dict(zip(self._places, arrays, strict=True)))
        batch.clear()  # whoever made it keeps it until there is the next one
        values = [self._value(place, column) for place, column in enumerate(self.columns)]
        with self._shown(table):
            self._look()
            file.add(self._computed(table, values))
        self.count += table.num_rows
        self.bytes += table.nbytes

    @contextmanager
    def _shown(self, table: pa.Table) -> Iterator[None]:
        self.connection.register("batch", table)
        try:
            yield
        finally:
            with suppress(duckdb.Error):
                self.connection.unregister("batch")

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
        """Return the SQL of a column as the file has it, "" where it has it as it arrived."""
        raw = self._places[place]
        value = raw if column.decided else conversion(column, raw)
        if value == raw:
            return ""
        return value if as_stored(column.type) else f"cast({value} as varchar)"

    def _computed(self, table: pa.Table, values: Sequence[str]) -> list[Any]:
        """Return the columns of what is shown, those with SQL in its place."""
        columns = list(table.columns)
        places = [place for place, value in enumerate(values) if value]
        for start in range(0, len(places), _WIDTH):
            part = places[start : start + _WIDTH]
            wanted = ", ".join(f"{values[place]} as {self._places[place]}" for place in part)
            made = self.connection.sql(f"select {wanted} from batch").to_arrow_table()  # noqa: S608
            for place, column in zip(part, made.columns, strict=True):
                columns[place] = column
        return columns

    def _look(self) -> None:
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
        self._bound()

    def _bound(self) -> None:
        """Raise EdaError if the files have become too large."""
        if self._disk and sum(path.stat().st_size for path in self._folder.glob("*.parquet")) > self._disk:
            raise EdaError(
                f"The rows of {self.dialect.what} take more disk than the {self._disk // 1024**2:,} MiB that "
                "one run may use. Read fewer rows or columns: give a limit or a query.",
                code="disk",
            )

    def _decide(self, arrived: RowFile) -> str:
        """Give each column whose values decide its type that type."""
        values = [""] * len(self.columns)
        for place, column in enumerate(self.columns):
            name = quoted(self.names[place])
            kinds = self._kinds[place]
            target, warning = chosen(self.connection, arrived.relation, name, column, kinds=kinds)
            if warning:
                self._progress.warning(f"Column {self.names[place]}: {warning}")
            if target != name:
                values[place] = target
        return self._converted(arrived, values) if any(values) else arrived.relation

    def _converted(self, arrived: RowFile, values: list[str]) -> str:
        types = self._types(arrived, values)
        for place, value in enumerate(values):
            if value and not as_stored(types[place]):
                values[place] = f"cast({value} as varchar)"
        with RowFile(self._folder / _DECIDED, self.names, types) as file:
            for part in arrived.parts():
                with self._shown(part):
                    file.add(self._computed(part, values))
                self._progress.stage("reading", share=0.99, rows=self.count, words="Deciding types")
                self._bound()
        arrived.path.unlink()
        return file.relation

    def _types(self, arrived: RowFile, values: Sequence[str]) -> list[str]:
        """Return the types of all columns, of which some have SQL in their place."""
        types = list(arrived.types)
        places = [place for place, value in enumerate(values) if value]
        for start in range(0, len(places), _WIDTH):
            part = places[start : start + _WIDTH]
            wanted = ", ".join(f"{values[place]} as {self._places[place]}" for place in part)
            found = self._do(f"describe select {wanted} from {arrived.relation}")  # noqa: S608
            for place, (_, kind, *_) in zip(part, found, strict=True):
                types[place] = str(kind)
        return types

    def _do(self, statement: str) -> list[Any]:
        """Run a statement to its end."""
        return list(self.connection.execute(statement).fetchall())


def chosen(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, column: Incoming, *, kinds: set[type]
) -> tuple[str, str]:
    """Return the SQL that gives a column its type, and what people should know, "" if nothing."""
    if column.decided == "number":
        return stored_values.number(connection, table, name)
    if column.decided == "time":
        return stored_values.time(connection, table, name)
    if column.decided == "values":
        return stored_values.by_kinds(connection, table, name, column, kinds=kinds)
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
