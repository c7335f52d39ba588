"""What is true of all rows of a table: each column's statistics, as ``profile.json`` has them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import duckdb

from ..protocol import Messages
from ..table import Table, quoted
from . import grouped_values, sorted_values
from .expressions import Measured, basics, cautious
from .json_values import floating, iso, number

#: Columns in one statement, and at least that many of a long and wide table.
_TOGETHER, _FEWEST = 60, 4
#: Bytes of a cell, and the share of the memory that copied columns of a wide table may fill.
_CELL, _PART_SHARE = 12, 0.25
_PART = "couture_part"
#: What large numbers are divided by while their mean is computed: more of them than there are rows.
_LESS = 2.0**64
#: What may be beyond a floating-point number though each value is none, and how it is called.
_BEYOND = {"sum": "sum", "variance": "variance", "std": "standard deviation", "histogram": "histogram"}
#: What DuckDB raises where a value is beyond a type.
BEYOND = (duckdb.OutOfRangeException, duckdb.ConversionException, duckdb.InvalidInputException)

#: Every key of a column that has a value for some kind only.
_EMPTY: dict[str, Any] = dict.fromkeys(
    (
        *("min", "max", "mean", "std", "variance", "sum", "skewness", "kurtosis"),
        *("zeros", "negatives", "infinite", "nan", "quantiles", "histogram", "lengths", "true", "false"),
    )
)


def measured(table: Table, sensitive: Collection[str]) -> list[Measured]:
    """Return the columns of a table with their places."""
    return [Measured(place, column, column.name in sensitive) for place, column in enumerate(table.columns)]


def columns(
    table: Table, sensitive: Collection[str], *, memory: int, channel: Messages, left_out: list[str]
) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of rows and the statistics of every column.

    :param memory: what may be used, in bytes.
    :param left_out: takes a sentence for each thing that was not computed.
    """
    all_columns = measured(table, sensitive)
    channel.stage("computing", share=0.0, words="Counting rows")
    rows = _row(table, f"SELECT count(*) FROM {table.relation}")[0]  # noqa: S608 (an own name)
    documents: list[dict[str, Any]] = []
    for group in _groups(all_columns, rows, memory):
        words = f"Computing column {group[0].place + 1:,} to {group[-1].place + 1:,}"
        channel.stage("computing", share=0.8 * group[0].place / len(all_columns), rows=rows, words=words)
        part, members = _copied(table, group, len(all_columns))
        basics_of_group = _scan(part, members, left_out)
        for one, basic in zip(members, basics_of_group, strict=True):
            name = one.column.name
            share = 0.8 * one.place / len(all_columns)
            words = f"Computing {name[:200]}"
            channel.stage("computing", share=share, rows=rows, words=words, column=name)
            documents.append(_of_column(part, one, basic, rows, memory, left_out))
    table.connection.execute(f"DROP TABLE IF EXISTS {_PART}")
    return rows, documents


def _of_column(
    part: Table, one: Measured, basic: dict[str, Any], rows: int, memory: int, left_out: list[str]
) -> dict[str, Any]:
    basic = basic | {"mean": _mean(basic)}
    if basic["mean"] is None and basic.get("finite"):
        basic |= {"mean": _mean_of_large(part, one)}
    document = _document(one, basic, rows)
    if basic["count"] and sorted_values.fits(one, basic, memory):
        document |= sorted_values.of(part, one, basic)
        return _told_beyond(document, left_out)
    values = grouped_values.of(part, one, basic, memory=memory)
    document |= values.found
    if one.sensitive:
        document = _hidden(document)
    if values.sentence:
        left_out.append(values.sentence)
        return document
    return _told_beyond(document, left_out)


def _groups(all_columns: Sequence[Measured], rows: int, memory: int) -> list[Sequence[Measured]]:
    fitting = int(memory * _PART_SHARE / (_CELL * max(rows, 1)))
    size = min(_TOGETHER, fitting) if len(all_columns) > _TOGETHER else _TOGETHER
    size = max(size, _FEWEST)
    return [all_columns[start : start + size] for start in range(0, len(all_columns), size)]


def _copied(table: Table, group: Sequence[Measured], width: int) -> tuple[Table, Sequence[Measured]]:
    """Return some columns of a wide table as one of their own: each statement about a wide one takes long."""
    if width <= _TOGETHER:
        return table, group
    members = [replace(one, alias=f"c{one.place}") for one in group]
    listed = ", ".join(
        f"{quoted(one.column.name)} AS {member.alias}" for one, member in zip(group, members, strict=True)
    )
    table.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_PART} AS SELECT {listed} FROM {table.relation}"  # noqa: S608
    )
    return replace(table, relation=_PART), members


