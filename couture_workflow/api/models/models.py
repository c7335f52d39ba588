"""REST API of trained models, ``/api/models``: list, upload, describe, delete, bring back, history."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.files.upload import announced_size, receive
from couture_workflow.api.history import Limit, Skip
from couture_workflow.api.openapi import BINARY_CONTENT, body_of
from couture_workflow.permissions import CREATE, DELETE, EDIT, MODELS, READ, Permission
from couture_workflow.services.models import library
from couture_workflow.services.models.arrival.uploads import Received, Reception, Wishes
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.models import changes, shown
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, MODELS))]
Creator = Annotated[User, requires(Permission(CREATE, MODELS))]
Editor = Annotated[User, requires(Permission(EDIT, MODELS))]
Deleter = Annotated[User, requires(Permission(DELETE, MODELS))]

MOST_LISTED = 1000


class ModelShown(BaseModel):
    """A model with all its versions."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(description="tensorflow, spark or other.")
    name: str = Field(description="What references such as name@3 and the model server call it.")
    description: str = Field(description="What people said of it.")
    labels: dict[str, int] = Field(description="Label to version.")
    stopped: bool = Field(description="Nothing of it is served, whatever the labels say.")
    used_by: list[str] = Field(description="Tasks that name it.")
    commit: str | None = Field(description="Version of what is said of it, for base of a change.")
    versions: list[dict[str, Any]] = Field(
        description="Newest first: version, state, message, size, sha256, labels, note, metrics, run, check, "
        "served."
    )


class ModelList(BaseModel):
    """A part of the models that a search found."""

    models: list[dict[str, Any]] = Field(
        description="The part: kind, name, description, labels, stopped, versions, newest."
    )
    total: int = Field(description="How many the search found in all.")


class ModelReceived(BaseModel):
    """An upload that was stored; what becomes of it, its state tells."""

    kind: str = Field(description="Kind of the model.")
    name: str = Field(description="Name of the model.")
    version: int = Field(description="Number of the version that has the content.")
    outcome: str = Field(description="created, replaced, or unchanged: the newest version is the same.")
    state: str = Field(description="How far it is.")
    message: str = Field(description="Why, or what goes on.")


class ModelChanges(BaseModel):
    """What to say of a model."""

    model_config = ConfigDict(extra="forbid")

    description: str | None = Field(None, description="What the model is; null leaves it.")
    notes: dict[int, str] = Field({}, description="Version to a note on it.")
    base: str | None = Field(None, max_length=100, description='commit that was looked at, "" for none.')


class ModelName(BaseModel):
    """A model that was changed."""

    kind: str = Field(description="Kind of the model.")
    name: str = Field(description="Name of the model.")


class ModelChange(BaseModel):
    """One change of what is said of a model."""

    commit: str = Field(description="Version.")
    author: str = Field(description="User who made it.")
    when: datetime = Field(description="When, with its time zone.")
    message: str = Field(description="What was done.")


@router.get("/")
def list_models(
    _user: Reader,
    kind: Annotated[str, Query(max_length=20, description="Of this kind alone.")] = "",
    search: Annotated[str, Query(max_length=1000, description="Words in name and description.")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Most models in the part.")] = 50,
    offset: Annotated[int, Query(ge=0, le=LARGEST, description="How many come before it.")] = 0,
) -> ModelList:
    """List a part of the models by name."""
    found = library.listed(store(), kind, search=search, offset=offset, limit=limit)
    return ModelList(models=shown.summaries(found.models, shown.look_for(found.models)), total=found.total)


@router.get("/{kind}/{name}", response_model=ModelShown)
def read_model(user: Reader, kind: str, name: str) -> JSONResponse:
    """Return a model with all its versions, and who uses it."""
    found = library.get(store(), kind, name)
    return JSONResponse(shown.model(found, shown.look_for(found), changes.users_of(found.name, user)))


@router.put(
    "/{kind}/{name}",
    openapi_extra=body_of(BINARY_CONTENT),
    response_model=ModelReceived,
    status_code=202,
)
async def upload_model(
    request: Request,
    user: Creator,
    kind: str,
    name: str,
    label: Annotated[
        str,
        Query(max_length=200, description="What it is when it answers; none: nothing. Default: by itself."),
    ] = "",
    folder: Annotated[
        str | None, Query(max_length=1000, description="Folder of the archive that is the model.")
    ] = None,
    hold: Annotated[bool, Query(description="Take nothing before somebody has seen what is in it.")] = False,
    note: Annotated[str, Query(max_length=5000, description="A note on the version.")] = "",
) -> JSONResponse:
    """Store the body as a new version; 202 with its number and state. The rest is done in the background."""
    wishes = Wishes(label=label, folder=folder, hold=hold, note=note)
    announced = announced_size(request)
    sink = await to_thread.run_sync(partial(_reception, user, kind, name, wishes, announced))
    done: Received = await receive(request, sink)
    return await to_thread.run_sync(_received, done, user)


def _reception(user: User, kind: str, name: str, wishes: Wishes, announced: int | None) -> Reception:
    may_replace = allowed(user, Permission(EDIT, MODELS))
    return Reception(
        store(),
        kind,
        name,
        user=user.get_name(),
        may_replace=may_replace,
        wishes=wishes,
        announced=announced,
    )


def _received(done: Received, user: User) -> JSONResponse:
    changes.received(done, user)
    found = library.get(store(), done.kind, done.name)
    state = found.state(done.version, shown.look_for(found))
    model = ModelReceived(
        kind=done.kind,
        name=done.name,
        version=done.version,
        outcome=done.outcome,
        state=state.name,
        message=state.message,
    )
    return JSONResponse(model.model_dump(mode="json"), status_code=202)


@router.patch("/{kind}/{name}", response_model=ModelShown)
def describe_model(user: Editor, kind: str, name: str, body: ModelChanges) -> JSONResponse:
    """Change the description and notes; 409 if somebody changed what is said of the model since base."""
    changes.describe(kind, name, user, description=body.description, notes=body.notes, base=body.base)
    return read_model(user, kind, name)


@router.delete("/{kind}/{name}")
def delete_model(
    user: Deleter,
    kind: str,
    name: str,
    force: Annotated[bool, Query(description="Delete it although it is served or used.")] = False,
) -> ModelName:
    """Delete a model, which can be brought back; 409 with the users while it is served or tasks name it."""
    changes.delete(kind, name, user, force=force)
    return ModelName(kind=kind, name=name)


@router.post("/{kind}/{name}/undelete")
def undelete_model(user: Editor, kind: str, name: str) -> ModelName:
    """Bring a deleted model back with all its versions; none of them has a label."""
    changes.undelete(kind, name, user)
    return ModelName(kind=kind, name=name)


@router.post("/{kind}/{name}/repair")
def repair_model(user: Editor, kind: str, name: str) -> ModelName:
    """Bring back the last version that can be read of what is said of a model; 422 if it is not damaged."""
    changes.repair(kind, name, user)
    return ModelName(kind=kind, name=name)


@router.get("/{kind}/{name}/history")
def model_history(
    _user: Reader,
    kind: str,
    name: str,
    limit: Limit = 50,
    skip: Skip = 0,
) -> list[ModelChange]:
    """Return who changed what of a model when, newest first."""
    return [
        ModelChange(commit=each.commit, author=each.author, when=each.when, message=each.message)
        for each in library.history(store(), kind, name, limit=limit, skip=skip)
    ]
