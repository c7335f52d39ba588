"""How columns go together, as a report shows it: ranks and categories of the sample, points of pairs."""

from __future__ import annotations

from html import escape
from typing import Any

from ..statistics import associations
from ..statistics.sample import Sample
from . import plots
from .parts import caption, of_sample

#: Characters of a column's name in the name of a pair.
_NAME = 24


def maps(profile: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return anchor, name and HTML of each map of what the sample tells of how columns go together."""
    found = profile.get("associations")
    if not found:
        return []
    about = of_sample(found["rows"], found["of"])
    words = (
        ("spearman", "Spearman", "Spearman's rank correlation of numbers."),
        ("cramers_v", "Cramér's V", "Cramér's V of categories, corrected for its bias, from 0 to 1."),
    )
    return [
        (key, name, plots.correlations(part["columns"], part["matrix"]) + caption(f"{told} {about}"))
        for key, name, told in words
        if (part := found[key])
    ]


def scatters(profile: dict[str, Any], sample: Sample) -> list[tuple[str, str, str]]:
    """Return anchor, name and drawing of the pairs of numeric columns that go together most."""
    drawn = []
    for place, (first, second, points) in enumerate(associations.pairs(sample, profile.get("correlations"))):
        about = of_sample(len(points), profile["rows"])
        drawing = plots.scatter(points, across=first, up=second) + caption(about)
        drawn.append((f"interaction{place}", f"{_short(first)} × {_short(second)}", drawing))
    return drawn


def _short(name: str) -> str:
    return escape(name if len(name) <= _NAME else name[:_NAME] + "…")
