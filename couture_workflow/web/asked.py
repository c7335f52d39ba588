"""What an address asks for, read within limits: texts, moments, counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from couture_workflow.exceptions import InvalidError

_LONGEST = 1000


def text_of(given: Mapping[str, str], name: str) -> str:
    """Return a text of the address, "" for none, or raise ``InvalidError``."""
    text = given.get(name, "").strip()
    if len(text) > _LONGEST:
        raise InvalidError(f"{name} has more than {_LONGEST:,} characters. Make it shorter.", field=name)
    return text


def moment_of(given: Mapping[str, str], name: str) -> datetime | None:
    """Return a moment of the address; one without a zone is in UTC."""
    if not (text := given.get(name, "").strip()):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidError(
            f"{name} is {text[:60]!r}: give a time such as 2026-01-31T08:00:00+01:00, or a day.", field=name
        ) from None


def count_of(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return a whole number of the address, ``most`` for a larger one, or raise ``InvalidError``."""
    text = given.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise InvalidError(f"{name} is {text[:60]!r}: give a whole number of at most {most:,}.", field=name)
    return min(int(text), most)
