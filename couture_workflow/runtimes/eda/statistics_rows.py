"""What whole rows tell: how many are duplicates, and which columns are missing together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from .statistics_sql import Measured
from .table import Table

#: Columns in one number of a pattern, patterns that are kept.
_BITS, _PATTERNS = 60, 20
#: Rows that share a hash and are compared as a whole at most, and columns of such rows.
_COMPARED, _WIDE = 5_000_000, 1_000


def duplicates(
    table: Table, columns: Sequence[Measured], rows: int, left_out: list[str]
) -> dict[str, int | bool | None]:
    """Return the number of rows that are there already: all rows minus distinct ones.

    Rows are told apart by a hash first; those that share one are compared value by value.

    :param left_out: takes a sentence if it could not be told exactly.
    """
    if not rows or not columns:
        return {"rows": 0, "exact": True}
    try:
        return _duplicates(table, columns, rows, left_out)
    except duckdb.OutOfMemoryException as error:
        if "max_temp_directory_size" in str(error) or "No space left" in str(error):
            raise
        left_out.append("Duplicate rows are not counted: that needs more memory than this run may use.")
        return {"rows": None, "exact": False}


def _duplicates(
    table: Table, columns: Sequence[Measured], rows: int, left_out: list[str]
) -> dict[str, int | bool | None]:
    connection = table.connection
    listed = ", ".join(one.sql for one in columns)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE couture_twins AS SELECT h, count(*) AS n FROM "  # noqa: S608 (quoted names)
        f"(SELECT hash({listed}) AS h FROM {table.relation}) GROUP BY h HAVING count(*) > 1"
    )
    try:
        hashes, twins = _row(table, "SELECT count(*), coalesce(sum(n), 0) FROM couture_twins")
        if not hashes:
            return {"rows": 0, "exact": True}
        if len(columns) > _WIDE or (twins > _COMPARED and hashes * 2 > _COMPARED):
            left_out.append(
                "Duplicate rows are counted by a hash of 64 bits of each row: they are too many or too wide "
                "to compare them value by value."
            )
            return {"rows": int(twins - hashes), "exact": False}
        (distinct,) = _row(
            table,
            f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {table.relation} "  # noqa: S608 (quoted names)
            f"WHERE hash({listed}) IN (SELECT h FROM couture_twins))",
        )
        return {"rows": int(twins) - int(distinct), "exact": True}
    finally:
        connection.execute("DROP TABLE IF EXISTS couture_twins")


def missing_patterns(
    table: Table, columns: Sequence[Measured], documents: Sequence[dict[str, Any]], rows: int
) -> list[dict[str, Any]]:
    """Return the most frequent sets of columns that are missing in one row, at most 20, with their rows."""
    lacking = [one for one, document in zip(columns, documents, strict=True) if document["missing"]]
    if not lacking or not rows:
        return []
    numbers = [
        " + ".join(
            f"(({one.sql} IS NULL)::BIGINT << {bit})"
            for bit, one in enumerate(lacking[start : start + _BITS])
        )
        for start in range(0, len(lacking), _BITS)
    ]
    places = ", ".join(str(place + 1) for place in range(len(numbers)))
    found = table.connection.execute(
        f"SELECT {', '.join(numbers)}, count(*) AS n FROM {table.relation} GROUP BY {places} "  # noqa: S608
        f"ORDER BY n DESC, {places} LIMIT {_PATTERNS}"
    ).fetchall()
    return [{"missing": _names(lacking, row[:-1]), "rows": int(row[-1])} for row in found]


def _names(lacking: Sequence[Measured], numbers: Sequence[int]) -> list[str]:
    return [
        one.column.name for place, one in enumerate(lacking) if numbers[place // _BITS] >> (place % _BITS) & 1
    ]


def _row(table: Table, statement: str) -> tuple[Any, ...]:
    row = table.connection.execute(statement).fetchone()
    if row is None:
        raise LookupError("an aggregate has a row")
    return tuple(row)
