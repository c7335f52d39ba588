"""How a file is to be read: the settings that are not to be detected, and their rules."""

from __future__ import annotations

import re
from typing import Any

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.eda import checks
from couture_workflow.services.eda.checks import MOST_COLUMNS

ENCODINGS = ("utf-8", "utf-16", "latin-1", "windows-1252")
#: Types that a column can be read as, beside DECIMAL(digits,places).
TYPES = (
    "VARCHAR",
    "BOOLEAN",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "DOUBLE",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
)

_DECIMAL = re.compile(r"DECIMAL\((\d{1,2}),\s?(\d{1,2})\)")
_MOST_NULLS = 50


def normal(data: Any) -> dict[str, Any]:
    """Return how a file is to be read, in its normal form, or raise ``InvalidError``."""
    data = checks.mapping(data, "file.reading")
    checks.known(data, tuple(_READING), "file.reading")
    return {
        name: check(data[name], f"file.reading.{name}")
        for name, check in _READING.items()
        if data.get(name) is not None
    }


def _character(value: Any, place: str) -> str:
    text = checks.text(value, place, most=1, printable=False)
    if text in ("\n", "\r", "\0"):
        raise InvalidError(f"{place}: a line break or NUL cannot be it. Choose another one.", field=place)
    return text


def _delimiter(value: Any, place: str) -> str:
    if not (text := _character(value, place)):
        raise InvalidError(f"{place}: give one character, such as a comma.", field=place)
    return text


def _decimal(value: Any, place: str) -> str:
    return checks.choice(value, (".", ","), place)


def _encoding(value: Any, place: str) -> str:
    return checks.choice(str(value).lower(), ENCODINGS, place)


def _nulls(value: Any, place: str) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > _MOST_NULLS:
        raise InvalidError(f"{place} must be a list of at most {_MOST_NULLS} words.", field=place)
    return list(dict.fromkeys(checks.text(each, place, most=100) for each in value))


def _types(value: Any, place: str) -> dict[str, str]:
    value = checks.mapping(value, place)
    if len(value) > MOST_COLUMNS:
        raise InvalidError(f"{place} must be an object of at most {MOST_COLUMNS} columns.", field=place)
    return {checks.column(name, place): _type(kind, place) for name, kind in value.items()}


def _type(value: Any, place: str) -> str:
    text = " ".join(str(value).upper().split())
    if found := _DECIMAL.fullmatch(text):
        digits, places = int(found[1]), int(found[2])
        if 1 <= digits <= 38 and places <= digits:
            return f"DECIMAL({digits},{places})"
    if text not in TYPES:
        raise InvalidError(
            f"{place}: {str(value)[:60]!r} is no type. Choose one of {', '.join(TYPES)}, or "
            "DECIMAL(digits,places) with at most 38 digits.",
            field=place,
        )
    return text


def _skip(value: Any, place: str) -> int:
    return checks.number(value, place, 0, 1_000_000)


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidError(f"{place} must be true or false.", field=place)
    return value


_READING = {
    "delimiter": _delimiter,
    "quote": _character,
    "escape": _character,
    "encoding": _encoding,
    "header": _flag,
    "decimal": _decimal,
    "nulls": _nulls,
    "skip": _skip,
    "types": _types,
}
