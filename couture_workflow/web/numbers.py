"""The numbers that callers may send: within what git and databases count with."""

from __future__ import annotations

#: 32 bits less some: they refuse a larger number, or take it for a small one.
LARGEST = 2**31 - 2**10
