"""What a person should look at: alerts made of a profile's exact numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..statistics.json_values import floating
from . import bad_input

#: Limits: share of missing, of zeros; distinct categories; skewness; imbalance; correlation.
_SHARE, _CATEGORIES, _SKEWED, _IMBALANCED, _CORRELATED = 0.01, 50, 20.0, 0.5, 0.9
#: Alerts about correlations that are told at most.
_PAIRS = 100


def of(profile: dict[str, Any]) -> list[dict[str, str]]:
    """Return the alerts of a profile: ``kind``, ``column`` ("" for the table) and ``message``, a sentence."""
    found = list(_of_table(profile))
    for column in profile["columns"]:
        found += _of_column(column, profile["rows"])
    return found + list(_of_correlations(profile.get("correlations")))


def _alert(kind: str, column: str, message: str) -> dict[str, str]:
    return {"kind": kind, "column": column, "message": message}


def _of_table(profile: dict[str, Any]) -> Iterator[dict[str, str]]:
    rows, repeated = profile["rows"], profile["duplicates"]["rows"]
    if not rows:
        yield _alert("empty", "", "There are no rows.")
    if repeated:
        yield _alert("duplicates", "", f"{repeated:,} rows ({percent(repeated / rows)}) are duplicates.")
    if bad := profile["bad"].get("count"):
        yield _alert("bad_lines", "", f"{bad:,} {bad_input.words(profile).alert}")


def _of_column(column: dict[str, Any], rows: int) -> Iterator[dict[str, str]]:
    name, count, distinct = column["name"], column["count"], column["distinct"]
    if column["missing"] and column["missing_share"] > _SHARE:
        share = percent(column["missing_share"])
        yield _alert("missing", name, f"{column['missing']:,} values ({share}) are missing.")
    if count and distinct == 1:
        yield _alert("constant", name, "All values are the same.")
    elif count > 1 and distinct == count and column["distinct_exact"] and _may_identify(column):
        yield _alert("unique", name, "All values differ.")
    elif column["kind"] == "text" and distinct > _CATEGORIES:
        yield _alert("high_cardinality", name, f"There are {distinct:,} distinct values.")
    yield from _of_values(column, rows)


def _may_identify(column: dict[str, Any]) -> bool:
    return column["kind"] in ("text", "number", "date", "datetime", "binary")


def _of_values(column: dict[str, Any], rows: int) -> Iterator[dict[str, str]]:
    name = column["name"]
    if zeros := column["zeros"]:
        if zeros / rows > _SHARE:
            yield _alert("zeros", name, f"{zeros:,} values ({percent(zeros / rows)}) are zero.")
    for kind, words in (("infinite", "infinite"), ("nan", "not a number (NaN)")):
        if number := column[kind]:
            yield _alert(kind, name, f"{number:,} values ({percent(number / rows)}) are {words}.")
    skewness = floating(column["skewness"])
    if skewness is not None and abs(skewness) > _SKEWED:
        yield _alert("skewed", name, f"The values are highly skewed: {skewness:.4g}.")
    lengths = column["lengths"]
    if lengths and column["count"] > 1 and lengths["min"] == lengths["max"] and column["distinct"] > 1:
        yield _alert("constant_length", name, f"All values have {lengths['min']:,} characters.")
    uneven = _imbalance(column)
    if uneven is not None and uneven > _IMBALANCED:
        yield _alert("imbalance", name, f"A few values are most of them: an imbalance of {percent(uneven)}.")


def _imbalance(column: dict[str, Any]) -> float | None:
    """Return 1 minus the normalized entropy of a column of few categories."""
    if column["kind"] not in ("text", "boolean") or column["rest"] or len(column["top"]) < 2:
        return None
    counts = [entry["count"] for entry in column["top"]]
    total = sum(counts)
    entropy: float = -sum(count / total * math.log2(count / total) for count in counts)
    return float(1 - entropy / math.log2(len(counts)))


def _of_correlations(correlations: dict[str, Any] | None) -> Iterator[dict[str, str]]:
    if not correlations:
        return
    names = correlations["columns"]
    strong = [
        (abs(value), first, second, value)
        for first, row in enumerate(correlations["matrix"])
        for second, value in enumerate(row[:first])
        if value is not None and abs(value) >= _CORRELATED
    ]
    for _, first, second, value in sorted(strong, reverse=True)[:_PAIRS]:
        message = f"Highly correlated with {short(names[second])}: {value:.3f}."
        yield _alert("high_correlation", names[first], message)


def percent(share: float) -> str:
    """Return a share in per cent, never 0 % of something or 100 % of not all."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{share * 100:.1f} %"


def short(name: str) -> str:
    """Return a column's name for a sentence."""
    return name if len(name) <= 100 else name[:100] + "…"
