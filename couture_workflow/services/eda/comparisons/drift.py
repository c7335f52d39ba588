"""How much a column has changed between two profiles: PSI, and Kolmogorov-Smirnov where values have an order.

The *population stability index* compares shares of all rows in parts: ``sum((new - old) * ln(new / old))``. A
share below ``SMALLEST_SHARE`` counts as that, so that an empty part is no division by zero. The parts are

- of numbers and dates: those between the deciles of the older profile; a value that fills a decile or
  more is a part of its own;
- of texts, booleans and times of day: each value that either profile lists, and the rest. Where a profile
  lists the most frequent values alone, a value that it does not list has at least 0 rows and at most as many
  as the rarest one that it lists; what is nearest to the other profile is taken. So the PSI is then a lower
  bound;
- of each column: missing values, and of numbers NaN and the infinite ones.

Where values are hidden, or have no order and are not counted, missing and not missing are the only parts.

The *Kolmogorov-Smirnov distance* is the largest difference of the shares up to a value, of the values that
are there and finite. ``docs/eda.md`` tells where the thresholds come from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import sub
from typing import Any

from couture_workflow.services.eda.comparisons.distribution import (
    ORDERED,
    Categories,
    Distribution,
    categories_of,
    count_of,
    distribution_of,
    family_of,
)

SMALLEST_SHARE = 0.0001
#: Rule of thumb for the PSI: below the first nothing to speak of, from the second on a change to look at.
SOME, MUCH = 0.1, 0.25
_DECILES = tuple(part / 10 for part in range(1, 10))


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How much a column has changed.

    :param psi: None if it cannot be told, see ``why``.
    :param ks: None for what has no order.
    :param resolution: how far the shares behind them may be from the truth, None if that is not known.
    :param basis: what was compared: "distribution", "categories" or "missing" (missing or not, nothing else).
    :param at_least: the PSI is a lower bound: not all values are counted.
    :param new: values that the older one has not, for certain; ``vanished`` the other way round.
    :param other_kind: its values are of another kind now.
    :param knows_new: the older profile lists all its values, so that ``new`` can be told.
    """

    psi: float | None = None
    ks: float | None = None
    resolution: float | None = None
    basis: str = ""
    at_least: bool = False
    new: tuple[tuple[str, int], ...] = ()
    vanished: tuple[tuple[str, int], ...] = ()
    knows_new: bool = False
    knows_vanished: bool = False
    why: str = ""
    other_kind: bool = False

    @property
    def level(self) -> str:
        """Return "none", "some" or "much"; "" if it cannot be told."""
        if self.psi is None:
            return ""
        return "none" if self.psi < SOME else "some" if self.psi < MUCH else "much"


@dataclass(frozen=True)
class Side:
    """A column in one of the profiles.

    :param rows: of the whole table.
    """

    column: Mapping[str, Any]
    rows: int

    @property
    def missing(self) -> int:
        """Return in how many rows it has no value."""
        return min(count_of(self.column.get("missing")), self.rows)

    @property
    def specials(self) -> tuple[int, int]:
        """Return how many rows have NaN, and how many something infinite."""
        return count_of(self.column.get("nan")), count_of(self.column.get("infinite"))

    @property
    def there(self) -> int:
        """Return in how many rows it has a value that is finite."""
        return max(self.rows - self.missing - sum(self.specials), 0)


def between(old: Side, new: Side, *, hidden: bool = False) -> Drift:
    """Return the drift of a column.

    :param hidden: its values are sensitive in one of the profiles: none is looked at.
    """
    families = {family_of(side.column) for side in (old, new) if not _is_empty(side)}
    if len(families) > 1:
        kinds = " to ".join(str(side.column.get("kind")) for side in (old, new))
        return Drift(
            why=f"It changed from {kinds}: values of different kinds cannot be compared.", other_kind=True
        )
    for side, name in ((old, "older"), (new, "newer")):
        if side.rows == 0:
            return Drift(why=f"The {name} output has no rows.")
    if hidden:
        return _of_missing(old, new)
    family = next(iter(families), "")
    if family in ORDERED and (drift := _of_distributions(old, new)):
        return drift
    return (_of_categories(old, new) if family else None) or _of_missing(old, new)


def psi(parts: Iterable[tuple[float, float]]) -> float:
    """Return the population stability index of parts, each with its older and its newer share."""
    total = 0.0
    for before, after in parts:
        before, after = max(before, SMALLEST_SHARE), max(after, SMALLEST_SHARE)
        total += (after - before) * math.log(after / before)
    return total


