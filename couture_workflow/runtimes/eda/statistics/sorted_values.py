"""What numbers, days and points in time tell: values of a column that fit into memory, sorted once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..table import Table
from .expressions import Measured, moment, present
from .json_values import floating, iso, number
from .shapes import COMPARED, EXTREMES, QUANTILES, SHARES, TOP, centre, edges, moments, told

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Bytes that a value takes while its column is looked at, and the share of the memory for that.
_BYTES, _SHARE = 28, 0.2
#: Values that are fetched, and whose powers are summed, at a time.
_BATCH = 1_000_000
_NUMBERS = frozenset(
    ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
) | {"FLOAT", "DOUBLE"}
_MOMENTS = frozenset(("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP WITH TIME ZONE"))


@dataclass(frozen=True)
class _Sorted:
    """Finite values in their order.

    :param values: all of them; days and microseconds since 1970 for days and points in time.
    :param starts: where each distinct value begins.
    :param counts: how many there are of each distinct value.
    :param infinite: how many infinite values there are that differ.
    """

    values: NDArray[Any]
    starts: NDArray[Any]
    counts: NDArray[Any]
    infinite: int

    def distinct(self, places: Sequence[int]) -> list[Any]:
        """Return some of the distinct values, as Python's."""
        return [self.values[self.starts[place]].item() for place in places]


def fits(one: Measured, basic: dict[str, Any], memory: int) -> bool:
    """Tell whether a column is of a type that is looked at here, and small enough.

    :param basic: what the first scan told of it.
    :param memory: what may be used, in bytes.
    """
    kind = one.column.type.upper()
    if one.sensitive or (memory and basic["count"] * _BYTES > memory * _SHARE):
        return False
    return kind in _NUMBERS or (kind in _MOMENTS and not basic["infinite"])


def of(table: Table, one: Measured, basic: dict[str, Any]) -> dict[str, Any]:
    """Return distinct, most frequent and extreme values, moments, histogram, quantiles and hundredths.

    :param basic: what the first scan told of the column; it has values.
    """
    fetched = _fetched(table, one, basic["count"])
    monotonic = _monotonic(fetched)
    values = _sorted(fetched, one)
    found: dict[str, Any] = {
        "distinct": len(values.counts) + values.infinite,
        "rest": 0,
        "quantiles_exact": True,
        "monotonic": monotonic,
    }
    if not len(values.values):
        return found
    places = {"top": _most_frequent(values.counts), **_ends(len(values.counts))}
    found |= _listed(table, one, values, places, compared=len(table.columns) <= COMPARED)
    found["rest"] = len(values.values) - sum(entry["count"] for entry in found["top"])
    if one.kind == "number":
        found |= _moments(values, one, basic)
        quantiles = [_quantile(values.values, quantile) for quantile in QUANTILES]
        found["quantiles"] = dict(zip(map(str, QUANTILES), map(number, quantiles), strict=True))
        found["mad"] = _mad(values.values)
    return found


def _fetched(table: Table, one: Measured, count: int) -> NDArray[Any]:
    """Return the values in the order in which they are read, without NaN.

    :param count: how many there are, NaN among them.
    """
    import numpy
    import pyarrow

    statement = (
        f"SELECT {one.sql if one.is_float else one.finite} AS v FROM {table.relation} WHERE {present(one)}"  # noqa: S608
    )
    reader = table.connection.sql(statement).to_arrow_reader(_BATCH)
    kind = reader.schema.field(0).type
    if one.is_dated:
        kind = pyarrow.int32() if one.kind == "date" else pyarrow.int64()
    values: NDArray[Any] = numpy.empty(count, kind.to_pandas_dtype())
    filled = 0
    for batch in reader:
        part = batch.column(0).cast(kind).to_numpy(zero_copy_only=False)[: count - filled]
        values[filled : filled + len(part)] = part
        filled += len(part)
    return values[:filled]


def _sorted(values: NDArray[Any], one: Measured) -> _Sorted:
    """Sort the values where they are."""
    import numpy

    values.sort()
    infinite = 0
    if one.is_float:
        first = int(numpy.searchsorted(values, -math.inf, "right"))
        last = int(numpy.searchsorted(values, math.inf, "left"))
        infinite = (first > 0) + (last < len(values))
        values = values[first:last]
    differs = numpy.ones(len(values), bool)
    numpy.not_equal(values[1:], values[:-1], out=differs[1:])
    starts = numpy.flatnonzero(differs)
    starts = starts.astype(numpy.int32 if len(values) < 2**31 else numpy.int64, copy=False)
    counts = numpy.empty_like(starts)
    numpy.subtract(starts[1:], starts[:-1], out=counts[:-1])
    counts[-1:] = len(values) - starts[-1:]
    return _Sorted(values, starts, counts, infinite)


