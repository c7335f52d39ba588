"""When two columns have the same type: also where DuckDB and Spark call it by other names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAMES = {
    "tinyint": ("byte", "bytetype"),
    "smallint": ("short", "int16", "shorttype"),
    "integer": ("int", "int32", "integertype"),
    "bigint": ("long", "int64", "longtype"),
    "float": ("real", "float4", "floattype"),
    "double": ("float8", "double precision", "doubletype"),
    "varchar": ("string", "text", "char", "bpchar", "stringtype", "character varying"),
    "boolean": ("bool", "logical", "booleantype"),
    "blob": ("binary", "bytea", "varbinary", "binarytype"),
    "date": ("datetype",),
    "timestamp": ("timestamp_ntz", "datetime", "timestampntztype"),
    "timestamp with time zone": ("timestamptz", "timestamp_ltz", "timestamptype"),
}
_CANONICAL = {other: name for name, others in _NAMES.items() for other in others}
_LENGTH = re.compile(r"^((?:var)?char|string|character varying)\(\d+\)$")


def are_alike(old: Mapping[str, Any], new: Mapping[str, Any], *, engines: tuple[str, str]) -> bool:
    """Tell whether two columns of profiles have the same type.

    A column without any value is of no type in files that name none, so it is alike with each. Spark has one
    word for a moment where DuckDB tells those with a zone apart, so between engines both are the same.
    """
    if "empty" in (old.get("kind"), new.get("kind")):
        return True
    if old.get("kind") != new.get("kind"):
        return False
    first, second = (canonical(str(column.get("type", ""))) for column in (old, new))
    if first == second:
        return True
    differ = {engine.partition(" ")[0] for engine in engines}
    return len(differ) > 1 and first.startswith("timestamp") and second.startswith("timestamp")


def canonical(name: str) -> str:
    """Return the one name of a type."""
    text = " ".join(name.casefold().split()).replace(", ", ",")
    text = _LENGTH.sub(r"\1", text)
    return _CANONICAL.get(text, text)