def _scan(table: Table, group: Sequence[Measured], left_out: list[str]) -> list[dict[str, Any]]:
    try:
        return _aggregates(table, [basics(one) for one in group])
    except BEYOND:
        pass  # a sum of one of them is beyond its type: one by one, so that the others lose nothing
    return [_alone(table, one, left_out) for one in group]


def _alone(table: Table, one: Measured, left_out: list[str]) -> dict[str, Any]:
    for expressions in (basics(one), cautious(one)):
        try:
            return _aggregates(table, [expressions])[0]
        except BEYOND:
            if one.kind == "text":
                raise  # which is not summed: it is a value that is no text
    left_out.append(
        f"Minimum, maximum and mean of {one.column.name!r}: its values are beyond what can be calculated."
    )
    return _aggregates(table, [{"count": f"count({one.sql})"}])[0]


def _aggregates(table: Table, expressions: list[dict[str, str]]) -> list[dict[str, Any]]:
    flat = [expression for some in expressions for expression in some.values()]
    values = iter(_row(table, f"SELECT {', '.join(flat)} FROM {table.relation}"))  # noqa: S608
    return [{name: next(values) for name in some} for some in expressions]


def _row(table: Table, statement: str) -> tuple[Any, ...]:
    return tuple(table.connection.execute(statement).fetchall()[0])


def _document(one: Measured, basic: dict[str, Any], rows: int) -> dict[str, Any]:
    count = basic["count"]
    missing = rows - count
    document: dict[str, Any] = {
        "name": one.column.name,
        "type": one.column.type,
        "kind": one.kind,
        "sensitive": one.sensitive,
        "count": count,
        "missing": missing,
        "missing_share": missing / rows if rows else 0.0,
        "distinct": 0,
        "distinct_exact": True,
        **_EMPTY,
        "quantiles_exact": True,
        "top": [],
        "top_exact": True,
        "rest": 0,
    }
    document |= {name: basic[name] for name in ("true", "false", "nan", "infinite") if name in basic}
    if one.kind == "number":
        document |= {name: number(basic.get(name)) for name in ("min", "max", "sum", "zeros", "negatives")}
        document["mean"] = basic["mean"]
    if one.is_dated or one.kind == "time":
        document |= {
            name: iso(basic.get(name)) if one.is_dated else basic.get(name) for name in ("min", "max")
        }
    if one.kind == "text" and count:
        document["lengths"] = {name: basic[f"length_{name}"] for name in ("min", "max")}
        document["lengths"]["mean"] = floating(basic["length_avg"])
    return document


def _mean(basic: dict[str, Any]) -> float | None:
    """Return the mean: of the sum, which is exact or compensated, where there is one."""
    total, count = basic.get("sum"), basic.get("finite")
    if count and total is not None and floating(total) is not None:
        return floating(total / count)
    return floating(basic.get("mean"))


def _mean_of_large(table: Table, one: Measured) -> float | None:
    """Return the mean of numbers whose sum is beyond what a floating-point number can be."""
    value = f"({one.finite})::DOUBLE / {_LESS!r}"
    (found,) = _row(table, f"SELECT favg({value}) FROM {table.relation}")  # noqa: S608 (quoted names)
    return None if found is None else floating(found * _LESS)


def _told_beyond(document: dict[str, Any], left_out: list[str]) -> dict[str, Any]:
    """Say which numbers of a column are left out because floating-point numbers cannot tell them."""
    if document["kind"] != "number" or document["min"] is None:
        return document
    possible = ("sum",) if document["min"] == document["max"] else tuple(_BEYOND)
    if words := [_BEYOND[name] for name in possible if document[name] is None]:
        left_out.append(
            f"Left out of {document['name']!r}: {', '.join(words)}. Its values are too large, or too much "
            "alike for their size, to calculate this with floating-point numbers."
        )
    return document


def _hidden(document: dict[str, Any]) -> dict[str, Any]:
    """Return what may be told of a sensitive column: counts and lengths, nothing made of values."""
    lengths = document["lengths"]
    return document | _EMPTY | {"lengths": lengths, "top": [], "rest": 0, "extremes": None}
