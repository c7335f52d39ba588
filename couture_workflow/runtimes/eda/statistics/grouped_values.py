"""What the values of a column tell, grouped once: distinct, most frequent, moments, histogram, quantiles."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

import duckdb

from ..table import Table
from .expressions import LONG, SHOWN, Measured, key, moment, position, present
from .json_values import iso, number
from .shapes import COMPARED, EXTREMES, QUANTILES, SHARES, TOP, centre, edges, moments, told

#: Categories that are all listed.
_CATEGORIES = 500
#: Distinct values up to which quantiles are read off the grouped values.
_FEW = 20_000
#: Bytes that a value takes while exact quantiles are computed, and the share of the memory for that.
_QUANTILE_BYTES, _QUANTILE_SHARE = 16, 0.3
_VALUES = "couture_values"


@dataclass(frozen=True)
class Values:
    """The part of a column's statistics that this module finds.

    :param sentence: what was not computed and why, "" if all was.
    """

    found: dict[str, Any] = field(default_factory=dict)
    sentence: str = ""


def of(table: Table, one: Measured, basic: dict[str, Any], *, memory: int) -> Values:
    """Return what the values of a column tell.

    :param basic: what the first scan told of it.
    """
    if not basic["count"]:
        return Values()
    try:
        _group(table, one, basic)
        summed = _summed(table, one, basic)
        found: dict[str, Any] = {"distinct": summed["distinct"]}
        if not one.sensitive:
            found |= _top(table, one, summed["counted"]) | _categories(table, one, summed["distinct"])
            found |= _lengths(table, one, basic)
        if _is_measured(one) and summed["counted"]:
            found |= _measures(table, one, summed, memory)
        return Values(found)
    except duckdb.OutOfMemoryException as error:
        if "max_temp_directory_size" in str(error) or "No space left" in str(error):
            raise
        return _approximate(table, one)


def _is_measured(one: Measured) -> bool:
    return (one.kind == "number" or one.is_dated) and not one.sensitive


def _group(table: Table, one: Measured, basic: dict[str, Any]) -> None:
    statement = (
        f"CREATE OR REPLACE TEMP TABLE {_VALUES} AS SELECT {key(one, basic.get('max_bytes') or 0)} AS v, "  # noqa: S608
        f"count(*) AS n FROM {table.relation} WHERE {present(one)} GROUP BY 1"
    )
    table.connection.execute(statement)


def _summed(table: Table, one: Measured, basic: dict[str, Any]) -> dict[str, Any]:
    """Return what one scan over the grouped values tells: how many, the least and the greatest, moments."""
    finite = _finite(one)
    wanted = {
        "distinct": "count(*)",
        "counted": f"coalesce(sum(n) FILTER ({finite}), 0)::BIGINT",
        "finite_values": f"count(*) FILTER ({finite})",
    }
    if _is_measured(one):
        wanted |= {
            name: f"list_transform({name}(v, {EXTREMES}) FILTER ({finite}), lambda v: {_shown(one)})"
            for name in ("min", "max")
        }
        wanted |= {f"n_{name}": f"arg_{name}(n, v, {EXTREMES}) FILTER ({finite})" for name in ("min", "max")}
        wanted |= {
            "low": f"min({_place(one)}) FILTER ({finite})",
            "high": f"max({_place(one)}) FILTER ({finite})",
        }
    middle = centre(one, basic)
    if middle:
        deviation = f"((v::DOUBLE - {middle[0]!r}) / {middle[1]!r})"
        wanted |= {
            f"power{exponent}": f"sum(n * {'*'.join([deviation] * exponent)}) FILTER ({finite})"
            for exponent in (1, 2, 3, 4)
        }
    row = _row(table, f"SELECT {', '.join(wanted.values())} FROM {_VALUES}")  # noqa: S608
    return {**dict(zip(wanted, row, strict=True)), "centre": middle}


def _finite(one: Measured) -> str:
    if one.is_float:
        return "isfinite(v)"
    if one.is_dated:
        return "isfinite(v)" if one.kind == "date" else "isfinite(v::TIMESTAMP)"
    return "true"


def _top(table: Table, one: Measured, counted: int) -> dict[str, Any]:
    if one.kind == "binary":
        return {"rest": counted}
    rows = _rows(
        table,
        f"SELECT {_shown(one)}, n FROM {_VALUES} WHERE {_finite(one)} ORDER BY n DESC, v LIMIT {TOP}",  # noqa: S608
    )
    top = [{"value": told(one, value), "count": count} for value, count in rows]
    return {"top": top, "rest": counted - sum(entry["count"] for entry in top)}


def _shown(one: Measured) -> str:
    if one.kind in ("text", "nested"):
        return f"left(v::VARCHAR, {SHOWN + 1})"
    if one.kind == "datetime":
        return "v::TIMESTAMP::VARCHAR"
    return "v" if one.kind == "number" else "v::VARCHAR"


def _categories(table: Table, one: Measured, distinct: int) -> dict[str, Any]:
    """Return all values with their counts, where they are few: what new ones are told by."""
    if one.kind not in ("text", "boolean") or distinct > _CATEGORIES or len(table.columns) > COMPARED:
        return {}
    rows = _rows(table, f"SELECT {_shown(one)}, n FROM {_VALUES} ORDER BY n DESC, v")  # noqa: S608
    return {"categories": [{"value": told(one, value), "count": count} for value, count in rows]}


def _lengths(table: Table, one: Measured, basic: dict[str, Any]) -> dict[str, Any]:
    """Return the histogram of the lengths of texts, of which none is cut in the grouped values."""
    if one.kind != "text" or basic["max_bytes"] > LONG or len(table.columns) > COMPARED:
        return {}
    rows = _rows(table, f"SELECT length(v), sum(n)::BIGINT FROM {_VALUES} GROUP BY 1")  # noqa: S608
    counts = dict(rows)
    bounds = edges(float(min(counts)), float(max(counts)), len(counts), is_dated=False)
    bins = [0] * (len(bounds) - 1)
    for length, count in counts.items():
        bins[min(bisect_right(bounds, length), len(bins)) - 1] += count
    return {"length_histogram": {"edges": bounds, "counts": bins}}


def _measures(table: Table, one: Measured, summed: dict[str, Any], memory: int) -> dict[str, Any]:
    sizes = summed["finite_values"], summed["counted"]
    low, high = summed["low"], summed["high"]
    if one.kind == "number":
        low, high = float(summed["min"][0]), float(summed["max"][0])  # rounded as Python and numpy do
    found: dict[str, Any] = {
        "histogram": _histogram(table, one, sizes[0], low, high),
        "extremes": {
            name: [
                {"value": told(one, value), "count": count}
                for value, count in zip(summed[end], summed[f"n_{end}"], strict=True)
            ]
            for name, end in (("lowest", "min"), ("highest", "max"))
        },
    }
    if one.kind == "number":
        found |= moments(summed)
    return found | _quantiles(table, one, memory, sizes)


def _place(one: Measured) -> str:
    return position(one, "(v::TIMESTAMP)" if one.kind == "datetime" else "(v)")


def _histogram(table: Table, one: Measured, distinct: int, low: float, high: float) -> dict[str, Any] | None:
    """Count the values in bins of equal width as ``numpy.histogram`` does: the last has both edges."""
    if not math.isfinite(high - low):
        return None
    place = _place(one)
    ends = edges(low, high, distinct, is_dated=one.is_dated)
    bins = len(ends) - 1
    counts = [0] * bins
    listed = "[" + ", ".join(f"{edge!r}::DOUBLE" for edge in ends) + "]"
    width = ends[-1] - ends[0]
    rows = _rows(
        table,
        f"WITH placed AS (SELECT {place} AS p, n FROM {_VALUES} WHERE {_finite(one)}), "  # noqa: S608
        f"near AS (SELECT p, n, least(greatest(floor((p - {ends[0]!r}) / {width!r} * {bins}), 0), "
        f"{bins - 1})::INTEGER AS b FROM placed), edges AS (SELECT {listed} AS e) "
        f"SELECT b - (p < e[b + 1] AND b > 0)::INTEGER + (p >= e[b + 2] AND b < {bins - 1})::INTEGER, sum(n) "
        "FROM near, edges GROUP BY 1",
    )
    for place_of_bin, count in rows:
        counts[place_of_bin] += int(count)
    return {"edges": _edge_texts(table, one, ends), "counts": counts}


def _edge_texts(table: Table, one: Measured, ends: list[float]) -> list[Any]:
    if not one.is_dated:
        return ends
    listed = ", ".join(moment(one, f"{edge!r}::DOUBLE") for edge in ends)
    return [iso(edge) for edge in _row(table, f"SELECT {listed}")]


def _quantiles(table: Table, one: Measured, memory: int, sizes: tuple[int, int]) -> dict[str, Any]:
    """Return the quantiles of numbers and, to compare outputs by, the distribution in hundredths."""
    finite_values, counted = sizes
    compared = len(table.columns) <= COMPARED
    fits = not memory or counted * _QUANTILE_BYTES <= memory * _QUANTILE_SHARE
    exact = True
    if finite_values <= _FEW and counted > _FEW:
        quantiles, hundredths = _read_off(table, one, counted, compared)
    elif fits:
        quantiles, hundredths = _sorted(table, one, compared)
    else:
        exact, hundredths, quantiles = False, None, None
        if one.kind == "number":
            estimate = f"approx_quantile({one.finite}::DOUBLE, {list(QUANTILES)!r})"
            quantiles = _row(table, f"SELECT {estimate} FROM {table.relation}")[0]  # noqa: S608
    found: dict[str, Any] = {"quantiles_exact": exact}
    if one.kind == "number" and quantiles:
        found["quantiles"] = dict(zip(map(str, QUANTILES), map(number, quantiles), strict=True))
    if hundredths:
        told = (
            [iso(value) for value in hundredths] if one.is_dated else [number(value) for value in hundredths]
        )
        found["cdf"] = {"values": told, "shares": list(SHARES)}
    return found


def _sorted(table: Table, one: Measured, compared: bool) -> tuple[Any, Any]:
    quantiles = (
        f"quantile_cont({one.finite}::DOUBLE, {list(QUANTILES)!r})" if one.kind == "number" else "NULL"
    )
    hundredths = f"quantile_disc({one.finite}, {list(SHARES)!r})" if compared else "NULL"
    row = _row(table, f"SELECT {quantiles}, {_listed(one, hundredths)} FROM {table.relation}")  # noqa: S608
    return row[0], row[1]


def _read_off(table: Table, one: Measured, counted: int, compared: bool) -> tuple[Any, Any]:
    """Return quantiles and hundredths by counting how many rows there are up to each of the few values."""
    ranks = [quantile * (counted - 1) for quantile in QUANTILES]
    wanted = [rank for exact in ranks for rank in (math.floor(exact) + 1, math.ceil(exact) + 1)]
    hundredths = [max(math.ceil(share * counted), 1) for share in SHARES] if compared else []
    places = [*wanted, *hundredths]
    row = _row(
        table,
        f"WITH up_to AS (SELECT v, sum(n) OVER (ORDER BY v) AS s FROM {_VALUES} WHERE {_finite(one)}), "  # noqa: S608
        f"wanted AS (SELECT unnest({places!r}) AS s, generate_subscripts({places!r}, 1) AS place) "
        f"SELECT {_listed(one, 'list(v ORDER BY place)')} FROM wanted ASOF JOIN up_to ON wanted.s <= up_to.s",
    )
    values = row[0]
    if one.kind != "number":
        return None, values[len(wanted) :]
    pairs = zip(ranks, values[: len(wanted) : 2], values[1 : len(wanted) : 2], strict=True)
    quantiles = [
        float(below) + (float(above) - float(below)) * (rank - math.floor(rank))
        for rank, below, above in pairs
    ]
    return quantiles, values[len(wanted) :]


def _listed(one: Measured, values: str) -> str:
    return (
        f"list_transform({values}, lambda v: {_shown(one)})" if one.is_dated and values != "NULL" else values
    )


def _approximate(table: Table, one: Measured) -> Values:
    statement = f"SELECT approx_count_distinct({one.sql}) FROM {table.relation} WHERE {present(one)}"  # noqa: S608
    distinct = int(_row(table, statement)[0])
    sentence = (
        f"The number of distinct values of {one.column.name!r} is an estimate, and its most frequent values, "
        "its histogram, its quantiles and its variance are left out: they need more memory than there is."
    )
    found: dict[str, Any] = {"distinct": distinct, "distinct_exact": False, "top_exact": False}
    return Values(found | {"quantiles_exact": False}, sentence)


def _row(table: Table, statement: str) -> tuple[Any, ...]:
    return _rows(table, statement)[0]


def _rows(table: Table, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in table.connection.execute(statement).fetchall()]
