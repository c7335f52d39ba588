"""Numbers and strings out of Kerberos's files, never past their end."""

from __future__ import annotations

from typing import Literal


class CutOffError(ValueError):
    """The bytes end before what they announce."""


class Reader:
    """Reads one piece after the other.

    :param order: of the bytes of a number.
    """

    def __init__(self, content: bytes, order: Literal["big", "little"] = "big") -> None:
        self._content = content
        self._order = order
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._content) - self._at

    def take(self, count: int) -> bytes:
        """Return the next bytes, all of them or ``CutOffError``."""
        if count > self.left:
            raise CutOffError(f"{count} bytes are announced and {self.left} are there")
        self._at += count
        return self._content[self._at - count : self._at]

    def number(self, size: int, *, signed: bool = False) -> int:
        """Return a number of so many bytes."""
        return int.from_bytes(self.take(size), self._order, signed=signed)

    def counted(self, size: int) -> bytes:
        """Return bytes behind a number of so many bytes that counts them."""
        return self.take(self.number(size))
