"""How far a check of many files is, for those who wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

#: Is told what is done with the files, how many are done, and how many there are.
Told = Callable[[str, int, int], None]


def to_nobody(what: str, done: int, total: int) -> None:
    """Be told, and say nothing."""


def counted(items: Iterable[Item], *, what: str, total: int, told: Told) -> Iterator[Item]:
    """Iterate over items as they get done, and tell after each how far it is."""
    for done, item in enumerate(items, start=1):
        told(what, done, total)
        yield item
