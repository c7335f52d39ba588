"""A CSV file into a Parquet file of texts: by DuckDB where it can, by Python where it cannot.

DuckDB reads from a named pipe what has been decompressed and decoded, so it sees UTF-8 alone and no file but
its own. It is not given what it reads wrongly or not within bounds: lines of many MiB, line ends of several
kinds, quotes that are opened and never closed, thousands of columns. Those go the other way, which is slower.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

import duckdb

from ..table import literal
from .csv_dialect import Dialect
from .csv_records import NO_TEXT, TOO_LONG, UNDOUBLED, Bad, Records, lines

if TYPE_CHECKING:
    import pyarrow

#: Bad lines that are kept.
SHOWN = 50
#: Columns that DuckDB reads at once within bounds.
_WIDEST = 1_500
_LONGEST_LINE, _BUFFER = 8 * 1024 * 1024, 32 * 1024 * 1024
#: Cells and bytes of a group of rows in a Parquet file.
_CELLS, _BYTES, _ROWS = 6_000_000, 96 * 1024 * 1024, 122_880
_PAUSE = 0.01
_REASONS = {
    "UNQUOTED VALUE": UNDOUBLED,
    "LINE SIZE OVER MAXIMUM": TOO_LONG,
    "INVALID ENCODING": NO_TEXT,
}

Pieces = Callable[[], Iterator[bytes]]


@dataclass
class BadLines:
    """Lines that do not parse: how many, and the first ones."""

    count: int = 0
    first: list[Bad] = field(default_factory=list)

    def add(self, bad: Bad) -> None:
        """Take note of one more."""
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(bad)


class OddError(Exception):
    """A file has something that DuckDB does not read as it should."""


def load(
    connection: duckdb.DuckDBPyConnection,
    pieces: Pieces,
    dialect: Dialect,
    *,
    folder: Path,
) -> tuple[Path, BadLines]:
    """Write the rows below the header into a Parquet file of texts, ``c0``, ``c1``...; tell what is bad.

    :param pieces: begins the content anew, in UTF-8.
    """
    target = folder / "texts.parquet"
    if len(dialect.names) <= _WIDEST and not dialect.pad:
        with suppress(OddError):
            return target, _by_duckdb(connection, pieces(), dialect, folder=folder, target=target)
    return target, _by_python(pieces(), dialect, target=target)


def physical(count: int) -> list[str]:
    """Return the names of columns of texts."""
    return [f"c{place}" for place in range(count)]


def scan(path: Path, dialect: Dialect, *, skip: int = 0) -> str:
    """Return SQL of the rows of a file in UTF-8 as texts, ``c0``, ``c1``..., for behind FROM."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in physical(len(dialect.names)))
    options = {
        "columns": f"{{{columns}}}",
        "auto_detect": "false",
        "header": "false",
        "skip": str(skip),
        "delim": literal(dialect.delimiter),
        "quote": literal(dialect.quote),
        "escape": literal(dialect.escape),
        "nullstr": "''",
        "store_rejects": "true",
        "rejects_limit": "0",
        "max_line_size": str(_LONGEST_LINE),
        "buffer_size": str(_BUFFER),
        "compression": "'none'",
    }
    listed = ", ".join(f"{name} = {value}" for name, value in options.items())
    return f"read_csv({literal(str(path))}, {listed})"


