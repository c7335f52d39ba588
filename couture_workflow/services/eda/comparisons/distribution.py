"""Distributions as a ``profile.json`` has them: shares up to a value of numbers and dates, counts of others.

What is known of a column of numbers or dates are some points of its cumulative distribution. Between two of
them it is taken as a straight line; where a value is so frequent that it fills more than one step it jumps.
The points come from the first of these that a profile has:

1. all its values with their counts (at most twenty different ones): exact;
2. ``cdf``, the quantiles of all rows at each hundredth: within one hundredth;
3. histogram and quantiles: as fine as these are, which ``Distribution.resolution`` says.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter, lt
from typing import Any

#: Kind of a column -> what it can be compared with. Others have no distribution.
FAMILIES = {
    "number": "number",
    "date": "moment",
    "datetime": "moment",
    "time": "time",
    "text": "text",
    "boolean": "boolean",
}
ORDERED = frozenset({"number", "moment"})

#: Shares of the quantiles that each profile should have.
_HUNDREDTHS = [part / 100 for part in range(101)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR = re.compile(r"([+-]?\d{1,6})-(\d{2})-(\d{2})")
_SECONDS_OF_A_YEAR = 31_556_952


@dataclass(frozen=True)
class Distribution:
    """Shares of the values of a column, by size.

    :param values: ascending, each once.
    :param below: share of values that are smaller, at each.
    :param up_to: share of values that are smaller or equal, at each.
    :param resolution: how far a share may be from the truth, such as 0.01.
    """

    values: tuple[float, ...]
    below: tuple[float, ...]
    up_to: tuple[float, ...]
    resolution: float

    def share_below(self, value: float) -> float:
        """Return the share of values that are smaller."""
        at = bisect_left(self.values, value)
        if at < len(self.values) and self.values[at] == value:
            return self.below[at]
        return self._between(at, value)

    def share_up_to(self, value: float) -> float:
        """Return the share of values that are smaller or equal."""
        at = bisect_right(self.values, value)
        if at and self.values[at - 1] == value:
            return self.up_to[at - 1]
        return self._between(at, value)

    def curve(self, values: Sequence[float]) -> tuple[list[float], list[float]]:
        """Return the shares below and up to each of some ascending values, its own among them."""
        own = dict(zip(self.values, zip(self.below, self.up_to, strict=True), strict=True))
        below: list[float] = []
        up_to: list[float] = []
        at = 0
        for value in values:
            if value in own:
                low, high = own[value]
                at += 1
            else:
                low = high = self._between(at, value)
            below.append(low)
            up_to.append(high)
        return below, up_to

    def _between(self, at: int, value: float) -> float:
        if at == 0:
            return 0.0
        if at == len(self.values):
            return 1.0
        left, right = self.values[at - 1], self.values[at]
        low, high = self.up_to[at - 1], self.below[at]
        # Halves, so that the largest numbers do not become infinite on the way.
        width = right / 2 - left / 2
        part = (value / 2 - left / 2) / width if width > 0 else 0.0
        return low + (high - low) * min(max(part, 0.0), 1.0)

    def value_at(self, share: float) -> float:
        """Return the smallest value up to which that share of all values lies."""
        at = bisect_left(self.up_to, share)
        if at >= len(self.values):
            return self.values[-1]
        if at == 0 or share > self.below[at]:
            return self.values[at]
        low, high = self.up_to[at - 1], self.below[at]
        part = (share - low) / (high - low) if high > low else 1.0
        return self.values[at - 1] * (1 - part) + self.values[at] * part


@dataclass(frozen=True)
class Categories:
    """The most frequent values of a column.

    :param counts: value -> how many rows have it.
    :param rest: rows with a value that is not among them.
    :param exact: the counts are those of all rows.
    """

    counts: Mapping[str, int]
    rest: int
    exact: bool

    @property
    def complete(self) -> bool:
        """Tell whether each value of the column is known."""
        return self.rest == 0 and self.exact

    @property
    def most_elsewhere(self) -> int:
        """Return how many rows a value can have at most that is not among the most frequent."""
        return min(self.rest, min(self.counts.values(), default=self.rest))


def count_of(value: Any) -> int:
    """Return a count as a profile has it, 0 for none."""
    if type(value) is int:
        return max(value, 0)
    found = number_of(value)
    return max(int(found), 0) if found is not None else 0


def number_of(value: Any) -> float | None:
    """Return a number as a profile has it: as JSON's or, where that would lose digits, as text."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def seconds_of(value: Any) -> float | None:
    """Return a date or a moment in ISO form as seconds since 1970; one without a zone is taken as UTC."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _far_away(text)
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (aware - _EPOCH) / timedelta(seconds=1)


def _far_away(text: str) -> float | None:
    """Return roughly the seconds of a date whose year Python does not know, such as 12026 or -44."""
    found = _YEAR.match(text)
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups())
    return ((year - 1970) + (month - 1) / 12 + (day - 1) / 366) * _SECONDS_OF_A_YEAR


_READERS = {"number": number_of, "moment": seconds_of}


def family_of(column: Mapping[str, Any]) -> str:
    """Return what a column can be compared with: number, moment, time, text, boolean or "" for none."""
    return FAMILIES.get(str(column.get("kind", "")), "")


def position_of(column: Mapping[str, Any], value: Any) -> float | None:
    """Return where a value of a column of numbers or dates stands, None if that cannot be told."""
    reader = _READERS.get(family_of(column))
    return reader(value) if reader else None


def distribution_of(column: Mapping[str, Any]) -> Distribution | None:
    """Return the distribution of a column of numbers or dates, None if the profile has none."""
    if family_of(column) not in ORDERED:
        return None
    return _of_counts(column) or _of_quantiles(column) or _of_histogram(column)


def categories_of(column: Mapping[str, Any]) -> Categories | None:
    """Return the values of a column that are counted, None if the profile has none."""
    if column.get("kind") == "boolean" and column.get("true") is not None:
        counts = {name: count_of(column.get(name)) for name in ("false", "true")}
        return Categories({name: count for name, count in counts.items() if count}, rest=0, exact=True)
    every = _counted(column.get("categories"))
    if every:
        return Categories(every, rest=0, exact=True)
    top = _counted(column.get("top"))
    if not top:
        return None
    return Categories(top, rest=count_of(column.get("rest")), exact=column.get("top_exact") is not False)


def _counted(items: Any) -> dict[str, int]:
    """Return value -> count of a list as ``top`` is; a value that is null is no category."""
    found: dict[str, int] = {}
    for item in items if isinstance(items, list) else ():
        value = item.get("value") if isinstance(item, Mapping) else None
        count = count_of(item.get("count")) if value is not None else 0
        if count:
            found[str(value)] = found.get(str(value), 0) + count
    return found


def _of_counts(column: Mapping[str, Any]) -> Distribution | None:
    """Use all values, where the profile lists them all and each can be read."""
    if count_of(column.get("rest")):
        return None
    known = categories_of(column)
    if known is None or not known.complete:
        return None
    counts: dict[float, int] = {}
    for text, count in known.counts.items():
        value = position_of(column, text)
        if value is None:
            return None
        counts[value] = counts.get(value, 0) + count
    values = sorted(counts)
    total = sum(counts.values())
    below, up_to, so_far = [], [], 0
    for value in values:
        below.append(so_far / total)
        so_far += counts[value]
        up_to.append(so_far / total)
    return Distribution(tuple(values), tuple(below), tuple(up_to), resolution=0.0)


def _of_quantiles(column: Mapping[str, Any]) -> Distribution | None:
    given = column.get("cdf")
    if not isinstance(given, Mapping):
        return None
    values, shares = given.get("values") or (), given.get("shares") or ()
    if shares == _HUNDREDTHS and len(values) == len(shares):
        read = _READERS[family_of(column)]
        places = [place for value in values if (place := read(value)) is not None]
        if len(places) == len(shares) and all(map(lt, places, places[1:])):  # the usual case, and quick
            known = tuple(_HUNDREDTHS)
            return Distribution(tuple(places), known, known, resolution=0.01)
    pairs = _pairs(column, zip(values, shares, strict=False))
    if len(pairs) < 2 or pairs[0][1] > 0 or pairs[-1][1] < 1:
        return None
    step = max(right[1] - left[1] for left, right in zip(pairs, pairs[1:], strict=False))
    return _jumping(pairs, resolution=round(step, 6))


def _jumping(pairs: Sequence[tuple[float, float]], *, resolution: float) -> Distribution:
    """Return the distribution of quantiles: a value that stands at several shares is a jump."""
    values: list[float] = []
    below: list[float] = []
    up_to: list[float] = []
    for value, share in pairs:
        if values and values[-1] == value:
            below[-1] = up_to[-2] if len(up_to) > 1 else 0.0
            up_to[-1] = share
        else:
            values.append(value)
            below.append(share)
            up_to.append(share)
    below[0], up_to[-1] = 0.0, 1.0
    return Distribution(tuple(values), tuple(below), tuple(up_to), resolution=resolution)


def _of_histogram(column: Mapping[str, Any]) -> Distribution | None:
    """Join the borders of the histogram and the quantiles, both of all rows."""
    pairs = _borders(column)
    quantiles = column.get("quantiles")
    if isinstance(quantiles, Mapping):
        pairs += _pairs(column, ((value, share) for share, value in quantiles.items()))
    least, most = (position_of(column, column.get(name)) for name in ("min", "max"))
    if least is not None and most is not None:
        if least == most:
            return Distribution((least,), (0.0,), (1.0,), resolution=0.0)
        pairs = [(least, 0.0), *(pair for pair in pairs if least < pair[0] < most), (most, 1.0)]
    if len(pairs) < 2:
        return None
    pairs.sort()
    points: list[tuple[float, float]] = []
    for value, share in pairs:  # rounding of one must not let the shares of the other fall
        share = max(share, points[-1][1]) if points else share
        if points and points[-1][0] == value:
            points[-1] = (value, share)
        else:
            points.append((value, share))
    points[-1] = (points[-1][0], 1.0)
    if len(points) < 2:
        return Distribution((points[0][0],), (0.0,), (1.0,), resolution=0.0)
    step = max(right[1] - left[1] for left, right in zip(points, points[1:], strict=False))
    values, shares = zip(*points, strict=True)
    return Distribution(values, (0.0, *shares[1:]), shares, resolution=step)


def _borders(column: Mapping[str, Any]) -> list[tuple[float, float]]:
    histogram = column.get("histogram")
    if not isinstance(histogram, Mapping):
        return []
    read = _READERS[family_of(column)]
    edges = [read(edge) for edge in histogram.get("edges") or ()]
    counts = [count_of(count) for count in histogram.get("counts") or ()]
    total = sum(counts)
    if len(edges) != len(counts) + 1 or not total or None in edges:
        return []
    found, so_far = [(edges[0], 0.0)], 0
    for edge, count in zip(edges[1:], counts, strict=True):
        so_far += count
        found.append((edge, so_far / total))
    return [(value, share) for value, share in found if value is not None]


def _pairs(column: Mapping[str, Any], given: Iterable[tuple[Any, Any]]) -> list[tuple[float, float]]:
    """Return value and share of what can be read, ascending in both."""
    found = []
    read = _READERS[family_of(column)]
    for value, share in given:
        place, part = read(value), number_of(share)
        if place is not None and part is not None and 0 <= part <= 1:
            found.append((place, part))
    found.sort(key=itemgetter(1, 0))
    kept: list[tuple[float, float]] = []
    for place, part in found:
        if not kept or place >= kept[-1][0]:
            kept.append((place, part))
    return kept
