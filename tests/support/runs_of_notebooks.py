"""Runs of notebooks for tests of what shows them: records and outputs as a task leaves them, without one."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from couture_workflow.services.notebooks import outputs
from couture_workflow.services.runs import records
from couture_workflow.services.runs.notebook_use import CellRun, NotebookUse, OutputFile
from couture_workflow.services.runs.records import Run, RunKey
from couture_workflow.store.home import Store

START = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)


def png(width: int = 2, height: int = 2, shade: int = 0) -> bytes:
    """Return a picture of one grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + bytes([shade]) * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    """Return what a cell printed."""
    return {"output_type": "stream", "name": name, "text": text}


def shown(**data: Any) -> dict[str, Any]:
    """Return what a cell displayed: ``image_png=...``, ``text_html=...``."""
    forms = {name.replace("_", "/"): value for name, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": forms}


def picture(content: bytes, mime: str = "image/png") -> dict[str, Any]:
    """Return a picture that a cell displayed."""
    return shown(**{mime.replace("/", "_"): base64.b64encode(content).decode()})


def cell(source: str, *results: Mapping[str, Any], name: str = "", tag: str = "") -> dict[str, Any]:
    """Return a code cell that has run."""
    made = {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {"tags": [tag]} if tag else {},
        "outputs": list(results),
        "source": source,
    }
    return {**made, "id": name} if name else made


def notebook(*cells: Mapping[str, Any]) -> bytes:
    """Return a notebook as a file."""
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}).encode()


def ended(
    store: Store,
    key: RunKey,
    files: Mapping[str, bytes],
    *,
    minute: int = 0,
    parameters: Mapping[str, str] | None = None,
    cells: Sequence[CellRun] = (),
    **fields: Any,
) -> Run:
    """Write the record of a run that left these files, and the files."""
    own = outputs.folder(store, key)
    for name, content in files.items():
        path = own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    failed = next((each.number for each in cells if each.state == "failed"), None)
    use = NotebookUse(
        path="reports/daily.ipynb",
        sha256="ab" * 32,
        parameters=parameters or {},
        python="/opt/python",
        python_version="3.11.7",
        packages={"pandas": "2.3.3"},
        of=len(cells),
        cells=tuple(cells),
        failed_cell=failed,
        files=tuple(OutputFile(name, len(content)) for name, content in files.items()),
    )
    run = Run(
        key=key,
        kind="notebook",
        app_name="reports/daily",
        notebook=use,
        **{
            "state": "failed" if failed else "success",
            "started_at": START + timedelta(minutes=minute),
            "ended_at": START + timedelta(minutes=minute, seconds=65),
            **fields,
        },
    )
    records.write(store, run)
    return run
