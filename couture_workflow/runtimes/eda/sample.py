"""A sample of a table's rows, each as likely as any other: what is shown, and what is not computed of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .profile_values import text
from .statistics_sql import SHOWN, Measured
from .table import Table

if TYPE_CHECKING:
    import pyarrow

#: Cells of a sample at most: a wide table has fewer rows in it.
_CELLS = 4_000_000
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
    if not shown or not size:
        return Sample(tuple(one.column.name for one in shown), None, 0, rows)
    raw = ", ".join(
        f"{_cell(one, one.sql) if one.place in long else one.sql} AS c{place}"
        for place, one in enumerate(shown)
    )
    cells = ", ".join(
        f"c{place}" if one.place in long else f"{_cell(one, f'c{place}')} AS c{place}"
        for place, one in enumerate(shown)
    )
    statement = (
        f"SELECT {cells} FROM (SELECT * FROM (SELECT {raw} FROM {table.relation}) "  # noqa: S608 (quoted names)
        f"USING SAMPLE reservoir({size} ROWS) REPEATABLE ({_SEED}))"
    )
    found = table.connection.sql(statement).to_arrow_table()
    return Sample(tuple(one.column.name for one in shown), found, found.num_rows, rows)


def _is_long(document: dict[str, Any]) -> bool:
    """Tell whether values are so long that they are cut before the sample is taken."""
    if document["kind"] in ("nested", "binary"):
        return True
    return bool(document["lengths"]) and document["lengths"]["max"] > SHOWN


def _cell(one: Measured, value: str) -> str:
    if one.kind == "binary":
        return f"CASE WHEN {value} IS NOT NULL THEN octet_length({value}) || ' bytes' END"
    if one.kind in ("text", "nested"):
        return f"left({value}::VARCHAR, {SHOWN + 1})"
    return f"{value}::VARCHAR"
