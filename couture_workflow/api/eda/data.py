"""REST API of uploaded data, ``/api/eda/data``: list, upload, delete, bring back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.files.upload import receive_body
from couture_workflow.api.openapi import BINARY_CONTENT, body_of
from couture_workflow.permissions import CREATE, DELETE, EDA, EDIT, READ, Permission
from couture_workflow.services.eda import data, uses
from couture_workflow.services.files import kinds
from couture_workflow.services.files.kinds import Reception, Sort
from couture_workflow.store.files import StoredFile
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.audit import audit
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, EDA))]
Creator = Annotated[User, requires(Permission(CREATE, EDA))]
Editor = Annotated[User, requires(Permission(EDIT, EDA))]
Deleter = Annotated[User, requires(Permission(DELETE, EDA))]

MOST_FILES = 1000


class DataModel(BaseModel):
    """An uploaded file, with its current version."""

    name: str = Field(description="What sources name it by; name@3 is version 3 of it.")
    version: int = Field(description="Number of the current version.")
    versions: int = Field(description="How many versions it has.")
    size: int = Field(description="Size in bytes.")
    sha256: str = Field(description="SHA-256 of the content.")
    uploaded_by: str = Field(description="User who uploaded it.")
    uploaded_at: datetime = Field(description="When that was.")
    used_by: list[str] = Field(description="Sources that read it.")


class DataReceived(DataModel):
    """An uploaded file that was stored."""

    outcome: str = Field(description="created, replaced, or unchanged: the current version is the same.")
    warning: str = Field("", description="Empty.")


class DataList(BaseModel):
    """A part of the files that a search found."""

    files: list[DataModel] = Field(description="The part.")
    total: int = Field(description="How many files the search found in all.")


@router.get("/data")
def list_data(
    _user: Reader,
    search: Annotated[str, Query(max_length=1000, description="Part of the name, in any case.")] = "",
    sort: Annotated[Sort, Query(description="Order; a minus reverses it.")] = "name",
    limit: Annotated[int, Query(ge=1, le=MOST_FILES, description="Most files in the part.")] = 50,
    offset: Annotated[int, Query(ge=0, le=LARGEST, description="How many files come before it.")] = 0,
    deleted: Annotated[bool, Query(description="List the deleted files instead.")] = False,
) -> DataList:
    """List a part of the uploaded files that a search finds."""
    found = kinds.find(store().data, search=search, sort=sort, limit=limit, offset=offset, deleted=deleted)
    users = uses.by_data(store())
    return DataList(files=[_model(file, users.get(file.name, ())) for file in found.files], total=found.total)


@router.get("/data/{name}")
def read_data(_user: Reader, name: str) -> DataModel:
    """Return what is known of an uploaded file."""
    file = store().data.get(name)
    return _model(file, uses.by_data(store()).get(file.name, ()))


@router.put(
    "/data/{name}",
    openapi_extra=body_of(BINARY_CONTENT),
    response_model=DataReceived,
    responses={201: {"model": DataReceived, "description": "The same, where the name is new."}},
)
async def upload_data(request: Request, name: str, user: Creator) -> JSONResponse:
    """Store the body as the current version of a file."""
    begin = await to_thread.run_sync(_beginner, user)
    received = await receive_body(request, begin, name)
    if received.outcome != "unchanged":
        await to_thread.run_sync(partial(_audit, "upload", user, received.file, outcome=received.outcome))
    model = DataReceived(**_model(received.file).model_dump(), outcome=received.outcome, warning="")
    status = 201 if received.outcome == "created" else 200
    return JSONResponse(model.model_dump(mode="json"), status_code=status)


@router.delete("/data/{name}")
def delete_data(
    name: str,
    user: Deleter,
    force: Annotated[bool, Query(description="Delete it although sources read it.")] = False,
) -> DataModel:
    """Delete a file, which can be brought back; 409 with the list of users while sources read it."""
    found = store().data.get(name)
    users = uses.by_data(store()).get(found.name, ())
    file = kinds.delete(store(), data.KIND, name, users=users, force=force)
    _audit("delete", user, file, used_by=list(users))
    return _model(file, users)


@router.post("/data/{name}/undelete")
def undelete_data(name: str, user: Editor) -> DataModel:
    """Bring a deleted file back with all its versions."""
    file = kinds.undelete(store(), data.KIND, name)
    _audit("undelete", user, file)
    return _model(file)


def _beginner(user: User) -> Any:
    may_replace = allowed(user, Permission(EDIT, EDA))
    return partial(Reception, store(), data.KIND, user=user.get_name(), may_replace=may_replace)


def _audit(event: str, user: User, file: StoredFile, **extra: Any) -> None:
    current = file.current_version
    what = {"name": file.name, "version": current.number, "sha256": current.sha256, "size": current.size}
    audit(f"eda_data.{event}", user, **what, **extra)


def _model(file: StoredFile, users: Sequence[str] = ()) -> DataModel:
    return DataModel(
        name=file.name,
        version=file.current,
        versions=len(file.versions),
        size=file.size,
        sha256=file.sha256,
        uploaded_by=file.uploaded_by,
        uploaded_at=file.uploaded_at,
        used_by=list(users),
    )
