"""What whole rows tell: how many are duplicates, and which columns are missing together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from ..table import Table
from .expressions import Measured
from .json_values import text
from .sample import cell

#: Columns in one number of a pattern, patterns that are kept, columns of patterns.
_BITS, _PATTERNS, _LACKING = 60, 20, 600
#: Rows that share a hash and are compared as a whole at most, and columns of such rows.
_COMPARED, _WIDE = 5_000_000, 1_000
#: Columns of a wider row that are hashed in one statement, and what the hashes are put together by.
_TOGETHER, _PRIME = 100, 0x9E3779B97F4A7C15
#: Rows that are listed because they are repeated, columns of them, and of a table of which they are.
_REPEATED, _REPEATED_COLUMNS, _REPEATED_WIDTH = 10, 50, 100
_BY_A_HASH = (
    "Duplicate rows are counted by a hash of 64 bits of each row: they are too many or too wide to compare "
    "them value by value."
)


def duplicates(
    table: Table, columns: Sequence[Measured], rows: int, left_out: list[str]
) -> dict[str, int | bool | None]:
    """Return the number of rows that are there already: all rows minus distinct ones.

    Rows are told apart by a hash first; those that share one are compared value by value. The hashes are kept
    for :func:`most_repeated`.

    :param left_out: takes a sentence if it could not be told exactly.
    """
    if not rows or not columns:
        return {"rows": 0, "exact": True}
    try:
        return _duplicates(table, columns, rows, left_out)
    except duckdb.OutOfMemoryException as error:
        if _is_full(error):
            raise
        left_out.append("Duplicate rows are not counted: that needs more memory than this run may use.")
        return {"rows": None, "exact": False}


def _duplicates(
    table: Table, columns: Sequence[Measured], rows: int, left_out: list[str]
) -> dict[str, int | bool | None]:
    if len(columns) > _WIDE:
        return _of_wide(table, columns, left_out)
    connection = table.connection
    listed = ", ".join(one.sql for one in columns)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE couture_twins AS SELECT h, count(*) AS n FROM "  # noqa: S608 (quoted names)
        f"(SELECT hash({listed}) AS h FROM {table.relation}) GROUP BY h HAVING count(*) > 1"
    )
    hashes, twins = _row(table, "SELECT count(*), coalesce(sum(n), 0) FROM couture_twins")
    if not hashes:
        return {"rows": 0, "exact": True}
    if twins > _COMPARED and hashes * 2 > _COMPARED:
        left_out.append(_BY_A_HASH)
        return {"rows": int(twins - hashes), "exact": False}
    (distinct,) = _row(
        table,
        f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {table.relation} "  # noqa: S608 (quoted names)
        f"WHERE hash({listed}) IN (SELECT h FROM couture_twins))",
    )
    return {"rows": int(twins) - int(distinct), "exact": True}


def most_repeated(
    table: Table, columns: Sequence[Measured], duplicates: Mapping[str, Any], left_out: list[str]
) -> dict[str, Any]:
    """Return the most frequent rows of those that are there more than once, without sensitive columns.

    :param duplicates: what :func:`duplicates` found just before.
    :param left_out: takes a sentence if there is not enough memory for it.
    """
    shown = [one for one in columns if not one.sensitive][:_REPEATED_COLUMNS]
    rows: list[tuple[Any, ...]] = []
    if shown and duplicates["rows"] and duplicates["exact"] and len(columns) <= _REPEATED_WIDTH:
        try:
            rows = table.connection.execute(_repeated(table, columns, shown)).fetchall()
        except duckdb.OutOfMemoryException as error:
            if _is_full(error):
                raise
            left_out.append("The most frequent duplicate rows: they need more memory than this run may use.")
    table.connection.execute("DROP TABLE IF EXISTS couture_twins")
    return {
        "columns": [one.column.name for one in shown] if rows else [],
        "rows": [{"values": [text(value) for value in row[:-1]], "count": row[-1]} for row in rows],
    }


def _repeated(table: Table, columns: Sequence[Measured], shown: Sequence[Measured]) -> str:
    """Return SQL of the most frequent rows, of those that share a hash with others."""
    listed = ", ".join(one.sql for one in columns)
    named = ", ".join(f"{one.sql} AS c{one.place}" for one in columns)
    keys = ", ".join(f"c{one.place}" for one in columns)
    cells = ", ".join(cell(one, f"c{one.place}") for one in shown)
    often = f"SELECT h FROM couture_twins ORDER BY n DESC, h LIMIT {_REPEATED}"  # noqa: S608 (an own name)
    return (
        f"SELECT {cells}, couture_n FROM (SELECT {keys}, count(*) AS couture_n FROM "  # noqa: S608
        f"(SELECT {named} FROM {table.relation} WHERE hash({listed}) IN ({often})) "
        f"GROUP BY {keys} HAVING count(*) > 1) ORDER BY couture_n DESC, {keys} LIMIT {_REPEATED}"
    )


def _is_full(error: duckdb.OutOfMemoryException) -> bool:
    """Tell whether it is the disk that something did not fit on."""
    return "max_temp_directory_size" in str(error) or "No space left" in str(error)


def _of_wide(table: Table, columns: Sequence[Measured], left_out: list[str]) -> dict[str, int | bool | None]:
    """Count by hashes, which are computed some columns at a time: DuckDB gives the rows in one order."""
    import numpy

    hashes: Any = numpy.uint64(0)
    for start in range(0, len(columns), _TOGETHER):
        listed = ", ".join(one.sql for one in columns[start : start + _TOGETHER])
        statement = f"SELECT hash({listed}) AS h FROM {table.relation}"  # noqa: S608 (quoted names)
        part = table.connection.sql(statement).to_arrow_table().column(0).to_numpy()
        hashes = (hashes ^ part) * numpy.uint64(_PRIME)
        hashes = hashes ^ (hashes >> numpy.uint64(29))
    repeated = len(hashes) - len(numpy.unique(hashes))
    if repeated:
        left_out.append(_BY_A_HASH)
    return {"rows": int(repeated), "exact": not repeated}


def missing_patterns(
    table: Table,
    columns: Sequence[Measured],
    documents: Sequence[dict[str, Any]],
    rows: int,
    left_out: list[str],
) -> list[dict[str, Any]]:
    """Return the most frequent sets of columns that are missing in one row, at most 20, with their rows.

    :param left_out: takes a sentence if more columns have missing values than are looked at.
    """
    lacking = [one for one, document in zip(columns, documents, strict=True) if document["missing"]]
    if not lacking or not rows:
        return []
    if len(lacking) > _LACKING:
        left_out.append(
            f"What is missing together is told of the first {_LACKING} of {len(lacking):,} columns that have "
            "missing values."
        )
        lacking = lacking[:_LACKING]
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
    return tuple(table.connection.execute(statement).fetchall()[0])