def _most_frequent(counts: NDArray[Any]) -> list[int]:
    """Return the places of the most frequent values, of as many the least first."""
    import numpy

    if len(counts) <= TOP:
        places = numpy.arange(len(counts))
    else:
        least = numpy.partition(counts, -TOP)[-TOP]
        above = numpy.flatnonzero(counts > least)
        places = numpy.concatenate((above, numpy.flatnonzero(counts == least)[: TOP - len(above)]))
    order = numpy.lexsort((places, -counts[places]))
    return [int(place) for place in places[order]]


def _ends(distinct: int) -> dict[str, list[int]]:
    most = min(EXTREMES, distinct)
    return {"lowest": list(range(most)), "highest": [distinct - 1 - place for place in range(most)]}


def _listed(
    table: Table, one: Measured, values: _Sorted, places: dict[str, list[int]], *, compared: bool
) -> dict[str, Any]:
    """Return all that lists values: top, extremes, histogram, hundredths; moments as DuckDB writes them."""
    size = len(values.values)
    ranks = [max(math.ceil(share * size), 1) - 1 for share in SHARES] if compared else []
    single = values.distinct([place for some in places.values() for place in some])
    single += [values.values[rank].item() for rank in ranks]
    low, high = (float(values.values[place]) for place in (0, -1))
    histogram = None
    if math.isfinite(high - low):
        bounds = edges(low, high, len(values.counts), is_dated=one.is_dated)
        histogram = {"edges": bounds, "counts": _counted(values.values, bounds)}
    if one.is_dated and histogram:
        single, histogram["edges"] = _texts(table, one, single, bounds)
    rest = iter(single)
    lists = {
        name: [{"value": told(one, next(rest)), "count": int(values.counts[place])} for place in some]
        for name, some in places.items()
    }
    found = {
        "top": lists["top"],
        "extremes": {name: lists[name] for name in ("lowest", "highest")},
        "histogram": histogram,
    }
    if compared:
        hundredths = [iso(value) if one.is_dated else number(value) for value in rest]
        found["cdf"] = {"values": hundredths, "shares": list(SHARES)}
    return found


def _counted(values: NDArray[Any], bounds: list[float]) -> list[int]:
    """Count sorted values in bins as ``numpy.histogram`` does: the last has both edges."""
    import numpy

    inner = numpy.searchsorted(values.astype(numpy.float64, copy=False), bounds[1:-1], "left")
    counts: list[int] = numpy.diff(inner, prepend=0, append=len(values)).tolist()
    return counts


def _texts(
    table: Table, one: Measured, single: list[int], bounds: list[float]
) -> tuple[list[str], list[str | None]]:
    row = table.connection.execute(
        f"SELECT list_transform(?::BIGINT[], lambda v: {moment(one, 'v')}), "
        f"list_transform(?::DOUBLE[], lambda v: {moment(one, 'v')})",
        [single, bounds],
    ).fetchall()[0]
    return row[0], [iso(edge) for edge in row[1]]


def _moments(values: _Sorted, one: Measured, basic: dict[str, Any]) -> dict[str, float | None]:

    middle = centre(one, basic)
    summed: dict[str, Any] = {
        "counted": len(values.values),
        "finite_values": len(values.counts),
        "centre": middle,
    }
    if middle:
        sums = [
            _powers(values.values[at : at + _BATCH], middle) for at in range(0, len(values.values), _BATCH)
        ]
        summed |= {f"power{place}": math.fsum(each) for place, each in enumerate(zip(*sums, strict=True), 1)}
    return moments(summed)


def _powers(values: NDArray[Any], middle: tuple[float, float]) -> list[float]:
    """Return the sums of the first four powers of the distances from the middle."""
    import numpy

    away = (values.astype(numpy.float64) - middle[0]) / middle[1]
    squares = away * away
    found = [away.sum(), squares.sum()]
    away *= squares
    squares *= squares
    return [float(each) for each in (*found, away.sum(), squares.sum())]


def _monotonic(values: NDArray[Any]) -> str:
    """Return how values go on in the order in which they were read, "" if up and down."""
    if len(values) < 2:
        return ""
    before, after = values[:-1], values[1:]
    if bool((before <= after).all()):
        steady = bool((before == after).any())
        return ("increasing" if steady else "strictly increasing") if before[0] != after[-1] else ""
    if bool((before >= after).all()):
        return "decreasing" if bool((before == after).any()) else "strictly decreasing"
    return ""


def _mad(values: NDArray[Any]) -> float | None:
    """Return the median of the distances from the median."""
    import numpy

    middle = _quantile(values, 0.5)
    with numpy.errstate(over="ignore"):
        away = values.astype(numpy.float64)
        away -= middle
        numpy.abs(away, out=away)
    away.sort()
    return floating(_quantile(away, 0.5))


def _quantile(values: NDArray[Any], quantile: float) -> float:
    """Return a quantile, interpolated as pandas does."""
    rank = quantile * (len(values) - 1)
    below = math.floor(rank)
    low, high = float(values[below]), float(values[math.ceil(rank)])
    if math.isfinite(high - low):
        return low + (high - low) * (rank - below)
    return low * (1 - rank + below) + high * (rank - below)
