"""REST API of sources, ``/api/eda/sources``: list, add, save, rename, delete, history, and a preview."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.eda.bodies import JSON, json_body
from couture_workflow.api.history import Limit, Skip, Version
from couture_workflow.api.if_match import IfMatch, base_of, or_conflict
from couture_workflow.permissions import CREATE, DELETE, EDA, EDIT, READ, Permission
from couture_workflow.services.eda import differences, document, sources
from couture_workflow.services.eda.document import Source
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.eda import sources as web_sources
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, EDA))]
Creator = Annotated[User, requires(Permission(CREATE, EDA))]
Editor = Annotated[User, requires(Permission(EDIT, EDA))]
Deleter = Annotated[User, requires(Permission(DELETE, EDA))]
Message = Annotated[str, Query(max_length=2000, description="Why; empty: what was done.")]

MOST_LISTED = 1000


class SourceModel(BaseModel):
    """A source."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(description="What runs and tasks name it by.")
    description: str = Field(description="What it is.")
    tags: list[str] = Field(description="Words to find it by.")
    sensitive: list[str] = Field(description="Columns whose values are never shown.")
    kind: str = Field(description="file, sql or spark: the field of that name says where the data is.")
    sample_rows: int = Field(description="Rows of the sample that a report is made with.")
    file: dict[str, Any] | None = Field(None, description="data or path, format, reading.")
    sql: dict[str, Any] | None = Field(None, description="connection, schema and table or query, limit.")
    spark: dict[str, Any] | None = Field(None, description="path or table, format, options, hadoop_group.")


class SourceShown(BaseModel):
    """A source with who uses it."""

    source: SourceModel = Field(description="The source.")
    commit: str = Field(description="Version of the configurations that it was read from, also the ETag.")
    used_by: list[str] = Field(description="DAG files and tasks that name it.")


class SourceList(BaseModel):
    """A part of the sources that a search found."""

    sources: list[SourceModel] = Field(description="The part.")
    total: int = Field(description="How many the search found in all.")
    damaged: dict[str, str] = Field(description="Sources that cannot be read, and why.")


class SourceSaved(BaseModel):
    """A source that was saved."""

    name: str = Field(description="What it is called.")
    commit: str = Field(description="Version, also the ETag.")


class SourceName(BaseModel):
    """A name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Name of the source.", max_length=1000)


class SourceVersion(Version):
    """One save of a source."""


class Restored(BaseModel):
    """What to restore."""

    model_config = ConfigDict(extra="forbid")

    commit: str = Field(description="Version whose settings become current.", max_length=100)
    message: str = Field("", max_length=2000, description="Why; empty: what was done.")


class PreviewModel(BaseModel):
    """The first rows of a source, and how it is read."""

    model_config = ConfigDict(extra="allow")

    columns: list[dict[str, Any]] = Field(description="name, type, kind; hidden of a sensitive one.")
    rows: list[list[Any]] = Field(description="At most 50 rows of texts, null where a value is missing.")


@router.get("/sources")
def list_sources(
    _user: Reader,
    search: Annotated[str, Query(max_length=1000, description="Words in name, description, place.")] = "",
    tag: Annotated[str, Query(max_length=1000, description="With this tag alone.")] = "",
    kind: Annotated[str, Query(max_length=20, description="Of this kind alone.")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Most sources in the part.")] = 50,
    offset: Annotated[int, Query(ge=0, le=LARGEST, description="How many come before it.")] = 0,
) -> SourceList:
    """List a part of the sources by name."""
    snapshot = sources.snapshot(store())
    found = sources.found(snapshot, search=search, tag=tag, kind=kind)
    part = [_model(source) for source in found[offset : offset + limit]]
    return SourceList(sources=part, total=len(found), damaged=dict(snapshot.damaged))


@router.post("/sources", status_code=201, openapi_extra=JSON, response_model=SourceSaved)
async def add_source(user: Creator, request: Request, message: Message = "") -> Response:
    """Save a new source."""
    body = await json_body(request)

    def work() -> Response:
        source = web_sources.source_of(body)
        return _saved(source.name, web_sources.add(source, user, message=message).id, status=201)

    return await to_thread.run_sync(work)


@router.get("/sources/{name}")
def read_source(
    user: Reader,
    name: str,
    commit: Annotated[str | None, Query(max_length=100, description="Version; default: the newest.")] = None,
) -> JSONResponse:
    """Return a source, with the DAG files and tasks that name it."""
    source, version = sources.read(store(), name, commit=commit)
    shown = SourceShown(source=_model(source), commit=version, used_by=web_sources.users_of(name, user))
    return JSONResponse(shown.model_dump(mode="json", exclude_none=True), headers={"ETag": f'"{version}"'})


@router.put("/sources/{name}", openapi_extra=JSON, response_model=SourceSaved)
async def save_source(
    user: Editor, request: Request, name: str, message: Message = "", if_match: IfMatch = None
) -> Response:
    """Save a source in place of the present one; 412 if somebody saved it since If-Match's version."""
    body = await json_body(request)
    base = base_of(if_match)

    def work() -> Response:
        source = web_sources.source_of(body, name=name)
        return _saved(name, web_sources.save(source, user, base=base, message=message).id)

    return await to_thread.run_sync(lambda: or_conflict(work, base))


