"""REST API of what a notebook's run leaves: its files, and how far it is while it runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.openapi import BINARY_CONTENT
from couture_workflow.permissions import RUN_DETAILS
from couture_workflow.services.notebooks import opening, progress
from couture_workflow.services.runs import records
from couture_workflow.services.runs.records import RunKey
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.runs import task_instances
from couture_workflow.web.state import store

router = APIRouter()

_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": BINARY_CONTENT,
    }
}
#: What cells wrote is saved by a browser, never shown as a page of this server.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
}

MapIndex = Annotated[int, Query(ge=-1, le=LARGEST, description="Index of a mapped task.")]
Try = Annotated[int | None, Query(ge=1, le=LARGEST, description="Number of the try; the newest if left out.")]


class ProgressModel(BaseModel):
    """How far the cells are."""

    model_config = ConfigDict(from_attributes=True)

    of: int = Field(description="How many code cells there are, 0 as long as the kernel starts.")
    number: int = Field(description="The running cell, from 1; 0 if none has begun.")
    source: str = Field(description="Of the running cell, shortened; secrets are masked.")
    lines: list[str] = Field(description="The last lines that the running cell printed; secrets are masked.")
    cell_started_at: datetime | None = Field(description="When the running cell began.")
    updated_at: datetime = Field(description="When the run gave its last sign of life.")


class RunProgress(BaseModel):
    """A run's state, and how far it is."""

    state: str = Field(description='"running", "success", "failed" or "killed".')
    lost: bool = Field(description="Whether Airflow says that it is over although its end was not recorded.")
    progress: ProgressModel | None = Field(description="Null if nothing is known, or all is recorded.")


@router.get("/{dag_id}/{run_id}/{task_id}/progress")
def run_progress(
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: MapIndex = -1,
    try_number: Try = None,
    user: User = requires(RUN_DETAILS),  # noqa: B008
) -> RunProgress:
    """Tell how far one try of a notebook task is."""
    key = RunKey(dag_id, run_id, task_id, map_index, try_number or 1)
    details = task_instances.details(store(), key, newest=try_number is None)
    going_on = details.run.state == "running"
    now = progress.read(store(), details.run.key) if going_on else None
    return RunProgress(
        state=details.run.state,
        lost=task_instances.is_lost(details),
        progress=ProgressModel.model_validate(now) if now else None,
    )


@router.get(
    "/{dag_id}/{run_id}/{task_id}/outputs/{name:path}", response_class=StreamingResponse, responses=_FILE
)
def download_output(
    dag_id: str,
    run_id: str,
    task_id: str,
    name: str,
    map_index: MapIndex = -1,
    try_number: Try = None,
    user: User = requires(RUN_DETAILS),  # noqa: B008
) -> StreamingResponse:
    """Return a file that one try of a notebook task left: `output.ipynb`, `output.html`, `files/...`."""
    key = RunKey(dag_id, run_id, task_id, map_index, try_number or 1)
    if try_number is None and (known := records.tries(store(), key)):
        key = replace(key, try_number=known[-1].key.try_number)
    file = opening.opened(store(), key, name)
    length = opening.size(file)
    headers = {
        **_HEADERS,
        "Content-Length": str(length),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(_saved_as(key, name), safe='')}",
    }
    return StreamingResponse(
        opening.pieces(file, length), media_type="application/octet-stream", headers=headers
    )


def _saved_as(key: RunKey, name: str) -> str:
    """Return what a browser calls a file: the own ones of a run by its task, which would all be "output"."""
    last = PurePosixPath(name).name
    named = last if "/" in name else f"{key.task_id}{last.removeprefix('output')}"
    return "".join(character if character.isprintable() and character != "/" else "_" for character in named)
