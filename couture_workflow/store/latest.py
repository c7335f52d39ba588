"""What was worked out for the things of the last question, kept for the next one: what changed is worked out.

A tree of files is asked about again and again and hardly changes in between. So what is kept is what the
last question was about and no more, and nothing at all of a tree that is too large for the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: Bytes of a tree from which on nothing of it stays in memory.
LARGEST = 64 * 2**20


class Latest(Generic[Key, Value]):
    """Answers by key.

    A key must tell all that an answer depends on, such as a content or the id of one.

    :param size: bytes that an answer, with its key, takes in memory; roughly.
    """

    def __init__(self, size: Callable[[Key, Value], int]) -> None:
        self._size = size
        self._known: dict[Key, Value] = {}

    def of(
        self, keys: Iterable[Key], missing: Callable[[list[Key]], Iterable[tuple[Key, Value]]]
    ) -> dict[Key, Value]:
        """Return the answers to some keys, and keep these alone.

        :param missing: gives the answers to those keys that the last question did not have.
        """
        known, asked = self._known, dict.fromkeys(keys)
        new = dict(missing([key for key in asked if key not in known]))
        found = {key: new[key] if key in new else known[key] for key in asked if key in new or key in known}
        small = sum(self._size(key, value) for key, value in found.items()) <= LARGEST
        self._known = found if small else {}
        return found
