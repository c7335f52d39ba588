"""Variance, skewness and excess kurtosis without bias, as pandas has them, of numbers of any size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .columns import Column, Key
from .documents import floating, literal

_POWERS = (1, 2, 3, 4)
_NAMES = ("std", "variance", "skewness", "kurtosis")


def measures(column: Column, document: Mapping[str, Any]) -> dict[str, str]:
    """Return the aggregates of a column of numbers: sums of powers of what is near zero, which lose little.

    :param document: what the first scan told of it.
    """
    scale = _scale(document)
    if scale is None:
        return {}
    near = f"((CAST({column.finite} AS DOUBLE) - {literal(document['mean'])}) / {literal(scale)})"
    return {f"power{power}": f"sum({' * '.join([near] * power)})" for power in _POWERS}


def told(document: Mapping[str, Any], found: Mapping[Key, Any], place: int) -> dict[str, float | None]:
    """Return the moments as the profile has them."""
    if document["kind"] != "number":
        return {}
    n, scale = document["count"] - (document["nan"] or 0) - (document["infinite"] or 0), _scale(document)
    if n < 2 or document["mean"] is None:
        return dict.fromkeys(_NAMES)
    if scale is None:  # all the same; or no floating-point number tells them apart
        same = document["min"] == document["max"]
        return _shape(n, 0.0, [0.0] * 4) if same else dict.fromkeys(_NAMES)
    return _shape(n, scale, [float(found[place, f"power{power}"]) / n for power in _POWERS])


def _shape(n: int, scale: float, means: Sequence[float]) -> dict[str, float | None]:
    """Return the moments of n values from the means of the powers of their scaled distances."""
    off, second, third, fourth = means
    m2 = second - off**2
    m3 = third - 3 * off * second + 2 * off**3
    m4 = fourth - 4 * off * third + 6 * off**2 * second - 3 * off**4
    if m2 <= 0:
        steady = {"std": 0.0, "variance": 0.0}
        return {**steady, "skewness": 0.0 if n > 2 else None, "kurtosis": 0.0 if n > 3 else None}
    variance = m2 * n / (n - 1)
    found: dict[str, float | None] = dict.fromkeys(_NAMES)
    found["variance"], found["std"] = (
        floating(variance * scale * scale),
        floating(math.sqrt(variance) * scale),
    )
    if n > 2:
        found["skewness"] = m3 / m2**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    if n > 3:
        found["kurtosis"] = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (m4 / m2**2 - 3) + 6)
    return found


def _scale(document: Mapping[str, Any]) -> float | None:
    """Return how far from the mean values are at most; None if all are the same, or it is not known."""
    mean = document["mean"]
    if mean is None or document["min"] == document["max"]:
        return None
    furthest = max(abs(float(document[name]) - mean) for name in ("min", "max"))
    return furthest if furthest and math.isfinite(furthest) else None
