"""REST API of single versions, ``/api/models/{kind}/{name}/versions/{n}``: state, content, another try."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.openapi import BINARY_CONTENT
from couture_workflow.permissions import EDIT, MODELS, READ, Permission
from couture_workflow.services.models import library
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.models import changes, shown
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, MODELS))]
Editor = Annotated[User, requires(Permission(EDIT, MODELS))]
Number = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the version.")]

_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "What was uploaded.", "content": BINARY_CONTENT}
}


class Choice(BaseModel):
    """Which model of an archive to take."""

    model_config = ConfigDict(extra="forbid")

    folder: str | None = Field(None, max_length=1000, description="Its folder; null: the only one.")


@router.get("/{kind}/{name}/versions/{version}")
def read_version(_user: Reader, kind: str, name: str, version: Number) -> JSONResponse:
    """Return one version: state, what its check found, what the server says of it."""
    found = library.get(store(), kind, name)
    return JSONResponse(shown.version(found, found.version(version), shown.look_for(found)))


@router.get("/{kind}/{name}/versions/{version}/content", response_class=FileResponse, responses=_CONTENT)
def read_content(_user: Reader, kind: str, name: str, version: Number) -> FileResponse:
    """Return what was uploaded, as it came."""
    found = library.get(store(), kind, name)
    path = store().models.path(found.file.name, found.version(version).number)
    headers = {"ETag": f'"{path.name}"', **_HEADERS}
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=f"{name}-{version}{library.suffix(path)}",
        headers=headers,
    )


@router.post("/{kind}/{name}/versions/{version}/take", status_code=202)
def take_version(
    user: Editor, kind: str, name: str, version: Number, body: Choice | None = None
) -> JSONResponse:
    """Go on with an upload that waits for a choice; 409 if it does not."""
    changes.take(kind, name, version, user, folder=body.folder if body else None)
    return _accepted(kind, name, version)


@router.post("/{kind}/{name}/versions/{version}/again", status_code=202)
def try_version_again(user: Editor, kind: str, name: str, version: Number) -> JSONResponse:
    """Check a version once more that was refused or failed; 409 if it is on its way."""
    changes.again(kind, name, version, user)
    return _accepted(kind, name, version)


def _accepted(kind: str, name: str, version: int) -> JSONResponse:
    found = library.get(store(), kind, name)
    body = shown.version(found, found.version(version), shown.look_for(found))
    return JSONResponse(body, status_code=202)
