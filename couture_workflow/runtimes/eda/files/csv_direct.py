"""A plain CSV file into its table by one scan: the beginning's types, held against all values meanwhile.

It is for files that nothing is odd about: UTF-8, not compressed, one kind of line ends, each line as wide as
the header, each value of the type that the beginning promises. Everything else is read by way of texts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from ..table import Table, literal, quoted
from . import csv_load, text_table
from .byte_stream import File
from .column_types import TEXT, Text, Typed, Types, cast, fits
from .csv_dialect import Dialect

#: Columns at most: each has a bit in a number.
_WIDEST = 60
_MARK = b"\xef\xbb\xbf"
#: Rows that types are guessed by, and the share of the progress that the look over the file is.
_ROWS, _LOOK = 5_000, 0.2
_PAUSE = 0.5


@dataclass(frozen=True)
class Plain:
    """A file that may be plain.

    :param head: its beginning, of whole lines, in UTF-8.
    :param nulls: words for null that somebody has fixed; None: they are found out.
    :param progress: takes the share that is done.
    """

    file: File
    head: bytes
    dialect: Dialect
    nulls: Sequence[str] | None
    progress: Callable[[float], None]


def may_be(file: File, encoding: str, head: bytes, dialect: Dialect) -> bool:
    """Tell whether a file looks as if nothing were odd about it, by its beginning."""
    quote = dialect.quote.encode()
    above = head.splitlines()[: dialect.top]
    return (
        encoding == "utf-8"
        and file.compression == "none"
        and not file.magic.startswith(_MARK)
        and len(dialect.names) <= _WIDEST
        and not dialect.pad
        and not dialect.spaced
        and all(line.strip() and _is_closed(line, quote, dialect.escape) for line in above)
    )


def _is_closed(line: bytes, quote: bytes, escape: str) -> bool:
    """Tell whether what is quoted in a line ends in it."""
    if not quote or quote not in line:
        return True
    return escape.encode() in (b"", quote) and line.count(quote) % 2 == 0


def table(
    connection: duckdb.DuckDBPyConnection, plain: Plain, *, folder: Path, about: Mapping[str, Any]
) -> Table | None:
    """Return the table; None if there is something odd about the file.

    :param about: what the reading says beside nulls and types.
    """
    texts = [Text(name, f"c{place}") for place, name in enumerate(plain.dialect.names)]
    types, typed = _guessed(connection, plain, texts, folder)
    if not typed or not _is_plain(plain):
        return None
    target = folder / "rows.parquet"
    with suppress(csv_load.OddError, duckdb.InvalidInputException):
        if columns := _written(connection, plain, types, typed, target):
            listed = ", ".join(quoted(column.name) for column in columns)
            return Table(
                connection,
                f"(select {listed} from read_parquet({literal(str(target))}))",  # noqa: S608
                columns,
                reading={**about, "nulls": list(types.nulls), "types": {}},
            )
    target.unlink(missing_ok=True)
    return None


def _guessed(
    connection: duckdb.DuckDBPyConnection, plain: Plain, texts: Sequence[Text], folder: Path
) -> tuple[Types, list[Typed]]:
    """Return the types by the beginning; none where it has bad lines."""
    place = folder / "head"
    place.mkdir(exist_ok=True)
    path, bad = csv_load.load(connection, lambda: iter((plain.head,)), plain.dialect, folder=place)
    relation = f"read_parquet({literal(str(path))})"
    beginning = f"(from {relation} limit {_ROWS})"
    types = Types(connection, relation, beginning=beginning, decimal=plain.dialect.decimal, nulls=plain.nulls)
    typed = [] if bad.count else types.find(texts, trust=True)
    path.unlink()
    return types, typed


def _is_plain(plain: Plain) -> bool:
    """Look over the bytes of the file: one kind of line ends, lines and quoted values within bounds."""
    feeds = returns = pairs = 0
    last = b""
    pieces = plain.file.pieces(lambda share: plain.progress(share * _LOOK))
    try:
        for piece in csv_load.checked(pieces, plain.dialect):
            if found := piece.count(b"\r"):
                returns += found
                pairs += piece.count(b"\r\n")
            if last == b"\r" and piece.startswith(b"\n"):
                pairs += 1
            feeds += piece.count(b"\n")
            last = piece[-1:]
    except csv_load.OddError:
        return False
    return not returns or feeds == returns == pairs


def _written(
    connection: duckdb.DuckDBPyConnection,
    plain: Plain,
    types: Types,
    typed: Sequence[Typed],
    target: Path,
) -> tuple[Any, ...]:
    """Write the rows with their types; return the columns, none if a value or a line is not as promised."""
    known = [each if each.type else replace(each, type=TEXT) for each in typed]
    link = target.with_name("source.csv")
    link.unlink(missing_ok=True)
    link.symlink_to(plain.file.path)
    mark = _free("odd", plain.dialect.names)
    query = _query(known, types, csv_load.scan(link, plain.dialect, skip=plain.dialect.top), mark)
    with _telling(plain):
        csv_load.write(connection, query, target, width=len(known))
    link.unlink()
    if csv_load.rejected(connection, plain.dialect).count:
        return ()
    unknown = [f"count({quoted(each.text.name)})" for each in typed if not each.type]
    counts = connection.execute(
        f"select {', '.join([f'bit_or({mark})', *unknown])} "  # noqa: S608
        f"from read_parquet({literal(str(target))})"
    ).fetchall()[0]
    if any(counts):
        return ()
    return tuple(
        text_table.column(replace(each, values=int(bool(before.type))))
        for each, before in zip(known, typed, strict=True)
    )


def _query(typed: Sequence[Typed], types: Types, scan: str, mark: str) -> str:
    words = ", ".join(literal(word) for word in types.nulls if word)
    values, columns, odd = [], [], ["0::bigint"]
    for place, each in enumerate(typed):
        name, value = quoted(each.text.physical), f"v{place}"
        values.append(
            f"case when {name} not in ({words}) then {name} end as {value}" if words else f"{name} as {value}"
        )
        columns.append(f"{cast(value, each.type, types.decimal)} as {quoted(each.text.name)}")
        if each.type != TEXT:
            wrong = f"{value} is not null and not ({fits(value, each.type, types.decimal)})"
            odd.append(f"(({wrong})::bigint << {place})")
    inner = f"select {', '.join(values)} from {scan}"  # noqa: S608
    return f"select {', '.join(columns)}, {' | '.join(odd)} as {mark} from ({inner})"  # noqa: S608


def _free(name: str, names: Sequence[str]) -> str:
    taken = {each.lower() for each in names}
    while name in taken:
        name += "_"
    return name


@contextmanager
def _telling(plain: Plain) -> Iterator[None]:
    """Tell how much of the file this process has read, meanwhile."""
    over, start = threading.Event(), _bytes_read()

    def tell() -> None:
        while not over.wait(_PAUSE):
            share = (_bytes_read() - start) / max(plain.file.bytes, 1)
            plain.progress(_LOOK + (1 - _LOOK) * min(share, 1.0))

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _bytes_read() -> int:
    with suppress(OSError):
        for line in Path("/proc/self/io").read_text().splitlines():
            if line.startswith("rchar:"):
                return int(line.split()[1])
    return 0
