"""What a report calls that which could not be taken as it was: lines of a file, values of a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Words:
    """Words for it.

    :param title: of how many there are.
    :param first: heads the first ones.
    :param place: heads the numbers of where they are.
    :param alert: goes on behind the number.
    :param hidden: stands for a reason that is not shown.
    """

    title: str
    first: str
    place: str
    alert: str
    hidden: str


_LINES = Words(
    title="Lines that could not be read",
    first="First lines that could not be read",
    place="Line",
    alert="lines could not be read.",
    hidden="The line could not be read.",
)
_VALUES = Words(
    title="Values that could not be kept as they are",
    first="First values that could not be kept as they are",
    place="Row",
    alert="values could not be kept as they are.",
    hidden="The value could not be kept as it is.",
)


def words(about: Mapping[str, Any]) -> Words:
    """Return the words for a profile, or a source, by its kind."""
    return _VALUES if about.get("kind") == "sql" else _LINES


def rows(profile: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return the first ones: where, why and what."""
    first = profile["bad"].get("first") or ()
    return [(str(each.get("line")), each.get("reason"), each.get("text")) for each in first]
