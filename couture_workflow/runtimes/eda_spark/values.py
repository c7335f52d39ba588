"""Values and how often each is there: exact for columns of few values, and for all of a small table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from .columns import Column, aggregate
from .documents import SHOWN, text

TOP, EXTREMES = 20, 5
#: Distinct values up to which a column has few, and cells of a table up to which all columns are grouped.
FEW, CELLS = 10_000, 20_000_000
#: Values up to which all are told, for the comparison of two outputs; in tables of few columns.
CATEGORIES, _NARROW = 500, 500
#: Bytes of a value beyond which a column is not grouped: each value would go through the network.
_LONGEST = 100_000
#: Columns that are grouped by one scan.
_TOGETHER = 200


def chosen(
    columns: Sequence[Column], basics: Sequence[Mapping[str, Any]], rows: int
) -> tuple[list[Column], list[Column]]:
    """Return the columns that are grouped, and those that have too many or too long values for it."""
    grouped: list[Column] = []
    left: list[Column] = []
    many: list[Column] = []
    for column, basic in zip(columns, basics, strict=True):
        if not basic["count"] or column.kind == "empty":
            continue
        if int(basic.get("length_max") or 0) > _LONGEST:
            left.append(column)
        elif column.kind == "boolean" or int(basic["distinct"]) <= FEW:
            grouped.append(column)
        else:
            many.append(column)
    fit = rows * len(many) <= CELLS
    return (grouped + many, left) if fit else (grouped, left + many)


def found(frame: DataFrame, columns: Sequence[Column], width: int) -> dict[int, dict[str, Any]]:
    """Return what the values of some columns tell, by the column's place.

    :param width: columns of the whole table.
    """
    result: dict[int, dict[str, Any]] = {}
    most = CATEGORIES if width <= _NARROW else TOP
    for start in range(0, len(columns), _TOGETHER):
        group = columns[start : start + _TOGETHER]
        by_place: dict[int, list[Row]] = defaultdict(list)
        for row in _grouped(frame, group, most):
            by_place[row["p"]].append(row)
        result |= {column.place: _told(column, by_place[column.place]) for column in group}
    return result


def _grouped(frame: DataFrame, columns: Sequence[Column], most: int) -> list[Row]:
    """Return the most frequent values of each column, its lowest and its highest, and how many there are."""
    entries = ", ".join(f"struct({each.place} AS p, {each.text} AS v)" for each in columns)
    numbers = _any_of(each.place for each in columns if each.kind == "number")
    floats = _any_of(each.place for each in columns if each.is_float)
    counted = (
        frame.selectExpr(f"inline(array({entries}))")
        .where("v IS NOT NULL")
        .groupBy("p", "v")
        .agg(F.count("v").alias("n"))
        .selectExpr(
            "*",
            f"CASE WHEN {numbers} THEN CAST(v AS DOUBLE) END AS x",
            # Whole numbers that are one and the same as floating-point numbers have an order, too.
            f"CASE WHEN {numbers} AND NOT {floats} THEN CAST(v AS DECIMAL(38, 0)) END AS y",
            f"int({floats} AND v IN ('Infinity', '-Infinity')) AS i",
        )
    )
    ranked = counted.selectExpr(
        "p",
        f"substring(v, 1, {SHOWN + 1}) AS v",
        "n",
        "i",
        "count(1) OVER (PARTITION BY p) AS distinct",
        "sum(1 - i) OVER (PARTITION BY p) AS finite",
        "sum(if(i = 0, n, 0)) OVER (PARTITION BY p) AS counted",
        "row_number() OVER (PARTITION BY p ORDER BY i, n DESC, x, y, v) AS top",
        "row_number() OVER (PARTITION BY p ORDER BY i, x, y, v) AS low",
        "row_number() OVER (PARTITION BY p ORDER BY i, x DESC, y DESC, v DESC) AS high",
    )
    return list(ranked.where(f"top <= {most} OR low <= {EXTREMES} OR high <= {EXTREMES}").collect())


def _any_of(places: Iterable[int]) -> str:
    listed = ", ".join(map(str, places))
    return f"p IN ({listed})" if listed else "false"


def _told(column: Column, rows: Sequence[Row]) -> dict[str, Any]:
    if not rows:
        return {"distinct": 0, "distinct_exact": True, "finite": 0}
    first = rows[0]
    counted = int(first["counted"] or 0)
    result: dict[str, Any] = {"distinct": int(first["distinct"]), "distinct_exact": True}
    result["finite"] = int(first["finite"])
    if column.kind == "binary":
        return {**result, "rest": counted}
    good = [row for row in rows if not row["i"]]
    by_count = _entries(column, sorted(good, key=lambda row: int(row["top"])))
    result["top"] = by_count[:TOP]
    result["rest"] = counted - sum(entry["count"] for entry in result["top"])
    if column.kind in ("text", "boolean") and len(by_count) == result["distinct"] <= CATEGORIES:
        result["categories"] = by_count
    if column.kind == "number" or column.is_dated:
        low = sorted((row for row in good if row["low"] <= EXTREMES), key=lambda row: int(row["low"]))
        high = sorted((row for row in good if row["high"] <= EXTREMES), key=lambda row: int(row["high"]))
        result["extremes"] = {"lowest": _entries(column, low), "highest": _entries(column, high)}
    return result


def _entries(column: Column, rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [{"value": text(column, row["v"]), "count": int(row["n"])} for row in rows]


def frequent(frame: DataFrame, columns: Sequence[Column]) -> dict[int, list[dict[str, Any]]]:
    """Return about the most frequent values of columns that have many; {} for Spark before 4.1."""
    shown = [
        each for each in columns if each.kind in ("text", "number", "date", "datetime", "time", "nested")
    ]
    if not shown or not hasattr(F, "approx_top_k"):
        return {}
    result: dict[int, list[dict[str, Any]]] = {}
    for start in range(0, len(shown), _TOGETHER):
        group = shown[start : start + _TOGETHER]
        cut = frame.selectExpr(*(f"substring({each.text}, 1, {SHOWN + 1}) AS {each.inner}" for each in group))
        found = aggregate(
            cut,
            {
                # What is null would be an item like any other.
                (each.place, "top"): f"approx_top_k({each.inner}, {TOP}, {FEW}) "
                f"FILTER (WHERE {each.inner} IS NOT NULL)"
                for each in group
            },
        )
        for each in group:
            items = found.get((each.place, "top")) or []
            result[each.place] = [
                {"value": text(each, item["item"]), "count": int(item["count"])}
                for item in items
                if not (each.is_float and item["item"] in ("Infinity", "-Infinity"))
            ]
    return result