def write(connection: duckdb.DuckDBPyConnection, query: str, target: Path, *, width: int) -> None:
    """Write what a query of :func:`scan` gives into a Parquet file, and begin a new list of refused lines."""
    for table in ("reject_errors", "reject_scans"):
        connection.execute(f"drop table if exists {table}")
    size = max(2048, min(_ROWS, _CELLS // width))
    options = f"format parquet, compression snappy, row_group_size {size}"
    connection.execute(f"copy ({query}) to {literal(str(target))} ({options})")


def _by_duckdb(
    connection: duckdb.DuckDBPyConnection,
    pieces: Iterator[bytes],
    dialect: Dialect,
    *,
    folder: Path,
    target: Path,
) -> BadLines:
    pipe = folder / "rows.pipe"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    query = f"select * from {scan(pipe, dialect)}"  # noqa: S608
    writer = _Writer(pipe, checked(pieces, dialect))
    try:
        write(connection, query, target, width=len(dialect.names))
    except duckdb.InvalidInputException as error:
        writer.end()
        raise OddError from error
    finally:
        writer.end()
        pipe.unlink(missing_ok=True)
    return rejected(connection, dialect)


class _Writer:
    """Writes into a named pipe beside the reader; what goes wrong is raised by ``end``."""

    def __init__(self, pipe: Path, pieces: Iterator[bytes]) -> None:
        self._pipe, self._pieces = pipe, pieces
        self._error: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Wait for the writer, which has nobody to write to any more, and raise what went wrong in it."""
        self._over.set()
        self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _write(self) -> None:
        try:
            descriptor = self._opened()
            if descriptor is None:
                return
            with open(descriptor, "wb", buffering=0) as stream:  # noqa: PTH123
                for piece in self._pieces:
                    content = memoryview(piece)
                    while content:
                        content = content[stream.write(content) or 0 :]
        except BrokenPipeError:
            return
        except BaseException as error:  # noqa: BLE001 (raised again by who waits for this thread)
            self._error = error

    def _opened(self) -> int | None:
        while not self._over.is_set():
            with suppress(OSError):
                descriptor = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
                os.set_blocking(descriptor, True)
                return descriptor
            sleep(_PAUSE)
        return None


def checked(pieces: Iterator[bytes], dialect: Dialect) -> Iterator[bytes]:
    """Yield the content below the header; OddError where a line, or what is between quotes, has no end."""
    quote = dialect.quote.encode()
    since = quiet = 0
    inside = False
    for piece in _below(pieces, dialect.top):
        last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        first = piece.find(b"\n") if last >= 0 else -1
        if since + (first if first >= 0 else len(piece)) > _LONGEST_LINE:
            raise OddError
        since = len(piece) - last - 1 if last >= 0 else since + len(piece)
        found = piece.count(quote) if quote else 0
        inside ^= bool(found & 1)
        quiet = 0 if found or not inside else quiet + len(piece)
        if quiet > _LONGEST_LINE // 2:
            raise OddError
        yield piece


def _below(pieces: Iterator[bytes], top: int) -> Iterator[bytes]:
    """Yield the content without its first lines."""
    if not top:
        yield from pieces
        return
    waiting = b""
    for piece in pieces:
        waiting += piece
        found = waiting.splitlines(keepends=True)
        if len(found) > top + 1 or (len(found) == top + 1 and len(found[-1]) > 1):
            yield b"".join(found[top:])
            yield from pieces
            return
    yield b"".join(waiting.splitlines(keepends=True)[top:])


def rejected(connection: duckdb.DuckDBPyConnection, dialect: Dialect) -> BadLines:
    """Return the lines that DuckDB refused; OddError where one of them has swallowed others."""
    count, swallowed = connection.execute(
        "select count(distinct line), count_if(contains(rtrim(csv_line, chr(10) || chr(13)), chr(10)) "
        "or contains(rtrim(csv_line, chr(10) || chr(13)), chr(13)) or error_type = 'LINE SIZE OVER MAXIMUM') "
        "from reject_errors"
    ).fetchone() or (0, 0)
    if swallowed:
        raise OddError
    rows = connection.execute(
        "select line, any_value(error_type), any_value(error_message), any_value(csv_line[:200]) "  # noqa: S608
        f"from reject_errors group by line order by line limit {SHOWN}"
    ).fetchall()
    width = len(dialect.names)
    first = [
        Bad(int(line) + dialect.top, _reason(str(kind), str(message), width), str(text or "").rstrip("\r\n"))
        for line, kind, message, text in rows
    ]
    return BadLines(int(count), first)


def _reason(kind: str, message: str, width: int) -> str:
    if kind in ("MISSING COLUMNS", "TOO MANY COLUMNS"):
        found = message.rpartition(":")[2].strip()
        return f"{found} value{'' if found == '1' else 's'} instead of {width:,}"
    return _REASONS.get(kind, kind.lower())


def _by_python(pieces: Iterator[bytes], dialect: Dialect, *, target: Path) -> BadLines:
    import pyarrow
    from pyarrow import parquet

    names = physical(len(dialect.names))
    schema = pyarrow.schema([(name, pyarrow.string()) for name in names])
    records = Records(
        lines(pieces, skip=dialect.top),
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        escape=dialect.escape,
        width=len(names),
        pad=dialect.pad,
        spaced=dialect.spaced,
    )
    bad = BadLines()
    with parquet.ParquetWriter(target, schema, compression="snappy", use_dictionary=False) as writer:
        waiting: list[pyarrow.Table] = []
        for batch in _batches(records, bad, max(20, min(20_000, 400_000 // len(names)))):
            arrays = [pyarrow.array(values, pyarrow.string()) for values in zip(*batch, strict=True)]
            waiting.append(pyarrow.Table.from_arrays(arrays, schema=schema))
            if _is_enough(waiting, len(names)):
                writer.write_table(pyarrow.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pyarrow.concat_tables(waiting))
    return bad


def _is_enough(tables: Sequence[pyarrow.Table], width: int) -> bool:
    rows = sum(int(table.num_rows) for table in tables)
    size = sum(int(table.nbytes) for table in tables)
    return rows * width >= _CELLS or rows >= _ROWS or size >= _BYTES


def _batches(records: Records, bad: BadLines, most: int) -> Iterator[list[list[str | None]]]:
    """Yield rows, of a bounded number and size together."""
    batch: list[list[str | None]] = []
    size = 0
    for record in records:
        if isinstance(record, Bad):
            bad.add(record)
            continue
        batch.append([value or None for value in record])
        size += records.size
        if len(batch) >= most or size >= _BYTES // 4:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