@router.delete("/sources/{name}")
def delete_source(
    user: Deleter,
    name: str,
    force: Annotated[bool, Query(description="Delete it although others name it.")] = False,
) -> SourceSaved:
    """Delete a source with its outputs and its schedule; 409 with the list of users while it is in use."""
    return SourceSaved(name=name, commit=web_sources.delete(name, user, force=force).id)


@router.post("/sources/{name}/rename")
def rename_source(user: Editor, name: str, new: SourceName) -> SourceSaved:
    """Give a source another name; 409 with the list of users while it is in use."""
    commit = web_sources.rename(name, new.name, user)
    return SourceSaved(name=document.check_source_name(new.name), commit=commit.id)


@router.post("/sources/{name}/restore")
def restore_source(user: Editor, name: str, body: Restored) -> SourceSaved:
    """Save an earlier version again, also of a source that was deleted."""
    commit = web_sources.restore(name, body.commit, user, message=body.message)
    return SourceSaved(name=name, commit=commit.id)


@router.get("/sources/{name}/history")
def source_history(
    _user: Reader,
    name: str,
    limit: Limit = 50,
    skip: Skip = 0,
) -> list[SourceVersion]:
    """Return who saved a source when and why, newest first."""
    return [SourceVersion.of(each) for each in sources.history(store(), name, limit=limit, skip=skip)]


@router.get("/sources/{name}/preview", response_model=PreviewModel)
def preview_source(user: Reader, name: str) -> JSONResponse:
    """Return 50 rows of a source and how it is read; 409 while too many previews are being made."""
    return JSONResponse(web_sources.preview(sources.get(store(), name), user))


@router.post("/preview", openapi_extra=JSON, response_model=PreviewModel)
async def preview_unsaved(user: Creator, request: Request) -> Response:
    """Return the preview of a source that is not saved."""
    body = await json_body(request)

    def work() -> Response:
        return JSONResponse(web_sources.preview(document.normal(body, name=body.get("name") or "new"), user))

    return await to_thread.run_sync(work)


@router.post("/sources/{name}/changes", openapi_extra=JSON)
async def source_changes(
    _user: Reader,
    request: Request,
    name: str,
    base: Annotated[str, Query(max_length=100, description="Version that was edited.")] = "",
) -> JSONResponse:
    """Return what a save of these settings would change, of which version, and what others saved since."""
    body = await json_body(request)

    def work() -> JSONResponse:
        present, version = sources.read(store(), name)
        mine = differences.changes(present, web_sources.source_of(body, name=name))
        theirs = sources.changes(store(), name, before=base, commit=version) if base else []
        found = {"changes": [asdict(each) for each in mine], "theirs": [asdict(each) for each in theirs]}
        return JSONResponse({**found, "commit": version})

    return await to_thread.run_sync(work)


def _saved(name: str, commit: str, *, status: int = 200) -> Response:
    body = SourceSaved(name=name, commit=commit).model_dump()
    return JSONResponse(body, status_code=status, headers={"ETag": f'"{commit}"'})


def _model(source: Source) -> SourceModel:
    return SourceModel(**source.json())
