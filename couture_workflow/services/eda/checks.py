"""Checks of single values that somebody sent for a source; each raises ``InvalidError`` with the field."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from couture_workflow.exceptions import InvalidError

#: Columns of which something can be said, at most, and characters of a column's name and of a line.
MOST_COLUMNS, _LONGEST_COLUMN, LONGEST = 5000, 1000, 1000


def known(data: Mapping[str, Any], names: Sequence[str], place: str) -> None:
    for name in data:
        if name not in names:
            at = f"{place}.{name}" if place else str(name)
            raise InvalidError(
                f"There is no {at[:100]!r} in a source. These are: {', '.join(names)}.", field=at[:100]
            )


def one_of(one: str, other: str, place: str, words: str) -> None:
    if bool(one) == bool(other):
        raise InvalidError(f"Choose {words}{', not both' if one else ''}.", field=place)


def mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InvalidError(f"{place} must be an object.", field=place)
    return value


def choice(value: Any, known: Sequence[str], place: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise InvalidError(f"{place} must be one of {', '.join(known)}.", field=place)
    return value


def number(value: Any, place: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidError(f"{place} must be a whole number from {least:,} to {most:,}.", field=place)
    return value


def scalar(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else value


def text(value: Any, place: str, *, most: int, printable: bool = True) -> str:
    """Return a text; line breaks and tabs are part of one, other control characters are not."""
    if not isinstance(value, str):
        raise InvalidError(f"{place} must be a text.", field=place)
    if len(value) > most:
        raise InvalidError(
            f"{place} has {len(value):,} characters, more than the {most:,} it may have.", field=place
        )
    odd = [c for c in value if unicodedata.category(c) == "Cs" or (printable and _is_control(c))]
    if odd:
        raise InvalidError(f"{place} has a control character in it. Take it out.", field=place)
    return value


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" and character not in "\n\r\t"


def line(value: Any, place: str) -> str:
    """Return a text of one line without blanks around."""
    found = text(value, place, most=LONGEST).strip()
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in found):
        raise InvalidError(f"{place} must be one line without control characters.", field=place)
    return found


def name(value: Any, place: str) -> str:
    """Return the name of something in a database as it is: blanks around it belong to it."""
    return text(value, place, most=LONGEST)


def words(value: Any, place: str, *, most: int, longest: int) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > most:
        raise InvalidError(f"{place} must be a list of at most {most} words.", field=place)
    found = tuple(dict.fromkeys(text for each in value if (text := line(each, place))))
    if any(len(each) > longest for each in found):
        raise InvalidError(f"{place}: one has at most {longest} characters.", field=place)
    return found


def columns(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MOST_COLUMNS:
        raise InvalidError(f"sensitive must be a list of at most {MOST_COLUMNS} columns.", field="sensitive")
    return tuple(dict.fromkeys(column(each, "sensitive") for each in value))


def column(value: Any, place: str) -> str:
    """Return the name of a column, which may be anything."""
    return text(value, place, most=_LONGEST_COLUMN, printable=False)
