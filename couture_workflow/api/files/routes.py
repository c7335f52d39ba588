"""REST API of uploaded files, one router for each kind: list, upload, download, delete, restore.

Uploads are streamed to the store with constant memory. ``PUT files/{name}`` takes the raw body; ``POST
files`` takes a form with any number of ``sources``, for ``curl -F sources=@job.jar``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.files.upload import Begin, receive_body, receive_form
from couture_workflow.api.openapi import BINARY, BINARY_CONTENT, body_of
from couture_workflow.permissions import CREATE, DELETE, EDIT, READ, Permission
from couture_workflow.services.files import kinds as file_kinds
from couture_workflow.services.files.kinds import FileKind, Received, Reception, Sort
from couture_workflow.store.files import FileVersion, StoredFile
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.audit import audit
from couture_workflow.web.files.users import users_by_name
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

MOST_FILES = 1000

# Airflow compresses every answer but application/zip and a few others; a jar, egg or wheel is a zip.
_ZIP, _PYTHON = "application/zip", "text/x-python"
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The content; of a Python file as text.",
        "content": {_ZIP: {"schema": BINARY}, _PYTHON: {"schema": {"type": "string"}}},
    }
}
_NEW: dict[int | str, dict[str, Any]] = {201: {"description": "The same, where a name is new."}}
_FORM = {
    "type": "object",
    "required": ["sources"],
    "properties": {"sources": {"type": "array", "items": BINARY, "description": "One or more files."}},
}
_DOWNLOAD_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}


class VersionModel(BaseModel):
    """One version of a file."""

    version: int = Field(description="Number to refer to it, as in name@3.")
    sha256: str = Field(description="SHA-256 of the content.")
    size: int = Field(description="Size in bytes.")
    uploaded_by: str = Field(description="User who uploaded or restored it.")
    uploaded_at: datetime = Field(description="When that was.")


class FileModel(VersionModel):
    """A file, with its current version."""

    name: str = Field(description="Name to refer to it; it stands for the current version.")
    versions: list[VersionModel] = Field(description="All versions, oldest first.")
    used_by: list[str] = Field(description="Who uses it.")


class FileList(BaseModel):
    """A part of the files that a search found."""

    files: list[FileModel] = Field(description="The part.")
    total: int = Field(description="How many files the search found in all.")
    limit: int = Field(description="Most files in the part.")
    offset: int = Field(description="How many files come before it.")


class Restore(BaseModel):
    """What to restore."""

    version: int = Field(description="Number of the version whose content becomes current.", ge=1, le=LARGEST)


def make_router(kind: FileKind) -> APIRouter:
    """Return the routes for the files of a kind."""
    router = APIRouter()
    _add_reading(router, kind)
    _add_uploading(router, kind)
    _add_changing(router, kind)
    return router


def _add_reading(router: APIRouter, kind: FileKind) -> None:
    reader = requires(Permission(READ, kind.resource))

    @router.get("/files")
    def list_files(
        search: Annotated[str, Query(description="Part of the name, in any case.")] = "",
        sort: Annotated[Sort, Query(description="Order; a minus reverses it.")] = "name",
        limit: Annotated[int, Query(ge=1, le=MOST_FILES, description="Most files in the part.")] = 50,
        offset: Annotated[int, Query(ge=0, le=LARGEST, description="How many files come before it.")] = 0,
        deleted: Annotated[bool, Query(description="List the deleted files instead.")] = False,
        user: User = reader,
    ) -> FileList:
        """List a part of the files that a search finds."""
        found = file_kinds.find(
            kind.files(store()), search=search, sort=sort, limit=limit, offset=offset, deleted=deleted
        )
        users = users_by_name(kind, user)
        shown = [_file(file, users(file.name)) for file in found.files]
        return FileList(files=shown, total=found.total, limit=limit, offset=offset)

    @router.get("/files/{name}")
    def read_file(name: str, user: User = reader) -> FileModel:
        """Return one file with its versions and what uses it."""
        file = kind.files(store()).get(name)
        return _file(file, users_by_name(kind, user)(file.name))

    @router.get("/files/{name}/content", response_class=FileResponse, responses=_CONTENT)
    def download(
        name: str,
        version: Annotated[int | None, Query(ge=1, le=LARGEST, description="Number of a version.")] = None,
        user: User = reader,
    ) -> FileResponse:
        """Return the content of a version, by default of the current one."""
        path = kind.files(store()).path(name, version)
        media_type = _PYTHON if name.casefold().endswith(".py") else _ZIP
        headers = {"ETag": f'"{path.name}"', **_DOWNLOAD_HEADERS}
        return FileResponse(path, media_type=media_type, filename=name, headers=headers)


def _add_uploading(router: APIRouter, kind: FileKind) -> None:
    creator = requires(Permission(CREATE, kind.resource))

    @router.put("/files/{name}", openapi_extra=body_of(BINARY_CONTENT), responses=_NEW)
    async def upload(name: str, request: Request, user: User = creator) -> JSONResponse:
        """Store the body as a new file, or as a new version of one that exists, which needs can edit too."""
        begin = await to_thread.run_sync(_beginner, kind, user)
        received = await receive_body(request, begin, name)
        await to_thread.run_sync(_audit_upload, kind, user, received)
        return JSONResponse(_received(received), status_code=201 if received.outcome == "created" else 200)

    @router.post("/files/", include_in_schema=False)
    @router.post("/files", openapi_extra=body_of({"multipart/form-data": {"schema": _FORM}}), responses=_NEW)
    async def upload_form(request: Request, user: User = creator) -> JSONResponse:
        """Store each file of a form."""
        begin = await to_thread.run_sync(_beginner, kind, user)
        done = await receive_form(request, begin)
        for received in done.received:
            await to_thread.run_sync(_audit_upload, kind, user, received)
        body = {"files": [_received(received) for received in done.received], **done.problem}
        return JSONResponse(body, status_code=done.status)


def _add_changing(router: APIRouter, kind: FileKind) -> None:
    editor = requires(Permission(EDIT, kind.resource))
    deleter = requires(Permission(DELETE, kind.resource))

    @router.delete("/files/{name}")
    def delete(
        name: str,
        force: Annotated[bool, Query(description="Delete it although it is in use.")] = False,
        user: User = deleter,
    ) -> FileModel:
        """Delete a file; it can be brought back."""
        users = users_by_name(kind, user)(kind.files(store()).get(name).name)
        file = file_kinds.delete(store(), kind, name, users=users, force=force)
        _audit(kind, "delete", user, file, used_by=users)
        return _file(file, users)

    @router.post("/files/{name}/restore")
    def restore(name: str, body: Restore, user: User = editor) -> FileModel:
        """Make an earlier version current, as a new version with the same content."""
        file = file_kinds.restore(store(), kind, name, body.version, user=user.get_name())
        _audit(kind, "restore", user, file, restored=body.version)
        return _file(file)

    @router.post("/files/{name}/undelete")
    def undelete(name: str, user: User = editor) -> FileModel:
        """Bring a deleted file back with all its versions."""
        file = file_kinds.undelete(store(), kind, name)
        _audit(kind, "undelete", user, file)
        return _file(file)


def _beginner(kind: FileKind, user: User) -> Begin:
    may_replace = allowed(user, Permission(EDIT, kind.resource))
    return partial(Reception, store(), kind, user=user.get_name(), may_replace=may_replace)


def _audit(kind: FileKind, event: str, user: User, file: StoredFile, **extra: Any) -> None:
    current = file.current_version
    what = {"name": file.name, "version": current.number, "sha256": current.sha256, "size": current.size}
    audit(f"{kind.noun}.{event}", user, **what, **extra)


def _audit_upload(kind: FileKind, user: User, received: Received) -> None:
    if received.outcome != "unchanged":
        _audit(kind, "upload", user, received.file, outcome=received.outcome)


def _received(received: Received) -> dict[str, Any]:
    model = _file(received.file).model_dump(mode="json")
    return {**model, "outcome": received.outcome, "warning": received.warning}


def _file(file: StoredFile, users: Sequence[str] = ()) -> FileModel:
    return FileModel(
        **_version(file.current_version).model_dump(),
        name=file.name,
        versions=[_version(version) for version in file.versions],
        used_by=list(users),
    )


def _version(version: FileVersion) -> VersionModel:
    return VersionModel(
        version=version.number,
        sha256=version.sha256,
        size=version.size,
        uploaded_by=version.uploaded_by,
        uploaded_at=version.uploaded_at,
    )
