"""How the numbers of a column's values look in a profile: bins, moments, values as text, hundredths."""

from __future__ import annotations

import math
from typing import Any

from .expressions import Measured
from .json_values import floating, iso, text

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Shares of the distribution that outputs are compared by, and columns up to which they are there.
SHARES = tuple(share / 100 for share in range(101))
COMPARED = 500
#: Most frequent values, extreme values at each end, bins of a histogram.
TOP, EXTREMES, BINS = 20, 5, 50


def edges(low: float, high: float, distinct: int, *, is_dated: bool) -> list[float]:
    """Return the edges of bins of equal width, as many as there are values but no more than 50."""
    if is_dated and low == high:
        return [low, low + 1]
    bins = min(BINS, max(distinct, 1))
    if low == high:
        return [low - 0.5, high + 0.5] if abs(low) < 2**52 else [low, math.nextafter(high, math.inf)]
    width = (high - low) / bins
    found = [low + width * place for place in range(bins)] + [high]
    return found if all(a < b for a, b in zip(found, found[1:], strict=False)) else [low, high]


def centre(one: Measured, basic: dict[str, Any]) -> tuple[float, float] | None:
    """Return the mean and the largest distance from it, by which values are made small; None if none is."""
    if one.kind != "number" or one.sensitive:
        return None
    mean, low, high = (floating(basic.get(name)) for name in ("mean", "min", "max"))
    if mean is None or low is None or high is None:
        return None
    scale = max(abs(low - mean), abs(high - mean))
    return (mean, scale) if scale and math.isfinite(scale) else None


def moments(summed: dict[str, Any]) -> dict[str, float | None]:
    """Return variance, skewness and excess kurtosis, without bias as pandas has them."""
    counted, middle = summed["counted"], summed["centre"]
    if counted < 2:
        return dict.fromkeys(("std", "variance", "skewness", "kurtosis"))
    if middle is None:
        return _shape(counted, 0.0, [0.0] * 4) if summed["finite_values"] == 1 else {}
    return _shape(
        counted, middle[1], [float(summed[f"power{exponent}"]) / counted for exponent in (1, 2, 3, 4)]
    )


def _shape(n: int, scale: float, sums: list[float]) -> dict[str, float | None]:
    off, second, third, fourth = sums
    m2 = second - off**2
    m3 = third - 3 * off * second + 2 * off**3
    m4 = fourth - 4 * off * third + 6 * off**2 * second - 3 * off**4
    if m2 <= 0:
        return {
            "std": 0.0,
            "variance": 0.0,
            "skewness": 0.0 if n > 2 else None,
            "kurtosis": 0.0 if n > 3 else None,
        }
    variance = m2 * n / (n - 1)
    skewness = kurtosis = None
    if n > 2:
        skewness = m3 / m2**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    if n > 3:
        kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (m4 / m2**2 - 3) + 6)
    return {
        "std": floating(math.sqrt(variance) * scale),
        "variance": floating(variance * scale * scale),
        "skewness": skewness,
        "kurtosis": kurtosis,
    }


def told(one: Measured, value: Any) -> str | None:
    """Return a value as a profile lists it."""
    if one.is_dated:
        return iso(value)
    if one.kind == "number":
        return _number_text(value)
    return text(value)


def _number_text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
