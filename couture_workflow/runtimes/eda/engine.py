"""DuckDB as the child uses it: bounded, and kept to the child's own temporary folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from .table import literal

#: Share of the memory that is DuckDB's; the rest is for Python and what it draws.
_SHARE = 0.6
_LEAST = 200 * 1024**2


def connect(
    temporary: Path, limits: Mapping[str, Any], *, reach: Sequence[Path] = (), doubted: bool = False
) -> duckdb.DuckDBPyConnection:
    """Return a connection that can reach nothing but files in ``temporary``, in which its database lies.

    No extension is downloaded, and no statement can loosen this.

    :param limits: ``memory`` and ``disk`` in bytes, ``threads``; each may be lacking.
    :param reach: further files that it may read.
    :param doubted: what these files say of their own values may be wrong, as in Parquet of old programs.
    """
    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_unsigned_extensions": "false",
        "temp_directory": str(temporary / "spill"),
        "threads": int(limits.get("threads") or 2),
    }
    if memory := limits.get("memory"):
        config["memory_limit"] = f"{max(int(memory * _SHARE), _LEAST) // 1024**2}MiB"
    if disk := limits.get("disk"):
        config["max_temp_directory_size"] = f"{max(int(disk) // 1024**2, 1)}MiB"
    connection = duckdb.connect(str(temporary / "work.duckdb"), config=config)
    connection.execute("set timezone = 'UTC'")
    connection.execute("set enable_progress_bar = false")
    if doubted:
        connection.execute("set perfect_ht_threshold = 0")  # groups are not numbered by least and greatest
    connection.execute("set parquet_metadata_cache = true")
    connection.execute(f"set allowed_directories = [{literal(str(temporary.resolve()))}]")
    connection.execute(f"set allowed_paths = [{', '.join(literal(str(path.resolve())) for path in reach)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection
