"""How numbers, days and points in time are spread: histograms of all rows, quantiles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, Row

from . import moments
from .columns import Column, Key, aggregate
from .documents import floating, literal, number
from .values import FEW

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: What ``percentile_approx`` is asked for: one in ten thousand of the rows is how far off it may be.
_ACCURACY = 10_000
SHARES = [place / 100 for place in range(101)]
_BINS = 50
#: Columns in one scan.
_TOGETHER, _PLACED = 60, 200


@dataclass(frozen=True)
class Spread:
    """A column whose values have an order and distances.

    :param distinct: finite values that are different.
    """

    column: Column
    distinct: int
    exact: bool

    @property
    def has_few(self) -> bool:
        """Tell whether exact quantiles are cheap."""
        return self.exact and self.distinct <= FEW


def measures(
    frame: DataFrame, spreads: Sequence[Spread], documents: Sequence[Mapping[str, Any]]
) -> dict[int, dict[str, Any]]:
    """Return moments, quantiles and a hundred steps of the distribution, by the column's place.

    :param documents: what is known of all columns, the mean above all.
    """
    result: dict[int, dict[str, Any]] = {}
    for start in range(0, len(spreads), _TOGETHER):
        group = spreads[start : start + _TOGETHER]
        wanted = {
            (each.column.place, key): sql
            for each in group
            for key, sql in _measures(each, documents[each.column.place]).items()
        }
        found = aggregate(frame, wanted)
        for each in group:
            place = each.column.place
            result[place] = {**_told(each, found), **moments.told(documents[place], found, place)}
    return result


def _measures(spread: Spread, document: Mapping[str, Any]) -> dict[str, str]:
    found = moments.measures(spread.column, document) if spread.column.kind == "number" else {}
    position = spread.column.position
    found["steps"] = f"percentile_approx({position}, array({_listed(SHARES)}), {_ACCURACY})"
    if spread.has_few and spread.column.kind == "number":
        found["exact"] = f"percentile({position}, array({_listed(QUANTILES)}))"
    return found


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(map(literal, numbers))


def _told(spread: Spread, measured: Mapping[Key, Any]) -> dict[str, Any]:
    column = spread.column
    steps = measured.get((column.place, "steps"))
    if not steps:
        return {}
    places = [_axis(column, each) for each in steps]
    found: dict[str, Any] = {} if None in places else {"cdf": {"values": places, "shares": SHARES}}
    if column.kind != "number":
        return found
    exact = measured.get((column.place, "exact"))
    values = exact or [steps[round(share * 100)] for share in QUANTILES]
    told = [number(value) for value in values]
    return {
        **found,
        "quantiles": dict(zip(map(str, QUANTILES), told, strict=True)),
        "quantiles_exact": bool(exact),
    }


def histograms(
    frame: DataFrame, spreads: Sequence[Spread], borders: Mapping[int, tuple[float | None, float | None]]
) -> dict[int, dict[str, Any]]:
    """Count the values of all rows in bins of equal width; the last bin has both of its edges.

    :param borders: lowest and highest position of each column, by its place.
    """
    edges = {}
    for each in spreads:
        low, high = borders[each.column.place]
        if each.column.is_dated and low is not None and low == high:
            edges[each.column.place] = [low, low + 1]
        elif found := _edges(low, high, min(_BINS, max(each.distinct, 1))):
            edges[each.column.place] = found
    columns = [each.column for each in spreads if each.column.place in edges]
    result = {each.place: _histogram(each, edges[each.place]) for each in columns}
    columns = [each for each in columns if None not in result[each.place]["edges"]]
    for start in range(0, len(columns), _PLACED):
        group = columns[start : start + _PLACED]
        for row in _placed(frame, group, [edges[each.place] for each in group]):
            result[group[row["k"]].place]["counts"][row["b"]] = int(row["count"])
    return {each.place: result[each.place] for each in columns}


def _placed(frame: DataFrame, columns: Sequence[Column], edges: Sequence[Sequence[float]]) -> list[Row]:
    """Count the values by column (k) and bin (b); where division is not exact, the edges decide."""
    values = ", ".join(f"struct({k} AS k, {each.position} AS x)" for k, each in enumerate(columns))
    borders = f"array({', '.join(f'array({_listed(each)})' for each in edges)})"
    found = (
        frame.selectExpr(f"inline(array({values}))")
        .where("x IS NOT NULL")
        .selectExpr("k", "x", f"element_at({borders}, k + 1) AS e")
        .selectExpr("*", "floor((x - e[0]) / (element_at(e, -1) - e[0]) * (size(e) - 1)) AS f")
        .selectExpr("k", "x", "e", "CAST(least(greatest(f, 0), size(e) - 2) AS INT) AS n")
        .selectExpr("k", "n - int(x < e[n] AND n > 0) + int(x >= e[n + 1] AND n < size(e) - 2) AS b")
        .groupBy("k", "b")
        .count()
    )
    return list(found.collect())


def _edges(low: float | None, high: float | None, bins: int) -> list[float]:
    low, high = floating(low), floating(high)
    if low is None or high is None or not math.isfinite(high - low):
        return []
    if low == high:
        return [low - 0.5, high + 0.5] if abs(low) < 2**52 else [low, math.nextafter(high, math.inf)]
    width = (high - low) / bins
    edges = [low + width * place for place in range(bins)] + [high]
    return edges if all(a < b for a, b in zip(edges, edges[1:], strict=False)) else [low, high]


def _histogram(column: Column, edges: Sequence[float]) -> dict[str, Any]:
    return {"edges": [_axis(column, edge) for edge in edges], "counts": [0] * (len(edges) - 1)}


def _axis(column: Column, place: float) -> Any:
    """Return a number, or the text of a day or moment; None where Python has no such day."""
    try:
        if column.kind == "date":
            return (date(1970, 1, 1) + timedelta(days=math.floor(place))).isoformat()
        if column.kind == "datetime":
            return _moment(round(place))
    except OverflowError:
        return None
    return number(place)


def _moment(microseconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    told = moment.replace(tzinfo=None).isoformat()
    return told.rstrip("0") if "." in told else told
