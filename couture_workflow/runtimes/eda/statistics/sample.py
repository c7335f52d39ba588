"""A sample of a table's rows, each as likely as any other: what is shown, and what is not computed of all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..table import Table
from .expressions import SHOWN, Measured
from .json_values import text

if TYPE_CHECKING:
    import pyarrow

#: Cells of a sample at most: a wide table has fewer rows in it.
_CELLS = 4_000_000
#: Columns in one statement.
_TOGETHER = 100
#: The same rows of the same data are taken each time.
_SEED = 20_000


@dataclass(frozen=True)
class Sample:
    """Rows taken at random.

    :param names: the columns that may be shown, those of ``rows`` in their order.
    :param rows: each column as text.
    :param size: number of rows.
    :param of: number of rows that they were taken from.
    """

    names: tuple[str, ...]
    rows: pyarrow.Table | None
    size: int
    of: int

    def texts(self, name: str) -> list[str | None]:
        """Return a column's values."""
        if self.rows is None or name not in self.names:
            return []
        values: list[str | None] = self.rows.column(self.names.index(name)).to_pylist()
        return values

    def first(self, count: int, names: Sequence[str]) -> list[list[str | None]]:
        """Return some rows, of some columns."""
        if self.rows is None:
            return []
        part = self.rows.slice(0, count)
        columns = [part.column(self.names.index(name)).to_pylist() for name in names]
        return [[text(value) for value in row] for row in zip(*columns, strict=True)]


def taken(
    table: Table, columns: Sequence[Measured], documents: Sequence[dict[str, Any]], *, rows: int, asked: int
) -> Sample:
    """Take a sample of the columns that are not sensitive.

    :param documents: the columns' statistics.
    :param rows: of the table.
    :param asked: rows of the sample.
    """
    shown = [one for one in columns if not one.sensitive]
    long = {one.place for one, document in zip(columns, documents, strict=True) if _is_long(document)}
    size = min(asked, rows, max(_CELLS // max(len(shown), 1), 20))
    names = tuple(one.column.name for one in shown)
    if not shown or not size:
        return Sample(names, None, 0, rows)
    if len(shown) > _TOGETHER or long:
        return Sample(names, _by_numbers(table, shown, long, rows=rows, size=size), size, rows)
    raw = ", ".join(f"{one.sql} AS c{place}" for place, one in enumerate(shown))
    cells = ", ".join(f"{cell(one, f'c{place}')} AS c{place}" for place, one in enumerate(shown))
    statement = (
        f"SELECT {cells} FROM (SELECT * FROM (SELECT {raw} FROM {table.relation}) "  # noqa: S608 (quoted names)
        f"USING SAMPLE reservoir({size} ROWS) REPEATABLE ({_SEED}))"
    )
    found = table.connection.sql(statement).to_arrow_table()
    return Sample(names, found, found.num_rows, rows)


def _by_numbers(
    table: Table, shown: Sequence[Measured], long: Collection[int], *, rows: int, size: int
) -> pyarrow.Table:
    """Take rows by their numbers, some columns at a time: DuckDB gives the rows in one order.

    DuckDB's own sample would sort whole values before it cuts them.

    :param long: places of the columns whose values are cut before rows are taken.
    """
    import numpy
    import pyarrow

    numbers = numpy.sort(numpy.random.default_rng(_SEED).choice(rows, size, replace=False)) + 1
    chosen = pyarrow.table({"number": numbers})
    table.connection.register("couture_numbers", chosen)
    parts, numbered = [], list(enumerate(shown))
    for start in range(0, len(shown), _TOGETHER):
        group = numbered[start : start + _TOGETHER]
        raw = ", ".join(
            f"{cell(one, one.sql) if one.place in long else one.sql} AS c{place}" for place, one in group
        )
        cells = ", ".join(
            f"c{place}" if one.place in long else f"{cell(one, f'c{place}')} AS c{place}"
            for place, one in group
        )
        inner = f"SELECT row_number() OVER () AS couture_row, {raw} FROM {table.relation}"  # noqa: S608
        statement = (
            f"SELECT {cells} FROM ({inner}) WHERE couture_row IN (SELECT number FROM couture_numbers) "  # noqa: S608
            "ORDER BY couture_row"
        )
        parts.append(table.connection.sql(statement).to_arrow_table())
    table.connection.unregister("couture_numbers")
    return pyarrow.table({name: part.column(name) for part in parts for name in part.column_names})


def _is_long(document: dict[str, Any]) -> bool:
    """Tell whether values are so long that they are cut before the sample is taken."""
    if document["kind"] in ("nested", "binary"):
        return True
    return bool(document["lengths"]) and document["lengths"]["max"] > SHOWN


def cell(one: Measured, value: str) -> str:
    """Return SQL of a value as the text that is shown of it."""
    if one.kind == "binary":
        return f"CASE WHEN {value} IS NOT NULL THEN octet_length({value}) || ' bytes' END"
    if one.kind in ("text", "nested"):
        return f"left({value}::VARCHAR, {SHOWN + 1})"
    return f"{value}::VARCHAR"
