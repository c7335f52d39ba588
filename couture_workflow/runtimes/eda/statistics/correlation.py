"""Pearson's correlation of every two numeric columns over all rows, in one scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..table import Table
from .expressions import Measured
from .json_values import floating

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

#: Columns that are correlated at most, numbers in one batch.
MOST, _BATCH = 100, 1_000_000


def pearson(
    table: Table,
    columns: Sequence[Measured],
    documents: Sequence[dict[str, Any]],
    rows: int,
    left_out: list[str],
) -> dict[str, Any] | None:
    """Return the correlations as ``profile.json`` has them; None if there are not two numeric columns.

    :param documents: the columns' statistics: by mean and standard deviation values are made small first.
    :param left_out: takes a sentence if there are more columns than are correlated.
    """
    chosen = [
        (one, document["mean"], document["std"])
        for one, document in zip(columns, documents, strict=True)
        if one.kind == "number" and not one.sensitive
    ]
    if len(chosen) < 2 or not rows:
        return None
    if len(chosen) > MOST:
        left_out.append(f"Correlations are those of the first {MOST} of {len(chosen):,} numeric columns.")
        chosen = chosen[:MOST]
    selected = ", ".join(
        f"{_scaled(one, floating(mean), floating(std))} AS c{place}"
        for place, (one, mean, std) in enumerate(chosen)
    )
    matrix = _matrix(table, f"SELECT {selected} FROM {table.relation}", len(chosen))  # noqa: S608 (quoted names)
    return {
        "method": "pearson",
        "columns": [one.column.name for one, _, _ in chosen],
        "matrix": matrix,
        "exact": True,
        "rows": rows,
    }


def _scaled(one: Measured, mean: float | None, std: float | None) -> str:
    if mean is None or not std:
        return "NULL::DOUBLE"
    return f"(({one.finite})::DOUBLE - {mean!r}) / {std!r}"


def _matrix(table: Table, statement: str, width: int) -> list[list[float | None]]:
    import numpy

    sums = [numpy.zeros((width, width)) for _ in range(4)]
    for batch in table.connection.sql(statement).to_arrow_reader(max(2_048, _BATCH // width)):
        values = numpy.empty((width, batch.num_rows))
        for place, column in enumerate(batch.columns):
            values[place] = column.to_numpy(zero_copy_only=False)
        _add(sums, values)
    return _coefficients(sums)


def _add(sums: Sequence[NDArray[numpy.float64]], values: NDArray[numpy.float64]) -> None:
    """Add a batch, a row for each column: pairs of values, sums of the first, its squares, products."""
    import numpy

    lacking = ~numpy.isfinite(values)
    if not lacking.any():
        sums[0][:] += values.shape[1]
        sums[1][:] += values.sum(axis=1)[:, None]
        sums[2][:] += numpy.einsum("ij,ij->i", values, values)[:, None]
        sums[3][:] += values @ values.T
        return
    values[lacking] = 0.0
    there = (~lacking).astype(numpy.float64)
    sums[0][:] += there @ there.T
    sums[1][:] += values @ there.T
    sums[3][:] += values @ values.T
    numpy.square(values, out=values)
    sums[2][:] += values @ there.T


def _coefficients(sums: Sequence[NDArray[numpy.float64]]) -> list[list[float | None]]:
    import numpy

    both, of_first, squares, products = sums
    with numpy.errstate(all="ignore"):
        covariance = products - of_first * of_first.T / both
        variance = squares - of_first**2 / both
        found = covariance / numpy.sqrt(variance * variance.T)
        steady = numpy.minimum(variance, variance.T) <= 1e-12 * both
    found[steady | (both < 2)] = numpy.nan
    found = numpy.clip(found, -1.0, 1.0)
    return [[floating(value) for value in row] for row in found.tolist()]
