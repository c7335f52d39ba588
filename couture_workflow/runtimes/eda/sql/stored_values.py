"""Values of a database as DuckDB keeps them: texts that become numbers, dates, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

    from .dialect import Incoming

_NONE = type(None)
#: Digits of DuckDB's decimals.
_DIGITS = 38
#: Whole numbers that a floating point number holds exactly.
_EXACT = 2**53


def conversion(column: Incoming, raw: str) -> str:
    """Return the SQL that makes the value of a column; NULL where its type cannot hold it."""
    if column.convert:
        return column.convert.format(raw)
    if column.type in ("VARCHAR", "BLOB"):
        return raw
    return f"try_cast({raw} as {column.type})"


def finite(raw: str, kind: str) -> str:
    """Return the SQL of a day or an instant, with ``{0}`` where the column goes; NULL for infinite ones."""
    return f"case when {{0}} not in ('infinity', '-infinity') then try_cast({raw} as {kind}) end"


def in_text(values: Sequence[Any], kinds: set[type]) -> Any:
    """Return values of several kinds as texts from which each can be made again."""
    if kinds <= {str, _NONE}:
        return values
    if kinds <= {int, _NONE}:
        return pa.array(values, pa.int64()).cast(pa.large_string())
    return [_text(value) for value in values]


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, float):
        return repr(value)
    return None if value is None else str(value)


def number(connection: duckdb.DuckDBPyConnection, table: str, name: str) -> tuple[str, str]:
    """Choose the type of decimal numbers of any length: exact where 38 digits are enough."""
    whole, places, odd = _one(
        connection,
        f"select max(length(split_part(ltrim({name}, '-'), '.', 1))), max(length(split_part({name}, '.', "  # noqa: S608
        "2))), "
        f"count(*) filter ({name} in ('NaN', 'Infinity', '-Infinity')) from {table}",
    )
    if not odd and (whole or 0) + (places or 0) <= _DIGITS:
        return f"cast({name} as decimal({_DIGITS}, {places or 0}))", ""
    why = "NaN or infinity" if odd else f"more than {_DIGITS} digits"
    return f"try_cast({name} as double)", f"some numbers have {why}: they are kept as floating point numbers."


def time(connection: duckdb.DuckDBPyConnection, table: str, name: str) -> tuple[str, str]:
    """Choose the type of what may be a time of day or a duration."""
    (durations,) = _one(
        connection,
        f"select count(*) filter ({name} >= '24' or {name} like '-%' or length({name}) > 15) from {table}",  # noqa: S608
    )
    if not durations:
        return f"cast({name} as time)", ""
    return name, "some values are durations and no times of day: it is kept as text."


def by_kinds(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, column: Incoming, *, kinds: set[type]
) -> tuple[str, str]:
    """Choose the type of a column of SQLite, in which each value has a type of its own."""
    found = kinds - {_NONE}
    if not found:
        return f"cast({name} as {column.type})", ""
    if found == {bytes}:
        return f"unhex(substr({name}, 3))", ""
    if found == {str}:
        return _texts(connection, table, name, column)
    if found <= {int, float}:
        return _numbers(connection, table, name, column, whole=found == {int})
    words = " and ".join(sorted(_WORDS[kind] for kind in found))
    return name, f"it holds {words} at once: all of them are kept as text."


_WORDS: dict[type, str] = {int: "whole numbers", float: "numbers", str: "texts", bytes: "bytes"}


def _texts(connection: duckdb.DuckDBPyConnection, table: str, name: str, column: Incoming) -> tuple[str, str]:
    """Take texts for days where the column says that they are, and all of them can be."""
    if column.type not in ("DATE", "TIMESTAMP", "TIME"):
        return name, ""
    (odd,) = _one(
        connection,
        f"select count(*) filter ({name} is not null and try_cast({name} as {column.type}) is null) from "  # noqa: S608
        f"{table}",
    )
    if odd:
        return name, f"{odd:,} values are no {column.type}: it is kept as text."
    if column.type == "DATE":
        (timed,) = _one(connection, f"select count(*) filter (length({name}) > 10) from {table}")  # noqa: S608
        return f"cast({name} as {'timestamp' if timed else 'date'})", ""
    return f"cast({name} as {column.type})", ""


def _numbers(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, column: Incoming, *, whole: bool
) -> tuple[str, str]:
    if not whole:
        (large,) = _one(
            connection,
            f"select count(*) filter (abs(try_cast({name} as hugeint)) > {_EXACT} and not contains({name}, "  # noqa: S608
            "'.') "
            f"and not contains({name}, 'e')) from {table}",
        )
        warning = "some whole numbers are too large to be exact beside others with decimals." if large else ""
        return f"cast({name} as double)", warning
    if column.type == "BOOLEAN":
        (others,) = _one(connection, f"select count(*) filter ({name} not in ('0', '1')) from {table}")  # noqa: S608
        return (f"{name} = '1'", "") if not others else (f"cast({name} as bigint)", "")
    return f"cast({name} as bigint)", ""


def _one(connection: duckdb.DuckDBPyConnection, statement: str) -> tuple[Any, ...]:
    (row,) = connection.execute(statement).fetchall()
    return tuple(row)