def ks(old: Distribution, new: Distribution) -> float:
    """Return the largest difference of two distributions."""
    values = sorted({*old.values, *new.values})
    pairs = zip(old.curve(values), new.curve(values), strict=True)
    largest: float = max(max(map(abs, map(sub, before, after))) for before, after in pairs)
    return largest


def _is_empty(side: Side) -> bool:
    """Tell whether a column has no value at all, so that its kind says nothing."""
    return side.column.get("kind") == "empty" or side.missing >= side.rows


def _missing_parts(old: Side, new: Side) -> list[tuple[float, float]]:
    counts = zip((old.missing, *old.specials), (new.missing, *new.specials), strict=True)
    return [(before / old.rows, after / new.rows) for before, after in counts]


def _of_missing(old: Side, new: Side) -> Drift:
    parts = [(side.missing / side.rows, (side.rows - side.missing) / side.rows) for side in (old, new)]
    return Drift(psi=psi(zip(*parts, strict=True)), basis="missing", resolution=0.0)


def _of_distributions(old: Side, new: Side) -> Drift | None:
    """Compare two columns of numbers or dates; None where a profile has no distribution of values it has."""
    found = [distribution_of(side.column) if side.there else None for side in (old, new)]
    for side, distribution in zip((old, new), found, strict=True):
        if side.there and distribution is None:
            return None
    before, after = found
    parts = _missing_parts(old, new)
    if before is None or after is None:
        parts.append((old.there / old.rows, new.there / new.rows))
        return Drift(psi=psi(parts), basis="missing", resolution=0.0)
    for (low, high), (low_new, high_new) in _decile_shares(before, after):
        parts.append(((high - low) * old.there / old.rows, (high_new - low_new) * new.there / new.rows))
    return Drift(
        psi=psi(parts),
        ks=ks(before, after),
        resolution=max(before.resolution, after.resolution),
        basis="distribution",
    )


def _decile_shares(
    old: Distribution, new: Distribution
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return, for each part between the older deciles, from and up to which share it reaches in both."""
    marks = [(0.0, 0.0)]
    for cut in sorted({old.value_at(share) for share in _DECILES}):
        below = old.share_below(cut)
        if old.share_up_to(cut) > below:  # the value is a part of its own
            marks.append((below, new.share_below(cut)))
        marks.append((old.share_up_to(cut), new.share_up_to(cut)))
    marks.append((1.0, 1.0))
    return [((left[0], right[0]), (left[1], right[1])) for left, right in zip(marks, marks[1:], strict=False)]


def _of_categories(old: Side, new: Side) -> Drift | None:
    found = [categories_of(side.column) or Categories({}, rest=side.there, exact=True) for side in (old, new)]
    if all(not each.counts for each in found):
        return None
    before, after = found
    names = [*before.counts, *(name for name in after.counts if name not in before.counts)]
    counts = _aligned(names, (old, before), (new, after))
    parts = _missing_parts(old, new)
    parts += [(first / old.rows, second / new.rows) for first, second in counts]
    rests = [max(side.there - sum(column), 0) for side, column in zip((old, new), zip(*counts), strict=True)]  # noqa: B905
    parts.append((rests[0] / old.rows, rests[1] / new.rows))
    return Drift(
        psi=psi(parts),
        basis="categories",
        resolution=0.0 if before.exact and after.exact else None,
        at_least=not (before.complete and after.complete),
        new=_only_in(after, before),
        vanished=_only_in(before, after),
        knows_new=before.complete,
        knows_vanished=after.complete,
    )


def _only_in(here: Categories, there: Categories) -> tuple[tuple[str, int], ...]:
    """Return the values with their counts that the other one lacks for certain, the most frequent first."""
    if not there.complete:
        return ()
    found = [(name, count) for name, count in here.counts.items() if name not in there.counts]
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def _aligned(
    names: list[str], old: tuple[Side, Categories], new: tuple[Side, Categories]
) -> list[tuple[float, float]]:
    """Return the older and the newer count of each value; see the module for those that are not listed."""
    columns = []
    for (side, known), (other_side, other) in ((old, new), (new, old)):
        left, most = float(known.rest), known.most_elsewhere
        column = []
        for name in names:
            if name in known.counts:
                column.append(float(known.counts[name]))
                continue
            alike = other.counts[name] / other_side.rows * side.rows
            guess = min(alike, most, left)
            left -= guess
            column.append(guess)
        columns.append(column)
    return list(zip(*columns, strict=True))
