"""JSON lines into a Parquet file of texts: a column for each key, with what JSON itself says of its type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..protocol import EdaError
from ..table import literal
from .column_types import BIG, TEXT, Text
from .csv_dialect import MOST_COLUMNS, unique
from .csv_load import BadLines
from .csv_records import Bad, lines
from .text_table import Texts

if TYPE_CHECKING:
    import duckdb

_ROWS, _BYTES = 50_000, 32 * 1024 * 1024
_GROUP = 100
_WHOLE, _NUMBERS = {"UBIGINT", "BIGINT", "HUGEINT"}, {"UBIGINT", "BIGINT", "HUGEINT", "DOUBLE"}
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMPTZ", "TIME", TEXT)


def load(
    connection: duckdb.DuckDBPyConnection,
    pieces: Callable[[], Iterator[bytes]],
    folder: Path,
    *,
    name: str,
) -> Texts:
    """Load the objects of all lines; lines that are none are bad."""
    bad = BadLines()
    path = folder / "lines.parquet"
    _write(pieces(), path, bad)
    relation = f"read_parquet({literal(str(path))})"
    _refuse(connection, relation, bad)
    objects = f"(select line from {relation} where {_IS_OBJECT})"  # noqa: S608
    keys = [
        str(key)
        for (key,) in connection.execute(
            "select key from (select unnest(keys) as key, generate_subscripts(keys, 1) as place, n from "  # noqa: S608
            f"(select json_keys(line) as keys, n from {relation} where {_IS_OBJECT})) "
            f"group by key order by min(n * {2 * MOST_COLUMNS} + place), key limit {MOST_COLUMNS + 1}"
        ).fetchall()
    ]
    if not keys:
        raise EdaError(
            f"{name!r} has no JSON object on a line of its own, as JSON lines have. Write one object on each "
            "line.",
            code="not_readable",
            field="format",
        )
    if len(keys) > MOST_COLUMNS:
        raise EdaError(
            f"{name!r} has objects with more than {MOST_COLUMNS:,} different keys, so it is no table.",
            code="too_large",
            field="path",
        )
    columns, nested = [], set()
    for number, (shown, types) in enumerate(
        zip(unique(keys), _types(connection, objects, keys), strict=True)
    ):
        physical = f"c{number}"
        if types & {"OBJECT", "ARRAY"}:
            nested.add(physical)
        columns.append(Text(shown, physical, _possible(types)))
    target = folder / "texts.parquet"
    _extract(connection, objects, keys, target, nested)
    path.unlink()
    return Texts(target, columns, bad, nested=frozenset(nested), nulls=[])


_IS_OBJECT = "case when json_valid(line) then json_type(line) = 'OBJECT' else false end"


def _write(pieces: Iterator[bytes], path: Path, bad: BadLines) -> None:
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([("n", pyarrow.int64()), ("line", pyarrow.string())])
    numbers: list[int] = []
    texts: list[str] = []
    size = 0

    def flush() -> None:
        writer.write_table(pyarrow.table([numbers, texts], schema=schema))

    with parquet.ParquetWriter(path, schema, compression="snappy", use_dictionary=False) as writer:
        for line in lines(pieces):
            if line.wrong:
                bad.add(Bad(line.number, line.wrong, line.text))
                continue
            text = line.text.strip()
            if not text:
                continue
            numbers.append(line.number)
            texts.append(text)
            size += len(text)
            if len(texts) >= _ROWS or size >= _BYTES:
                flush()
                numbers, texts, size = [], [], 0
        flush()


def _refuse(connection: duckdb.DuckDBPyConnection, relation: str, bad: BadLines) -> None:
    found = connection.execute(f"select count(*) from {relation} where not ({_IS_OBJECT})").fetchone()  # noqa: S608
    count = int(found[0]) if found else 0
    rows = connection.execute(
        f"select n, json_valid(line), left(line, 200) from {relation} "  # noqa: S608
        f"where not ({_IS_OBJECT}) order by n limit 50"
    ).fetchall()
    kept = len(bad.first)
    for number, valid, text in rows:
        bad.add(Bad(int(number), "JSON, but no object" if valid else "no JSON", str(text)))
    bad.count += count - len(rows)
    if kept:
        bad.first.sort(key=lambda each: each.line)


def _pointer(key: str) -> str:
    return literal("/" + key.replace("~", "~0").replace("/", "~1"))


def _types(connection: duckdb.DuckDBPyConnection, objects: str, keys: Sequence[str]) -> Iterator[set[str]]:
    """Yield for each key the types that its values have in JSON."""
    for at in range(0, len(keys), _GROUP):
        group = keys[at : at + _GROUP]
        found = f"select json_type(line, [{', '.join(map(_pointer, group))}]) as t from {objects}"  # noqa: S608
        parts = ", ".join(f"list(distinct t[{place}])" for place in range(1, len(group) + 1))
        row = connection.execute(f"select {parts} from ({found})").fetchone() or ()  # noqa: S608
        for types in row:
            yield {str(each) for each in types or () if each not in (None, "NULL")}


def _possible(types: set[str]) -> tuple[str, ...]:
    if types <= _WHOLE:
        return ("BIGINT", BIG, TEXT)
    if types <= _NUMBERS:
        return ("DOUBLE", TEXT)
    if types == {"BOOLEAN"}:
        return ("BOOLEAN",)
    return _TIMES if types == {"VARCHAR"} else (TEXT,)


def _extract(
    connection: duckdb.DuckDBPyConnection,
    objects: str,
    keys: Sequence[str],
    target: Path,
    nested: Collection[str],
) -> None:
    """Write a column for each key; texts among objects and lists stay JSON, with their quotes."""
    pointers = f"[{', '.join(map(_pointer, keys))}]"
    whole = f", json_extract(line, {pointers}) as j" if nested else ""
    found = f"select json_extract_string(line, {pointers}) as v{whole} from {objects}"  # noqa: S608
    columns = ", ".join(
        f"case when v[{place + 1}] is not null then j[{place + 1}]::varchar end as c{place}"
        if f"c{place}" in nested
        else f"v[{place + 1}] as c{place}"
        for place in range(len(keys))
    )
    size = max(2048, min(122_880, 6_000_000 // len(keys)))
    connection.execute(
        f"copy (select {columns} from ({found})) to {literal(str(target))} "  # noqa: S608
        f"(format parquet, compression snappy, row_group_size {size})"
    )
