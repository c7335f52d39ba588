"""What columns of a sample have to do with each other: ranks of numbers, categories, points of pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .sample import Sample

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

#: Rows that are looked at; columns of numbers and of categories; categories of one.
_ROWS, _NUMBERS, _COLUMNS, _CATEGORIES = 20_000, 20, 15, 50
#: Pairs whose points are drawn, points of each.
_PAIRS, _POINTS = 6, 400
_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class _Ranked:
    """Numbers of a column, NaN where there is none, and their ranks if each row has one."""

    values: NDArray[numpy.float64]
    ranks: NDArray[numpy.float64] | None


def of(sample: Sample, columns: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return Spearman's rank correlation and Cramér's V; None if the sample has no rows.

    :param columns: all columns of the profile.
    """
    if sample.rows is None or not sample.size:
        return None
    chosen = [column for column in columns if column["kind"] == "number"][:_NUMBERS]
    numbers = {name: _ranked(values) for name, values in _numbers(sample, chosen)}
    codes = {column["name"]: _codes(sample, column["name"]) for column in _categorical(columns)}
    return {
        "rows": len(range(0, sample.size, _step(sample))),
        "of": sample.of,
        "spearman": _matrix(numbers, _spearman),
        "cramers_v": _matrix(codes, _cramer),
    }


def pairs(
    sample: Sample, correlations: Mapping[str, Any] | None
) -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
    """Yield the names and some points of the pairs of numeric columns that go together most.

    :param correlations: as ``profile.json`` has them.
    """
    if not correlations or sample.rows is None:
        return
    names = correlations["columns"]
    found = [
        (abs(value), names[first], names[second])
        for first, row in enumerate(correlations["matrix"])
        for second, value in enumerate(row[:first])
        if value is not None
    ]
    for _, second, first in sorted(found, key=lambda pair: -pair[0])[:_PAIRS]:
        values = dict(_numbers(sample, [{"name": first}, {"name": second}]))
        if len(values) == 2:
            yield first, second, _points(values[first], values[second])


def _step(sample: Sample) -> int:
    return max(math.ceil(sample.size / _ROWS), 1)


def _column(sample: Sample, name: str) -> Any:
    if sample.rows is None:
        raise LookupError("an empty sample has no columns")
    step = _step(sample)
    column = sample.rows.column(sample.names.index(name))
    return column if step == 1 else column.take(list(range(0, sample.size, step)))


def _numbers(
    sample: Sample, columns: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, NDArray[numpy.float64]]]:
    """Yield columns as floats, NaN where there is no finite number; what is no number is left out."""
    import numpy
    import pyarrow
    import pyarrow.compute

    for column in columns:
        name = column["name"]
        if name not in sample.names:
            continue
        try:
            found = pyarrow.compute.cast(_column(sample, name), pyarrow.float64())
        except pyarrow.ArrowInvalid:
            continue
        values = numpy.array(found.to_numpy(), dtype=numpy.float64)
        values[~numpy.isfinite(values)] = numpy.nan
        yield name, values


def _categorical(columns: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [
        column
        for column in columns
        if column["kind"] in ("text", "boolean")
        and not column["sensitive"]
        and 2 <= column["distinct"] <= _CATEGORIES
    ][:_COLUMNS]


def _codes(sample: Sample, name: str) -> NDArray[Any]:
    """Return a number for each value of a column, -1 where it is missing."""
    import numpy

    encoded = _column(sample, name).combine_chunks().dictionary_encode()
    codes: NDArray[Any] = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(numpy.int64)
    return codes


def _matrix(columns: Mapping[str, _Kind], between: Callable[[_Kind, _Kind], float | None]) -> Any:
    """Return what is between every two columns; None if there are not two."""
    names = list(columns)
    if len(names) < 2:
        return None
    matrix: list[list[float | None]] = [[None] * len(names) for _ in names]
    for row, first in enumerate(names):
        for place, second in enumerate(names[: row + 1]):
            matrix[row][place] = matrix[place][row] = between(columns[first], columns[second])
    return {"columns": names, "matrix": matrix}


def _ranked(values: NDArray[numpy.float64]) -> _Ranked:
    import numpy

    return _Ranked(values, None if numpy.isnan(values).any() else _ranks(values))


def _spearman(first: _Ranked, second: _Ranked) -> float | None:
    import numpy

    one, other = first.ranks, second.ranks
    if one is None or other is None:
        both = ~(numpy.isnan(first.values) | numpy.isnan(second.values))
        one, other = _ranks(first.values[both]), _ranks(second.values[both])
    if len(one) < 2:
        return None
    one, other = one - one.mean(), other - other.mean()
    scale = math.sqrt(float((one * one).sum()) * float((other * other).sum()))
    return float(numpy.clip(float((one * other).sum()) / scale, -1.0, 1.0)) if scale else None


def _ranks(values: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    import numpy

    _, inverse, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    means: NDArray[numpy.float64] = numpy.cumsum(counts) - (counts - 1) / 2
    return means[inverse]


def _cramer(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return Cramér's V with the correction of its bias (Bergsma, 2013)."""
    import numpy

    both = (first >= 0) & (second >= 0)
    one, other = first[both], second[both]
    size = len(one)
    if size < 2:
        return None
    width = int(other.max()) + 1
    counted = numpy.bincount(one * width + other, minlength=(int(one.max()) + 1) * width).reshape(-1, width)
    counted = counted[counted.any(axis=1)][:, counted.any(axis=0)].astype(numpy.float64)
    expected = counted.sum(axis=1)[:, None] * counted.sum(axis=0) / size
    rows, columns = counted.shape
    square = float(((counted - expected) ** 2 / expected).sum()) / size
    square = max(0.0, square - (columns - 1) * (rows - 1) / (size - 1))
    least = min(rows - (rows - 1) ** 2 / (size - 1), columns - (columns - 1) ** 2 / (size - 1)) - 1
    return min(math.sqrt(square / least), 1.0) if least > 0 else None


def _points(first: NDArray[numpy.float64], second: NDArray[numpy.float64]) -> list[tuple[float, float]]:
    import numpy

    there = numpy.flatnonzero(~(numpy.isnan(first) | numpy.isnan(second)))
    there = there[:: max(math.ceil(len(there) / _POINTS), 1)]
    return [(float(first[place]), float(second[place])) for place in there]
