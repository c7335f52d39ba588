"""The rules of ``fail_when``: what may be written, and what it means. ``guard`` is what uses them.

::

    {
        "rows": {"min": 1, "max": 1_000_000, "change": 0.2},
        "missing": {"any": 0.1, "age": "2%", "note": None},
        "drift": 0.25,
        "ks": {"age": 0.1},
        "new_categories": ["country"],
        "columns": ["removed", "retyped"],
        "duplicates": 0,
        "bad_lines": "1%",
    }

A rule is broken when what was found is larger than its limit (smaller, for ``rows.min``). ``any`` stands for
all columns that are not named; ``None`` takes a column out; ``column:any`` is a column with the name ``any``.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.texts import plain_yaml

ANY = "any"
#: What may become of columns.
CHANGES = ("added", "removed", "retyped")
#: Prefix of a column's name that could be taken for something else.
COLUMN = "column:"
#: Columns that one rule may name, characters of a name, and of a text that holds rules.
_MOST_COLUMNS, _LONGEST_NAME, _LONGEST_TEXT = 10_000, 1_000, 20_000
_LARGEST = 10**15
#: Writes what was given into a sentence, however long or deep it is.
_REPR = reprlib.Repr()
_REPR.maxlevel = 3
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 100
_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_SHARE = "a share such as 0.1, or a text such as '10%'"


@dataclass(frozen=True)
class Amount:
    """How many rows are too many: a number of them, or a share.

    :param share: of all rows; None where ``most`` counts.
    """

    most: int = 0
    share: float | None = None


@dataclass(frozen=True)
class ByColumn:
    """Limits of columns.

    :param any: limit of those that are not named, None for none.
    :param named: column -> its limit; None: it has none.
    """

    any: float | None = None
    named: Mapping[str, float | None] = field(default_factory=dict)

    def limit(self, column: str) -> float | None:
        """Return the limit of a column, None for none."""
        return self.named.get(column, self.any)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a task fails for; None, or an empty tuple, where nothing is asked.

    :param given: the rules as they were written, as JSON has them.
    :param new_categories: columns; ``any`` stands for all.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    least_rows: int | None = None
    most_rows: int | None = None
    rows_change: float | None = None
    missing: ByColumn | None = None
    drift: ByColumn | None = None
    ks: ByColumn | None = None
    new_categories: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    duplicates: Amount | None = None
    bad_lines: Amount | None = None

    def __bool__(self) -> bool:
        return bool(self.given)

    @property
    def compares(self) -> bool:
        """Tell whether a rule needs another output to compare with."""
        asked = (self.rows_change, self.drift, self.ks)
        return any(each is not None for each in asked) or bool(self.new_categories or self.columns)


def parse(given: object) -> Rules:
    """Return the rules of a mapping, of a sequence of mappings or of a YAML or JSON text; None is no rule.

    :raises InvalidError: with a sentence that names the key, the rule and the remedy; ``field`` is
        ``fail_when`` with the path of the key.
    """
    rules = _mapping(given)
    found: dict[str, Any] = {}
    for name, value in rules.items():
        reader = _READERS.get(name) if isinstance(name, str) else None
        if reader is None:
            raise _wrong("", f"{_quoted(name)} is no rule. Give some of {', '.join(_READERS)}.")
        if value is not None:
            found.update(reader(name, value))
    kept = {name: value for name, value in rules.items() if value is not None}
    return Rules(given=_plain(kept), **found)


def as_mapping(rules: Rules) -> dict[str, Any]:
    """Return the rules as they were written, to be kept as YAML or JSON."""
    return dict(rules.given)


def _plain(value: Any) -> Any:
    """Return what was written in the types of JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value


def _mapping(given: object) -> Mapping[str, Any]:
    if isinstance(given, str):
        given = _loaded(given)
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return given
    if not isinstance(given, Sequence) or isinstance(given, bytes):
        raise _wrong("", f"Give a mapping such as {{'rows': {{'min': 1}}}}, not {_quoted(given)}.")
    found: dict[str, Any] = {}
    for each in given:
        if not isinstance(each, Mapping):
            raise _wrong("", f"A sequence of rules has mappings in it, not {_quoted(each)}.")
        for name, value in each.items():
            if name in found:
                raise _wrong("", f"{_quoted(name)} is there twice. Write all of it into one mapping.")
            found[name] = value
    return found


def _loaded(text: str) -> Any:
    if len(text) > _LONGEST_TEXT:
        raise _wrong("", f"The text has {len(text):,} characters; {_LONGEST_TEXT:,} are allowed.")
    try:
        return plain_yaml.load(text)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise _wrong("", f"The text is neither YAML nor JSON: {said[:300]}.") from error
    except ValueError as error:  # a date or a number that cannot be
        raise _wrong("", f"The text has a value that cannot be read: {str(error)[:300]}.") from error


