"""What the child is asked: requests made of a source and of where its data is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.eda.document import Source


def preview(
    source: Source, *, path: Path | None = None, connect: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the request for a preview.

    :param path: of the file of a file source.
    :param connect: ``dialect`` and ``connect`` of the connection of a SQL source.
    """
    return {
        "verb": "preview",
        "source": _source(source, path=path, connect=connect),
        "sensitive": list(source.sensitive),
    }


def profile(
    source: Source,
    *,
    folder: Path,
    about: Mapping[str, Any],
    path: Path | None = None,
    connect: Mapping[str, Any] | None = None,
    sample_rows: int | None = None,
) -> dict[str, Any]:
    """Return the request for a profile and its report, which are written into ``folder``.

    :param about: what the report says of itself.
    :param sample_rows: None: as the source says.
    """
    return {
        "verb": "profile",
        "source": _source(source, path=path, connect=connect),
        "sensitive": list(source.sensitive),
        "sample_rows": source.sample_rows if sample_rows is None else sample_rows,
        "folder": str(folder),
        "about": dict(about),
    }


def _source(source: Source, *, path: Path | None, connect: Mapping[str, Any] | None) -> dict[str, Any]:
    if source.kind == "file" and path is not None:
        return {
            "kind": "file",
            "path": str(path),
            "name": source.file.data.partition("@")[0] or Path(source.file.path).name,
            "format": source.file.format,
            "reading": dict(source.file.reading),
        }
    if source.kind == "sql" and connect is not None:
        place = source.sql
        return {
            "kind": "sql",
            **connect,
            "schema": place.schema,
            "table": place.table,
            "query": place.query,
            "limit": place.limit,
        }
    raise InvalidError(
        f"The source {source.name!r} is of the kind {source.kind!r} and was not told where its data is. Open "
        "and save it again.",
        field="kind",
    )
