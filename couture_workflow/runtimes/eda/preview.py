"""The first rows of a table as texts for people, of a bounded size whatever is in them."""

from __future__ import annotations

from typing import Any

from .table import Column, Table, quoted

ROWS = 50
#: Characters of a cell at most, at least, and of all cells together.
_CELL, _LEAST, _ALL = 1_000, 24, 3_000_000
_CUT = "…"
_GROUP = 1_000
#: Bytes of binary values that are shown.
_BYTES = 64


def made(table: Table, *, rows: int | None, size: int | None) -> dict[str, Any]:
    """Return a preview as the contract wants it.

    :param rows: how many rows the source has, or nearly.
    """
    columns = table.columns
    longest = max(_LEAST, min(_CELL, _ALL // max(ROWS * len(columns), 1)))
    shown: list[list[str | None]] = []
    for at in range(0, len(columns), _GROUP):
        group = columns[at : at + _GROUP]
        cells = ", ".join(_text(column, longest) for column in group)
        found = table.connection.execute(f"select {cells} from {table.relation} limit {ROWS}").fetchall()  # noqa: S608
        shown = shown or [[] for _ in found]
        for row, part in zip(shown, found, strict=True):
            row.extend(_cut(cell, longest) for cell in part)
    return {
        "columns": [{"name": each.name, "type": each.type, "kind": each.kind} for each in columns],
        "rows": shown,
        "reading": dict(table.reading),
        "bad": dict(table.bad),
        "bytes": size,
        "rows_estimate": rows,
    }


def _text(column: Column, longest: int) -> str:
    name = quoted(column.name)
    if column.type == "BLOB":
        more = f"case when octet_length({name}) > {_BYTES} then '{_CUT}' else '' end"
        return f"lower(hex({name}[1:{_BYTES}])) || {more}"
    return f"left({name}::varchar, {longest + 1})"


def _cut(cell: object, longest: int) -> str | None:
    if cell is None:
        return None
    text = str(cell)
    return text if len(text) <= longest else text[:longest] + _CUT
