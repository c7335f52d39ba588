"""What goes wrong with a session, and what is worth knowing of one that was made."""

from __future__ import annotations

import warnings


class SparkSessionError(RuntimeError):
    """There can be no session; the message says why and what to do."""


class SparkSessionWarning(UserWarning):
    """There is a session, but not as somebody asked for."""


def warn(message: str) -> None:
    """Show a warning each time, also when the same cell is run again."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", SparkSessionWarning)
        warnings.warn(message, SparkSessionWarning, stacklevel=3)
