"""Numbers of Spark as ``profile.json`` has them: strict JSON, and what JSON would lose as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pyspark.sql import types as T

from .columns import Column

#: Characters of a value that are kept, and what marks one that was cut.
SHOWN, MARK = 1_000, "…"
#: Integers beyond this are not exact in many readers of JSON.
_EXACT = 2**53
#: Every key of a column that has a value for some kind only.
_EMPTY: dict[str, Any] = dict.fromkeys(
    (
        *("min", "max", "mean", "std", "variance", "sum", "skewness", "kurtosis"),
        *("zeros", "negatives", "infinite", "nan", "quantiles", "histogram", "lengths", "true", "false"),
    )
)
#: What is made of values and is not told of a sensitive column.
_OF_VALUES = ("extremes", "cdf", "categories")


def number(value: Any) -> int | float | str | None:
    """Return a number for JSON; what a float would change is text, NaN and infinity are null."""
    if value is None:
        return None
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        near = float(value)
        return near if math.isfinite(near) and Decimal(repr(near)) == value else str(value)
    return floating(value)


def floating(value: Any) -> float | None:
    """Return a finite float, or None."""
    if value is None:
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def literal(value: float) -> str:
    """Return a finite float as SQL has it, to its last digit."""
    return f"{value!r}D"


def native(column: Column, value: Any) -> Any:
    """Return a number as its own type has it: a sum of integers is an integer."""
    is_whole = isinstance(column.data_type, T.IntegralType)
    return int(value) if is_whole and isinstance(value, Decimal) else value


def text(column: Column, value: str | None) -> str | None:
    """Return the text of a value that Spark made as reports show it."""
    if value is None:
        return None
    if column.is_float:
        return repr(float(value))
    if isinstance(column.data_type, T.DecimalType):
        return str(Decimal(value))
    if column.kind == "datetime":
        return value.replace(" ", "T", 1)
    shown = value if len(value) <= SHOWN else value[:SHOWN] + MARK
    return shown.encode("utf-8", "replace").decode()


def document(column: Column, basic: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Return what the first scan tells of a column, with every key that a column has."""
    count = int(basic["count"])
    found: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "kind": column.kind,
        "sensitive": column.sensitive,
        "count": count,
        "missing": rows - count,
        "missing_share": (rows - count) / rows if rows else 0.0,
        "distinct": min(int(basic.get("distinct") or 0), count),
        "distinct_exact": not count or column.kind == "empty",
        **_EMPTY,
        "quantiles_exact": True,
        "top": [],
        "top_exact": True,
        "rest": 0,
    }
    found |= {name: basic[name] for name in ("true", "false", "nan", "infinite") if name in basic}
    if column.is_dated:
        found["infinite"] = 0
    if column.is_dated or column.kind == "time":
        found |= {name: text(column, basic[name]) for name in ("min", "max")}
    if column.kind == "text" and count:
        found["lengths"] = {name: basic[f"length_{name}"] for name in ("min", "max", "mean")}
    if column.kind == "number":
        found |= _of_number(column, basic)
    return found


def _of_number(column: Column, basic: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: number(native(column, basic[name])) for name in ("min", "max", "sum")}
    found |= {name: basic[name] for name in ("zeros", "negatives")}
    found["mean"] = floating(basic["mean"])
    return found


def finite(column: Column, basic: Mapping[str, Any]) -> int:
    """Return how many values of a column are neither null nor NaN nor infinite."""
    return int(basic["count"]) - int(basic.get("nan") or 0) - int(basic.get("infinite") or 0)


def hidden(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may be told of a sensitive column: counts and lengths, nothing made of values."""
    kept = {name: value for name, value in found.items() if name not in _OF_VALUES}
    return {**kept, **_EMPTY, "lengths": found["lengths"], "top": [], "rest": 0}
