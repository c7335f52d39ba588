"""From a source to its table: which module reads which kind."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .protocol import EdaError, Messages
from .table import Table


def open_table(
    source: Mapping[str, Any], folder: Path, limits: Mapping[str, Any], progress: Messages
) -> AbstractContextManager[Table]:
    """Open a source for a profile; leaving the context closes it.

    :param source: as in the request.
    :param folder: the request's private folder; temporary files go into its ``tmp``.
    """
    kind = source.get("kind")
    if kind == "file":
        from .files import source as files

        return files.opened(source, folder, limits, progress)
    if kind == "sql":
        from .sql import source as sql

        return sql.opened(source, folder, limits, progress)
    raise EdaError(f"There is no kind of source {kind!r}: it is file or sql.", field="kind")


def preview(
    source: Mapping[str, Any], folder: Path, limits: Mapping[str, Any], progress: Messages
) -> dict[str, Any]:
    """Return the first rows of a source and the columns as they will be read (see the contract's result)."""
    kind = source.get("kind")
    if kind == "file":
        from .files import source as files

        return files.previewed(source, folder, limits, progress)
    if kind == "sql":
        from .sql import source as sql

        return sql.previewed(source, folder, limits, progress)
    raise EdaError(f"There is no kind of source {kind!r}: it is file or sql.", field="kind")
