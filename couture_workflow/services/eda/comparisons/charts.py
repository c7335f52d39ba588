"""What is drawn and listed of a column in two profiles: shares on common edges, the same facts of both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from couture_workflow.services.eda.comparisons.distribution import (
    ORDERED,
    Categories,
    Distribution,
    categories_of,
    distribution_of,
    family_of,
)
from couture_workflow.services.eda.comparisons.drift import Side

BINS = 20
#: Values that a chart has at most, the rest is one bar.
_MOST_VALUES = 20
#: Characters of a value that are shown.
_LONGEST = 120
#: The range is that of the middle 98 % where the whole is so many times wider.
_WIDER = 4
#: Facts of both sides; those that are values are hidden with them.
_COUNTS = ("missing", "distinct")
_VALUES = ("min", "mean", "max", "std")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Column = Mapping[str, Any] | None


def cut(text: str) -> str:
    """Return a value as far as it is shown."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def facts(old: Column, new: Column, *, hidden: bool) -> list[dict[str, Any]]:
    """Return the facts of a column on both sides, null where there is none."""
    found = []
    for name in (*_COUNTS, *(() if hidden else _VALUES)):
        pair = [_fact(side, name) for side in (old, new)]
        if pair != [None, None]:
            found.append({"name": name, "old": pair[0], "new": pair[1]})
    for name in ("min", "mean", "max"):
        pair = [_fact(side.get("lengths") if side else None, name) for side in (old, new)]
        if pair != [None, None]:
            found.append({"name": f"{name} length", "old": pair[0], "new": pair[1]})
    return found


def _fact(side: Any, name: str) -> int | float | str | None:
    value = side.get(name) if isinstance(side, Mapping) else None
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def chart(old: Column, new: Column, *, rows: tuple[int, int]) -> dict[str, Any] | None:
    """Return the bars of both sides, None where a profile has nothing to draw.

    Its ``rows`` have a ``label`` and the shares ``old`` and ``new`` of the values that are there, null where
    a profile does not list a value; its ``kind`` is "bins" or "values".
    """
    sides = [Side(column or {}, count) for column, count in zip((old, new), rows, strict=True)]
    column = next((side.column for side in sides if family_of(side.column)), {})
    if family_of(column) in ORDERED and (drawn := _bins(column, sides)):
        return drawn
    known = [categories_of(side.column) for side in sides]
    return _values(known, sides) if any(known) else None


def _bins(column: Mapping[str, Any], sides: Sequence[Side]) -> dict[str, Any] | None:
    found = [distribution_of(side.column) if side.there else None for side in sides]
    there = [each for each in found if each is not None]
    if not there:
        return None
    values = sorted({value for each in there for value in each.values})
    if len(values) <= _MOST_VALUES and all(each.resolution == 0 for each in there):
        return {"kind": "values", "rows": [_of_value(column, value, found) for value in values]}
    edges, is_open = _edges(there)
    bars = []
    for number, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        first, last = number == 0, number == len(edges) - 2
        pair = [_share(each, low, high, first=first, last=last) for each in found]
        left, right = label(column, low), label(column, high)
        text = f"{left} to {right}"
        if is_open and (first or last):
            text = f"below {right}" if first else f"{left} and more"
        bars.append({"label": text, "old": pair[0], "new": pair[1]})
    return {
        "kind": "bins",
        "from": label(column, edges[0]),
        "to": label(column, edges[-1]),
        "open": is_open,
        "rows": bars,
    }


def _share(of: Distribution | None, low: float, high: float, *, first: bool, last: bool) -> float | None:
    if of is None:
        return None
    below = 0.0 if first else of.share_below(low)
    return max((1.0 if last else of.share_below(high)) - below, 0.0)


def _of_value(
    column: Mapping[str, Any], value: float, found: Sequence[Distribution | None]
) -> dict[str, Any]:
    shares = [each and each.share_up_to(value) - each.share_below(value) for each in found]
    return {"label": label(column, value), "old": shares[0], "new": shares[1]}


def _edges(found: Sequence[Distribution]) -> tuple[list[float], bool]:
    """Return the common edges, and whether values lie beyond the first and the last of them."""
    low, high = min(each.values[0] for each in found), max(each.values[-1] for each in found)
    inner_low = min(each.value_at(0.01) for each in found)
    inner_high = max(each.value_at(0.99) for each in found)
    is_open = inner_low < inner_high and (high / _WIDER - low / _WIDER) > inner_high - inner_low
    if is_open:
        low, high = inner_low, inner_high
    if not low < high:
        low, high = low - 0.5, high + 0.5
    edges = [low * (1 - step / BINS) + high * (step / BINS) for step in range(BINS + 1)]
    return (edges if len(set(edges)) == len(edges) else [low, high]), is_open


def _values(known: Sequence[Categories | None], sides: Sequence[Side]) -> dict[str, Any]:
    """Return a bar for each of the most frequent values of either side, and one for all others."""
    shares: dict[str, list[float | None]] = {}
    for place, (each, side) in enumerate(zip(known, sides, strict=True)):
        for name, count in (each.counts if each else {}).items():
            pair = shares.setdefault(name, [None, None])
            pair[place] = count / side.there if side.there else 0.0
    for pair in shares.values():
        for place, each in enumerate(known):
            if pair[place] is None and each is not None and each.complete:
                pair[place] = 0.0
    order = sorted(shares, key=lambda name: (-max(share or 0.0 for share in shares[name]), name))
    listed = order[:_MOST_VALUES]
    bars: list[dict[str, Any]] = [
        {"label": cut(name), "old": shares[name][0], "new": shares[name][1]} for name in listed
    ]
    rest = [
        None if each is None else max(1.0 - sum(shares[name][place] or 0.0 for name in listed), 0.0)
        for place, each in enumerate(known)
    ]
    if any(share is not None and share > 1e-9 for share in rest):
        bars.append({"label": "", "others": True, "old": rest[0], "new": rest[1]})
    return {"kind": "values", "rows": bars}


def label(column: Mapping[str, Any], value: float) -> str:
    """Return a place on the axis as people write it."""
    if family_of(column) == "number":
        return f"{value:,.0f}" if value == round(value) and abs(value) < 1e12 else f"{value:,.6g}"
    try:
        moment = _EPOCH + timedelta(seconds=value)
    except OverflowError:
        return f"year {1970 + value / 31_556_952:,.0f}"
    whole = moment.replace(tzinfo=None, microsecond=0)
    return whole.date().isoformat() if whole.time() == whole.min.time() else whole.isoformat(" ")
