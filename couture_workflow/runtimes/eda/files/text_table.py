"""From texts to the table of a profile: names and types are given to what a text file was loaded into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..protocol import EdaError
from ..table import Column, Table, kind_of, literal, quoted
from . import column_types
from .column_types import TEXT, Text, Typed, Types
from .csv_load import SHOWN, BadLines
from .csv_records import Bad

if TYPE_CHECKING:
    import duckdb

#: Rows and cells that types are guessed by; columns that are cast in one query, more are one by one.
_ROWS, _GUESSED, _WRITTEN = 5_000, 400_000, 300
#: Warnings about single columns.
_TOLD = 5


@dataclass(frozen=True)
class Texts:
    """A text file as it was loaded.

    :param path: a Parquet file of texts.
    :param top: lines above the first row.
    :param nested: columns (physical names) that have JSON in them.
    :param decimal: the decimal sign.
    :param nulls: words for null that are fixed by the format; None: they are found out.
    """

    path: Path
    columns: Sequence[Text]
    bad: BadLines
    top: int = 0
    decimal: str = "."
    nested: frozenset[str] = field(default_factory=frozenset)
    nulls: Sequence[str] | None = None


def made(
    connection: duckdb.DuckDBPyConnection,
    texts: Texts,
    *,
    chosen: Mapping[str, str],
    about: Mapping[str, Any],
    warn: Callable[[str], None],
    nulls: Sequence[str] | None = None,
    quick: bool = False,
) -> Table:
    """Return the table.

    :param chosen: types that somebody has fixed, by the column's name.
    :param nulls: words for null that somebody has fixed.
    :param about: what the reading says beside nulls and types.
    :param quick: for a preview, where types of very many columns may be guesses.
    """
    names = {text.name for text in texts.columns}
    if unknown := sorted(set(chosen) - names):
        raise EdaError(
            f"There is no column {unknown[0]!r} whose type is set. Look at the names in the preview.",
            field="reading.types",
        )
    relation = f"read_parquet({literal(str(texts.path))})"
    types = Types(
        connection,
        relation,
        beginning=f"(from {relation} limit {max(100, min(_ROWS, _GUESSED // len(texts.columns)))})",
        decimal=texts.decimal,
        nulls=texts.nulls if texts.nulls is not None else nulls,
        chosen=chosen,
    )
    found = types.find(texts.columns, trust=quick and len(texts.columns) > _WRITTEN)
    typed = [each if each.type else replace(each, type=TEXT) for each in found]
    _tell(typed, warn)
    where = _refuse(connection, relation, typed, types, texts)
    return Table(
        connection,
        _write(connection, relation, typed, types, texts, where),
        tuple(column(each, texts.nested) for each in typed),
        reading={
            **about,
            "nulls": list(types.nulls),
            "types": {name: chosen[name] for name in sorted(chosen)},
        },
        bad={
            "count": texts.bad.count,
            "whole": True,
            "first": [{"line": bad.line, "reason": bad.reason, "text": bad.text} for bad in texts.bad.first],
        },
    )


def column(typed: Typed, nested: frozenset[str] = frozenset()) -> Column:
    """Return a column of texts as one of the table.

    :param nested: physical names of the columns that have JSON in them.
    """
    if typed.text.physical in nested:
        return Column(typed.text.name, "JSON", "nested")
    type_ = "TIMESTAMP WITH TIME ZONE" if typed.type == "TIMESTAMPTZ" else typed.type
    return Column(typed.text.name, type_, kind_of(type_) if typed.values else "empty")


def _tell(typed: Sequence[Typed], warn: Callable[[str], None]) -> None:
    changed = [each for each in typed if each.guessed not in ("", each.type)]
    for each in changed[:_TOLD]:
        warn(column_types.told(each))
    if len(changed) > _TOLD:
        warn(f"The same is true of {len(changed) - _TOLD:,} more columns.")


def _refuse(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    typed: Sequence[Typed],
    types: Types,
    texts: Texts,
) -> str:
    """Count the rows with values of no type that somebody fixed; return SQL that leaves them out."""
    wrong = [each for each in typed if each.bad]
    if not wrong:
        return ""
    parts = [
        f"coalesce({types.value(each.text)} is not null and not {types.fits(each)}, false)" for each in wrong
    ]
    where = " or ".join(parts)
    counted = connection.execute(f"select count(*) from {relation} where {where}").fetchone()  # noqa: S608
    texts.bad.count += int(counted[0]) if counted else 0
    numbered = relation.replace(")", ", file_row_number = true)") if relation.endswith(")") else relation
    columns = ", ".join(
        f"left({quoted(each.text.physical)}, 200), {part}" for each, part in zip(wrong, parts, strict=True)
    )
    rows = connection.execute(
        f"select file_row_number, {columns} from {numbered} where {where} limit {SHOWN}"  # noqa: S608
    ).fetchall()
    for number, *cells in rows:
        place = next(at for at in range(len(wrong)) if cells[2 * at + 1])
        each = wrong[place]
        reason = f"the value of {each.text.name!r} is no {each.type} (row {number + 1:,} of those that parse)"
        texts.bad.first.append(Bad(int(number) + 1 + texts.top, reason, str(cells[2 * place])))
    texts.bad.first.sort(key=lambda bad: bad.line)
    del texts.bad.first[SHOWN:]
    return f" where not ({where})"


def _write(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    typed: Sequence[Typed],
    types: Types,
    texts: Texts,
    where: str,
) -> str:
    """Return SQL of the rows with their types: a file where they are written down."""
    target = texts.path.with_name("rows.parquet")
    written = f"read_parquet({literal(str(target))})"
    if len(typed) > _WRITTEN and not texts.nested and not where:
        from . import wide_table

        wide_table.write(connection, texts.path, target, typed, types)
        texts.path.unlink()
        return written
    columns = ", ".join(_sql(each, types, texts.nested) for each in typed)
    query = f"select {columns} from {relation}{where}"  # noqa: S608
    if len(typed) > _WRITTEN or all(each.type == TEXT for each in typed):
        connection.execute(f"create or replace view rows as {query}")
        return "rows"
    connection.execute(f"copy ({query}) to {literal(str(target))} (format parquet, compression snappy)")
    texts.path.unlink()
    return written


def _sql(typed: Typed, types: Types, nested: frozenset[str]) -> str:
    if typed.text.physical in nested:
        return f"{quoted(typed.text.physical)}::json as {quoted(typed.text.name)}"
    return types.sql(typed)
