"""The routes of outputs: their list, numbers, reports, and how far one is that is being made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path as FilePath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.runs.frame import SANDBOX
from couture_workflow.permissions import DELETE, EDA, READ, Permission
from couture_workflow.services.eda import outputs
from couture_workflow.services.eda.outputs import Output
from couture_workflow.web.eda import outputs as web_outputs
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.paths import PAGES
from couture_workflow.web.runs import frames
from couture_workflow.web.state import store

router = APIRouter(tags=["outputs"])

Reader = Annotated[User, requires(Permission(READ, EDA))]
Deleter = Annotated[User, requires(Permission(DELETE, EDA))]
Name = Annotated[str, Path(description="Name of the source.")]
Number = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the output.")]

_PIECE = 256 * 1024
#: A report that is downloaded is saved by a browser, never shown as a page of this server.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
}
_HTML: dict[int | str, dict[str, Any]] = {
    200: {"description": "The report.", "content": {"text/html": {"schema": {"type": "string"}}}}
}
_JSON: dict[int | str, dict[str, Any]] = {
    200: {"description": "The numbers.", "content": {"application/json": {"schema": {"type": "object"}}}}
}


class ProgressModel(BaseModel):
    """How far a run is."""

    model_config = ConfigDict(from_attributes=True)

    stage: str = Field(description="connecting, reading, computing, sampling or rendering.")
    share: float | None = Field(description="Of the stage, 0 to 1; null where nobody can tell.")
    rows: int | None = Field(description="Rows that were read so far, null where nobody can tell.")
    words: str = Field(description="What is being done.")
    warnings: list[str] = Field(description="What a person should know.")
    updated_at: datetime = Field(description="When the run gave its last sign of life.")


class OutputModel(BaseModel):
    """One output of a source."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="Its number; none is given twice.")
    source: str = Field(description="Name of the source.")
    source_version: str = Field(description="Commit that the source was read at.")
    data_version: str = Field(description="Version of an uploaded file; empty where there is none.")
    state: str = Field(description="queued, running, success, failed or stopped.")
    message: str = Field(description="How it ended, in a sentence; empty for a plain success.")
    has_report: bool = Field(description="Whether there are numbers and a report.")
    rows: int | None = Field(description="Rows of the data.")
    columns: int | None = Field(description="Columns of the data.")
    bytes: int | None = Field(description="Bytes of the data, null where nobody can tell.")
    missing_share: float | None = Field(description="Share of all cells that are missing.")
    alerts: int = Field(description="How many alerts its report has.")
    started_at: datetime = Field(description="When its run began, or was asked for.")
    ended_at: datetime | None = Field(description="When its run ended.")
    seconds: float | None = Field(description="How long its run took.")
    by: str = Field(description="Who pressed Play; empty for a schedule.")
    dag_id: str = Field(description="DAG of its run.")
    run_id: str = Field(description="DAG run.")
    task_id: str = Field(description="Task.")
    map_index: int = Field(description="Index of a mapped task, else -1.")
    try_number: int = Field(description="Try of the task.")
    sample_rows: int | None = Field(description="Rows of the sample that was asked for.")
    compared_with: int | None = Field(description="Output that its rules compared it with.")
    guard: list[dict[str, Any]] = Field(description="Rules that it breaks.")


class ProgressOf(BaseModel):
    """An output and how far its run is."""

    output: OutputModel = Field(description="The output.")
    progress: ProgressModel | None = Field(description="Null if its task has not begun, or has ended.")


class ListModel(BaseModel):
    """The outputs of a source."""

    outputs: list[OutputModel] = Field(description="The newest first.")
    progress: dict[int, ProgressModel] = Field(
        description="How far those are that are being made, by number."
    )


@router.get("/outputs/{source}")
def list_outputs(source: Name, user: Reader) -> ListModel:
    """List the outputs of a source, and how far those are that are being made."""
    found = web_outputs.listed(source)
    progress = {each.number: now for each in found if (now := web_outputs.progress_of(each))}
    return ListModel(
        outputs=[output_model(each) for each in found],
        progress={number: ProgressModel.model_validate(now) for number, now in progress.items()},
    )


@router.get("/outputs/{source}/{number}", response_class=StreamingResponse, responses=_JSON)
def read_output(source: Name, number: Number, user: Reader) -> StreamingResponse:
    """Return the numbers of an output: all that its report shows, and more."""
    path = outputs.file(store(), source, number, outputs.PROFILE)
    return _sent(path, "application/json", headers=_saved_as(source, number, "json"))


@router.get("/outputs/{source}/{number}/report", response_class=StreamingResponse, responses=_HTML)
def download_report(source: Name, number: Number, user: Reader) -> StreamingResponse:
    """Return the report of an output as a file."""
    path = outputs.report(store(), source, number)
    return _sent(path, "text/html", headers={**_HEADERS, **_saved_as(source, number, "html")})


@router.get("/outputs/{source}/{number}/frame", include_in_schema=False)
def frame(
    request: Request, source: Name, number: Number, user: Reader, ticket: Annotated[str, Query()] = ""
) -> Response:
    """Return the report for a frame of our page: as a document of no origin and without a network."""
    if not frames.is_framed(request.headers, ticket, user, web_outputs.frame_key(source, number)):
        place = f"exploratory-data-analysis/report/{quote(source, safe='')}/{number}"
        return RedirectResponse(f"../../../../..{PAGES}/{place}", status_code=302)
    return _sent(outputs.report(store(), source, number), "text/html", headers=SANDBOX)


@router.get("/outputs/{source}/{number}/progress")
def output_progress(source: Name, number: Number, user: Reader) -> ProgressOf:
    """Tell how far an output is that is being made."""
    output = web_outputs.get(source, number)
    now = web_outputs.progress_of(output)
    return ProgressOf(
        output=output_model(output), progress=ProgressModel.model_validate(now) if now else None
    )


@router.delete("/outputs/{source}/{number}", status_code=204)
def delete_output(source: Name, number: Number, user: Deleter) -> None:
    """Delete an output with its report."""
    web_outputs.delete(source, number, user)


def output_model(output: Output) -> OutputModel:
    """Return an output as JSON has it."""
    return OutputModel.model_validate(output.json())


def _saved_as(source: str, number: int, suffix: str) -> dict[str, str]:
    name = quote(f"{source}-{number}.{suffix}", safe="")
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}


def _sent(path: FilePath, kind: str, *, headers: dict[str, str]) -> StreamingResponse:
    file = path.open("rb")

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(_PIECE):
                yield piece

    length = str(os.fstat(file.fileno()).st_size)  # of what is sent, whatever becomes of the path
    return StreamingResponse(pieces(), media_type=kind, headers={**headers, "Content-Length": length})
