"""Text that somebody else made, as text that JSON, UTF-8 and a page can carry."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text in which what UTF-8 cannot carry stands as its escape, like ``\\ud800``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