def _rows(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(
            name, f"Give a mapping such as {{'min': 1, 'max': 1000, 'change': 0.2}}, not {_quoted(value)}."
        )
    _only(name, value, ("min", "max", "change"))
    least, most = (
        None if value.get(key) is None else _count(f"{name}.{key}", value[key]) for key in ("min", "max")
    )
    if least is not None and most is not None and least > most:
        raise _wrong(
            name, f"min is {least:,} and max {most:,}: no number of rows is between them. Swap them."
        )
    change = value.get("change")
    return {
        "least_rows": least,
        "most_rows": most,
        "rows_change": None if change is None else _share(f"{name}.change", change, most=math.inf),
    }


def _limits(most: float, read: Callable[..., float]) -> Callable[[str, object], dict[str, Any]]:
    """Return the reader of a rule that has a limit for each column."""

    def reader(name: str, value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            return {name: ByColumn(any=read(name, value, most=most))}
        _few(name, value)
        every: float | None = None
        named: dict[str, float | None] = {}
        for key, given in value.items():
            column = _column(name, key)
            limit = None if given is None else read(f"{name}.{key}", given, most=most)
            if key == ANY:
                every = limit
            elif column in named:
                raise _wrong(name, f"The column {_quoted(column)} is there twice. Give it one limit.")
            else:
                named[column] = limit
        if every is None and all(limit is None for limit in named.values()):
            raise _wrong(name, "No column has a limit: nothing would be looked at. Give one to 'any'.")
        return {name: ByColumn(any=every, named=named)}

    return reader


def _categories(name: str, value: object) -> dict[str, Any]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Sequence) or isinstance(listed, bytes):
        raise _wrong(name, f"Give a list of columns such as ['country'], or 'any', not {_quoted(value)}.")
    _few(name, listed)
    for column in listed:
        _column(name, column)
    return {name: tuple(dict.fromkeys(listed))}


def _columns(name: str, value: object) -> dict[str, Any]:
    if value == "changed":
        return {name: CHANGES}
    listed = [value] if isinstance(value, str) else value
    if (
        not isinstance(listed, Sequence)
        or isinstance(listed, bytes)
        or any(each not in CHANGES for each in listed)
    ):
        raise _wrong(name, f"Give 'changed', or a list of {', '.join(CHANGES)}, not {_quoted(value)}.")
    return {name: tuple(each for each in CHANGES if each in listed)}


def _amount(name: str, value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        _only(name, value, ("max", "share"))
        if len(value) != 1:
            raise _wrong(name, "Give either max, a number of rows, or share, such as 0.01.")
        key, value = next(iter(value.items()))
        if key == "share":
            return {name: Amount(share=_share(f"{name}.share", value, most=1.0))}
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return {name: Amount(share=_share(name, value, most=1.0))}
    return {name: Amount(most=_count(name, value))}


def _share(name: str, value: object, *, most: float) -> float:
    """Return a share; a plain number is at most 1, so that nobody's 20 is taken for 2,000 %."""
    if isinstance(value, str) and (found := _PERCENT.fullmatch(value)):
        share = float(found[1]) / 100
        if share > most:
            raise _wrong(name, f"{value.strip()} is more than all. Give {_SHARE}.")
        return share
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _wrong(name, f"{_quoted(value)} is no share from 0 to 1. Give {_SHARE}.")
    return float(value)


def _index(name: str, value: object, *, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise _wrong(
            name, f"{_quoted(value)} is no limit of a drift. Give a number such as 0.25, at most {most:g}."
        )
    return float(value)


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise _wrong(
            name, f"{_quoted(value)} is no number of rows. Give a whole number from 0 on, such as 100."
        )
    return value


def column_of(name: str) -> str:
    """Return the column that a name in a rule means."""
    return name.removeprefix(COLUMN)


def _column(rule: str, name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        raise _wrong(rule, f"{_quoted(name)} is no name of a column. Give its name as a text, in quotes.")
    return column_of(name)


def _few(name: str, given: Mapping[Any, Any] | Sequence[Any]) -> None:
    if not given:
        raise _wrong(name, "It is empty: nothing would be looked at. Name a column, or leave the rule out.")
    if len(given) > _MOST_COLUMNS:
        raise _wrong(name, f"It names {len(given):,} columns; {_MOST_COLUMNS:,} are allowed. Use 'any'.")


def _only(name: str, given: Mapping[Any, Any], keys: Sequence[str]) -> None:
    for key in given:
        if key not in keys:
            raise _wrong(name, f"{_quoted(key)} is not known there. Give some of {', '.join(keys)}.")
    if all(value is None for value in given.values()):
        raise _wrong(name, f"It is empty: nothing would be looked at. Give some of {', '.join(keys)}.")


def _quoted(value: object) -> str:
    try:
        text = _REPR.repr(value)
    except ValueError:  # Python does not write such a number
        text = "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:80]}…"


def _wrong(path: str, message: str) -> InvalidError:
    where = f"fail_when.{path}" if path else "fail_when"
    where = where if len(where) <= 120 else f"{where[:120]}…"
    return InvalidError(f"{where}: {message}", field=where)


_READERS: dict[str, Callable[[str, object], dict[str, Any]]] = {
    "rows": _rows,
    "missing": _limits(1.0, _share),
    "drift": _limits(100.0, _index),
    "ks": _limits(1.0, _index),
    "new_categories": _categories,
    "columns": _columns,
    "duplicates": _amount,
    "bad_lines": _amount,
}
