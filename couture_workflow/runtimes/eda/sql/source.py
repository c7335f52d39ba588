"""SQL databases as sources: a table or a query read once, in one state, into DuckDB; and their tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from .. import engine
from ..protocol import EdaError, Messages
from ..table import Table, described, quoted
from .dialect import CONNECT_SECONDS, MOST_TABLES, PAGE_SECONDS, STATEMENT_SECONDS, Dialect, TreeTable
from .staging import Staging

_DIALECTS = {
    "sqlite": ("sqlite", "Sqlite"),
    "mysql": ("mysql", "Mysql"),
    "postgresql": ("postgresql", "Postgresql"),
}
_PREVIEW_ROWS, _LONGEST_CELL = 50, 1000
#: Columns that one statement of DuckDB gives.
_WIDTH = 200


@contextmanager
def opened(
    source: Mapping[str, Any], folder: Path, limits: Mapping[str, Any], progress: Messages
) -> Iterator[Table]:
    """Read a table or query into DuckDB for a profile; the database is left before the profile begins."""
    seconds = float(source.get("seconds") or STATEMENT_SECONDS)
    with _read(source, folder, limits, progress, seconds=seconds) as (table, _):
        yield table


def previewed(
    source: Mapping[str, Any], folder: Path, limits: Mapping[str, Any], progress: Messages
) -> dict[str, Any]:
    """Return the first rows of a table or query, and its columns as they will be read."""
    first = {**source, "limit": min(source.get("limit") or _PREVIEW_ROWS, _PREVIEW_ROWS)}
    with _read(first, folder, limits, progress, seconds=PAGE_SECONDS) as (table, estimate):
        return {
            "columns": [
                {"name": column.name, "type": column.type, "kind": column.kind} for column in table.columns
            ],
            "rows": _cells(table),
            "reading": dict(table.reading),
            "bad": {**table.bad, "whole": False},
            "bytes": None,
            "rows_estimate": estimate,
        }


def tables(source: Mapping[str, Any], channel: Messages) -> dict[str, Any]:
    """Return the tree of schemas and tables, of which names have the text ``filter`` in them."""
    with _connected(source, channel, seconds=PAGE_SECONDS) as dialect, dialect.guarded():
        found = dialect.tables(str(source.get("filter") or ""), dialect.schema)
    schemas: dict[str, list[dict[str, Any]]] = {}
    for table in found[:MOST_TABLES]:
        schemas.setdefault(table.schema, []).append(
            {"name": table.name, "kind": table.kind, "rows": table.rows}
        )
    return {
        "schemas": [{"name": name, "tables": inside} for name, inside in schemas.items()],
        "more": len(found) > MOST_TABLES,
    }


def columns(source: Mapping[str, Any], channel: Messages) -> dict[str, Any]:
    """Return the columns of one table in the database's own words."""
    with _connected(source, channel, seconds=PAGE_SECONDS) as dialect, dialect.guarded():
        return {"columns": dialect.columns()}


@contextmanager
def _connected(source: Mapping[str, Any], channel: Messages, *, seconds: float) -> Iterator[Dialect]:
    dialect = _dialect(source, seconds=min(seconds, 2 * CONNECT_SECONDS))
    channel.stage("connecting", words=f"Connecting to {dialect.title}")
    try:
        with dialect.guarded():
            dialect.connect()
        dialect.seconds = seconds
        yield dialect
    finally:
        dialect.close()


def _dialect(source: Mapping[str, Any], *, seconds: float) -> Dialect:
    name = str(source.get("dialect"))
    if name not in _DIALECTS:
        raise EdaError(f"There is no dialect {name}: it is {', '.join(_DIALECTS)}.", field="dialect")
    module, kind = _DIALECTS[name]
    dialect: Dialect = getattr(import_module(f".{module}", __package__), kind)(source, seconds=seconds)
    return dialect


@contextmanager
def _read(
    source: Mapping[str, Any],
    folder: Path,
    limits: Mapping[str, Any],
    progress: Messages,
    *,
    seconds: float,
) -> Iterator[tuple[Table, int | None]]:
    """Give the table in DuckDB, and how many rows the database believes to have."""
    temporary = folder / "tmp"
    limit = source.get("limit")
    connection = engine.connect(temporary, limits)
    try:
        with _connected(source, progress, seconds=seconds) as dialect, dialect.guarded():
            estimate = _estimate(dialect)
            expected = min(estimate, limit) if estimate and limit else estimate or limit
            incoming = dialect.describe()
            if not incoming:
                raise dialect.no_columns()
            staging = Staging(
                connection,
                dialect,
                incoming,
                progress=progress,
                disk=int(limits.get("disk") or 0),
                expected=expected,
                folder=temporary,
            )
            rows = dialect.rows(limit)
            relation = staging.fill(rows if limit is None else islice(rows, limit))
        bad = {"count": staging.bad_count, "whole": True, "first": staging.bad}
        reading = {"format": dialect.title}
        yield (
            Table(connection, relation, described(connection, relation), reading, bad, staging.bytes),
            estimate,
        )
    finally:
        connection.close()


def _estimate(dialect: Dialect) -> int | None:
    """Return the number of rows of a table, as the database estimates it."""
    if not dialect.table:
        return None
    found: list[TreeTable] = dialect.tables(dialect.table, dialect.schema)
    return next((table.rows for table in found if table.name == dialect.table), None)


def _cells(table: Table) -> list[list[str | None]]:
    """Return the cells as texts, the longest cut with a sign."""
    rows: list[list[str | None]] = []
    for start in range(0, len(table.columns), _WIDTH):
        names = ", ".join(
            f"left(cast({quoted(column.name)} as varchar), {_LONGEST_CELL + 1})"
            for column in table.columns[start : start + _WIDTH]
        )
        found = table.connection.execute(f"select {names} from {table.relation}").fetchall()  # noqa: S608
        rows = rows or [[] for _ in found]
        for row, cells in zip(rows, found, strict=True):
            row.extend(_cut(cell) for cell in cells)
    return rows


def _cut(cell: str | None) -> str | None:
    return cell if cell is None or len(cell) <= _LONGEST_CELL else f"{cell[:_LONGEST_CELL]}…"
