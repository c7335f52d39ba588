"""Parquet files, which are read where they are."""

from __future__ import annotations

import duckdb

from .byte_stream import File
from .protocol import EdaError
from .table import Table, described, literal


def table(connection: duckdb.DuckDBPyConnection, file: File) -> Table:
    """Return a Parquet file as a table; EdaError when it is damaged."""
    try:
        relation = _scan(connection, file)
        columns = described(connection, relation)
    except duckdb.Error as error:
        raise _damaged(file, error) from error
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
        link.symlink_to(file.path.resolve())
    return str(link)


def _damaged(file: File, error: duckdb.Error) -> EdaError:
    first = str(error).splitlines()[0].replace("source.parquet", file.name)
    return EdaError(
        f"{file.name!r} is a damaged or unfinished Parquet file: {first} Copy or make it again.",
        code="not_readable",
        field="path",
    )
