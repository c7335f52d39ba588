"""What whole rows tell: duplicates, columns that are missing together, correlations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from pyspark.sql import DataFrame

from .columns import Column, aggregate
from .documents import floating, literal

#: Rows up to which duplicates are counted, and cells: each is read and hashed, 16 bytes of a row are sent.
_ROWS, _CELLS = 200_000_000, 5_000_000_000
_BITS, _PATTERNS = 60, 20
#: Columns that are correlated, and pairs in one scan.
CORRELATED, _PAIRS = 30, 150


def duplicates(frame: DataFrame, columns: Sequence[Column], rows: int, left_out: list[str]) -> dict[str, Any]:
    """Return the number of rows that are there already, told apart by a hash of 128 bits."""
    if not rows:
        return {"rows": 0, "exact": True}
    if rows > _ROWS or rows * len(columns) > _CELLS:
        left_out.append(
            f"Duplicate rows are not counted: the table has {rows:,} rows and {len(columns):,} columns; they "
            f"are compared up to {_ROWS:,} rows and {_CELLS:,} cells."
        )
        return {"rows": None, "exact": False}
    keys = [f"{_hash(columns, seed)} AS h{seed}" for seed in (1, 2)]
    found = frame.selectExpr(*keys).distinct().count()
    return {"rows": rows - found, "exact": True}


def _hash(columns: Sequence[Column], seed: int) -> str:
    # Spark's hash passes over nulls, so each column has one of its own: (null, 1) is not (1, null).
    parts = [f"xxhash64({seed}, {_hashable(each)})" for each in columns]
    while len(parts) > 1:  # by groups, so that no expression gets too long to compile
        parts = [f"xxhash64({', '.join(parts[place : place + 100])})" for place in range(0, len(parts), 100)]
    return parts[0]


def _hashable(column: Column) -> str:
    if column.kind == "nested":
        return column.text
    return "CAST(NULL AS INT)" if column.kind == "empty" else column.value


def missing_patterns(
    frame: DataFrame, columns: Sequence[Column], documents: Sequence[Mapping[str, Any]], rows: int
) -> list[dict[str, Any]]:
    """Return the most frequent sets of columns that are missing in the same row, with their rows."""
    lacking = [each for each, found in zip(columns, documents, strict=True) if found["missing"]]
    if not lacking or not rows:
        return []
    parts = [lacking[start : start + _BITS] for start in range(0, len(lacking), _BITS)]
    names = [f"m{place}" for place in range(len(parts))]
    masks = [f"{_mask(part)} AS {name}" for part, name in zip(parts, names, strict=True)]
    found = (
        frame.selectExpr(*masks)
        .groupBy(*names)
        .count()
        .orderBy("count", *names, ascending=[False, *(True for _ in names)])
        .limit(_PATTERNS)
        .collect()
    )
    return [
        {
            "missing": [
                each.name
                for name, part in zip(names, parts, strict=True)
                for bit, each in enumerate(part)
                if int(row[name]) >> bit & 1
            ],
            "rows": int(row["count"]),
        }
        for row in found
    ]


def _mask(columns: Sequence[Column]) -> str:
    return " + ".join(f"if({each.inner} IS NULL, {1 << bit}L, 0L)" for bit, each in enumerate(columns))


def correlations(
    frame: DataFrame,
    columns: Sequence[Column],
    documents: Sequence[Mapping[str, Any]],
    rows: int,
    left_out: list[str],
) -> dict[str, Any] | None:
    """Return Pearson's correlations of every two numeric columns over the rows that have both."""
    numbers = [
        (each, found)
        for each, found in zip(columns, documents, strict=True)
        if each.kind == "number" and not each.sensitive
    ]
    if len(numbers) < 2 or not rows:
        return None
    if len(numbers) > CORRELATED:
        left_out.append(
            f"Correlations are those of the first {CORRELATED} of {len(numbers):,} numeric columns."
        )
        numbers = numbers[:CORRELATED]
    near = frame.selectExpr(*(f"{_scaled(*each)} AS s{place}" for place, each in enumerate(numbers)))
    steady = [not found["std"] for _, found in numbers]
    size = len(numbers)
    matrix: list[list[float | None]] = [[None] * size for _ in range(size)]
    for place in range(size):
        matrix[place][place] = None if steady[place] else 1.0
    pairs = [(a, b) for a, b in combinations(range(size), 2) if not steady[a] and not steady[b]]
    for start in range(0, len(pairs), _PAIRS):
        group = pairs[start : start + _PAIRS]
        found = aggregate(near, {(a, str(b)): f"corr(s{a}, s{b})" for a, b in group})
        for a, b in group:
            matrix[a][b] = matrix[b][a] = floating(found[a, str(b)])
    return {
        "method": "pearson",
        "columns": [each.name for each, _ in numbers],
        "matrix": matrix,
        "exact": True,
        "rows": rows,
    }


def _scaled(column: Column, document: Mapping[str, Any]) -> str:
    """Return the finite values, near zero, so that sums of their products lose little."""
    wide = f"CAST({column.finite} AS DOUBLE)"
    mean, std = document["mean"], document["std"]
    return f"({wide} - {literal(mean)}) / {literal(std)}" if mean is not None and std else wide
