"""Parquet files, which are read where they are."""

from __future__ import annotations

import re

import duckdb

from ..protocol import EdaError
from ..table import Table, described, literal
from .byte_stream import File

#: What DuckDB says of a text that is none; what stands before its words; those that are about the file;
#: the link by which a file is read, as it names it.
_NO_TEXT = "Invalid string encoding"
_CLASS = re.compile(r"^(Invalid Input|Not implemented|IO) Error: ")
_FILE = re.compile(r"Parquet|source\.parquet|corrupt|encrypted")
_LINK = re.compile(r"\"?[^ \"]*source\.parquet\"?")


def table(connection: duckdb.DuckDBPyConnection, file: File) -> Table:
    """Return a Parquet file as a table; EdaError when it is damaged."""
    try:
        relation = _scan(connection, file)
        columns = described(connection, relation)
    except duckdb.Error as error:
        raise _damaged(file, str(error)) from error
    return Table(connection, relation, columns, reading={"format": "parquet", "compression": "none"})


def rows(connection: duckdb.DuckDBPyConnection, file: File) -> int:
    """Return how many rows a file says to have."""
    found = connection.execute(
        f"select num_rows from parquet_file_metadata({literal(_path(connection, file))})"  # noqa: S608
    ).fetchone()
    return int(found[0]) if found else 0


def _scan(connection: duckdb.DuckDBPyConnection, file: File) -> str:
    return f"read_parquet({literal(_path(connection, file))})"


def _path(connection: duckdb.DuckDBPyConnection, file: File) -> str:
    """Return a name of the file without signs that DuckDB takes for a pattern: a link in its own folder."""
    database = connection.execute("select path from duckdb_databases() where path is not null").fetchone()
    from pathlib import Path

    link = Path(str(database[0] if database else "")).with_name("source.parquet")
    if not link.is_symlink():
        link.symlink_to(file.path)
    return str(link)


def explained(file: File, error: duckdb.Error) -> EdaError | None:
    """Return the sentence for what the reader finds in the middle of a file; None if that is not its fault.

    DuckDB has no class of its own for it: such an error is of the class that all others stand on, or of one
    for wrong values, and then its words are about the file. There are types too that it can do nothing with,
    such as a group without members.
    """
    if _NO_TEXT in str(error):
        return _damaged(file, "a text in it is not UTF-8")  # DuckDB's own sentence has the value in it
    is_of_value = isinstance(error, duckdb.InvalidInputException | duckdb.IOException)
    is_of_type = isinstance(error, duckdb.NotImplementedException)
    if is_of_type or type(error) is duckdb.Error or (is_of_value and _FILE.search(str(error))):
        return _damaged(file, str(error))
    return None


def _damaged(file: File, words: str) -> EdaError:
    first = _LINK.sub(lambda found: repr(file.name), _CLASS.sub("", words.splitlines()[0])).rstrip(". ")
    return EdaError(
        f"{file.name!r} is a damaged or unfinished Parquet file, or is written in a way that cannot be read: "
        f"{first}. Copy or make it again.",
        code="not_readable",
        field="path",
    )
