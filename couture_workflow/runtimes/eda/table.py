"""A table that can be scanned many times, wherever its rows came from: what a profile is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

#: First word of DuckDB's type -> kind.
_KINDS = {
    "BOOLEAN": "boolean",
    "VARCHAR": "text",
    "UUID": "text",
    "ENUM": "text",
    "DATE": "date",
    "BLOB": "binary",
    "BIT": "binary",
    "TINYINT": "number",
    "SMALLINT": "number",
    "INTEGER": "number",
    "BIGINT": "number",
    "HUGEINT": "number",
    "UTINYINT": "number",
    "USMALLINT": "number",
    "UINTEGER": "number",
    "UBIGINT": "number",
    "UHUGEINT": "number",
    "FLOAT": "number",
    "DOUBLE": "number",
    "DECIMAL": "number",
    "BIGNUM": "number",
    "INTERVAL": "text",
    '"NULL"': "empty",
    "NULL": "empty",
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    :param type: DuckDB's.
    :param kind: number, text, boolean, date, time, datetime, binary, nested or empty (nulls alone).
    """

    name: str
    type: str
    kind: str


@dataclass(frozen=True)
class Table:
    """Rows in DuckDB.

    :param relation: SQL of a table, view or scan, for behind FROM: it can be scanned many times and has
        exactly ``columns``.
    :param reading: how a file was read, with all keys; empty for other sources.
    :param bad: ``count`` (None: not known), ``whole`` (everything was read), ``first`` (dictionaries with
        ``line``, ``reason``, ``text``).
    :param bytes: of the source, None where nobody knows.
    :param changed: "" or, after all scans, the sentence that the source changed while it was read.
    """

    connection: duckdb.DuckDBPyConnection
    relation: str
    columns: tuple[Column, ...]
    reading: Mapping[str, Any] = field(default_factory=dict)
    bad: Mapping[str, Any] = field(default_factory=lambda: {"count": 0, "whole": True, "first": []})
    bytes: int | None = None
    changed: Callable[[], str] = lambda: ""


def kind_of(type_name: str) -> str:
    """Return the kind of one of DuckDB's types."""
    name = type_name.upper()
    if name.endswith("]") or name.startswith(("STRUCT", "MAP", "UNION", "LIST", "VARIANT", "JSON")):
        return "nested"
    if name.startswith("TIMESTAMP"):
        return "datetime"
    if name.startswith("TIME"):
        return "time"
    return _KINDS.get(name.partition("(")[0].strip(), "text")


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def described(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[Column, ...]:
    """Return the columns of a table or view."""
    rows = connection.execute(f"describe select * from {relation}").fetchall()  # noqa: S608
    return tuple(Column(str(name), str(kind), kind_of(str(kind))) for name, kind, *_ in rows)
