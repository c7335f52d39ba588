"""REST API of labels, ``/api/models/{kind}/{name}``: promote, roll back, stop and start serving.

An answer comes when the change is made, which is when the version answers: loading may take a while.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.permissions import EDIT, MODELS, Permission
from couture_workflow.services.models.document import STABLE, Document
from couture_workflow.web.models import changes
from couture_workflow.web.numbers import LARGEST

router = APIRouter()

Editor = Annotated[User, requires(Permission(EDIT, MODELS))]


class Promotion(BaseModel):
    """Which version shall get requests."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=LARGEST, description="Number of the version.")
    label: str = Field(STABLE, max_length=200, description="The label that it gets.")


class RollBack(BaseModel):
    """Which label goes back."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(STABLE, max_length=200, description="The label.")
    expected: int | None = Field(
        None, ge=1, le=LARGEST, description="The version that it shall go back to; null: the one before."
    )


class Labelling(BaseModel):
    """A label and its version."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(max_length=200, description="The label.")
    version: int | None = Field(ge=1, le=LARGEST, description="The version; null takes the label away.")


class Labels(BaseModel):
    """The labels of a model."""

    labels: dict[str, int] = Field(description="Label to version.")
    stopped: bool = Field(description="Nothing of it is served.")


@router.post("/{kind}/{name}/promote")
def promote_version(user: Editor, kind: str, name: str, body: Promotion) -> Labels:
    """Let a version get the requests of a label, when it answers; 422 with the reason if it does not."""
    return _labels(changes.promote(kind, name, user, version=body.version, label=body.label))


@router.post("/{kind}/{name}/roll-back")
def roll_back_model(user: Editor, kind: str, name: str, body: RollBack | None = None) -> Labels:
    """Let a label name the version that had it before; 409 if that is not the expected one."""
    label, expected = (body.label, body.expected) if body else (STABLE, None)
    return _labels(changes.roll_back(kind, name, user, label=label, expected=expected))


@router.post("/{kind}/{name}/labels")
def label_version(user: Editor, kind: str, name: str, body: Labelling) -> Labels:
    """Let any label name a version, or none any more."""
    return _labels(changes.put_label(kind, name, user, label=body.label, version=body.version))


@router.post("/{kind}/{name}/stop")
def stop_model(user: Editor, kind: str, name: str) -> Labels:
    """Serve nothing of a model any more; requests that are under way end in peace."""
    return _labels(changes.stop(kind, name, user))


@router.post("/{kind}/{name}/start")
def start_model(user: Editor, kind: str, name: str) -> Labels:
    """Serve again what the labels name."""
    return _labels(changes.start(kind, name, user))


def _labels(found: Document) -> Labels:
    return Labels(labels=dict(found.labels), stopped=found.stopped)
