"""Prices, counted in cents."""

from __future__ import annotations

#: Percent of value-added tax.
TAX = 19


def gross(net: int) -> int:
    """Return a price with the tax on it."""
    return net + round(net * TAX / 100)
