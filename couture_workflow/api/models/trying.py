"""REST API of trained models: one request to a version, as the page *Try it* sends it."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from couture_workflow import settings
from couture_workflow.api.auth import User, requires
from couture_workflow.api.openapi import OBJECT_CONTENT, body_of
from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.permissions import EDIT, MODELS, Permission
from couture_workflow.services.models import document, library, server
from couture_workflow.web import bodies
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.state import store

router = APIRouter()

Editor = Annotated[User, requires(Permission(EDIT, MODELS))]

Number = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the version.")]

#: Bytes of a request and of an answer: what a person types and reads.
MOST, MOST_ANSWER = 2**20, 4 * 2**20
_TOO_LARGE = f"The request has more than the {MOST:,} bytes that are tried here. Send it to the model server."
_SECONDS = 30.0
_FIELDS = ("signature_name", "inputs", "instances", "label")


class Tried(BaseModel):
    """What the model server said."""

    status: int = Field(description="Its status: 200, or why it refused the request.")
    answer: Any = Field(
        description='Its answer, {"outputs": ...} or {"error": "..."}; numbers that JSON in a browser cannot '
        "hold (NaN, whole ones of 2^53 and more) are texts."
    )
    milliseconds: float = Field(description="From the request to the whole answer.")
    url: str = Field(description="Where the request was sent.")


@router.post(
    "/{kind}/{name}/versions/{number}/try", openapi_extra=body_of(OBJECT_CONTENT), response_model=Tried
)
async def try_version(request: Request, _user: Editor, kind: str, name: str, number: Number) -> JSONResponse:
    """Send one request to a version: ``{"signature_name", "inputs" or "instances"}``.

    With ``"label"`` it goes to what the model server has under that label. A refusal of the model server is
    an answer too: this has the status 200 then, and ``status`` says what the model server's was.
    """
    body = await bodies.read(request, most=MOST, refusal=_TOO_LARGE)
    return await to_thread.run_sync(_tried, kind, name, number, body)


def _tried(kind: str, name: str, number: int, body: bytes) -> JSONResponse:
    model = library.get(store(), kind, name)
    model.version(number)
    if model.kind != document.SERVED:
        raise InvalidError(f"Models of the kind {model.kind} are kept for jobs and not served.", field="kind")
    asked = _read(body)
    place = f"versions/{number}"
    if (label := asked.pop("label", None)) is not None:
        if not isinstance(label, str) or model.document.labels.get(label) != number:
            raise NotFoundError(f"Version {number} of the model {model.name} does not have that label.")
        place = f"labels/{quote(label, safe='')}"
    path = f"/v1/models/{quote(model.name, safe='')}/{place}:predict"
    answer = server.ask(path, json.dumps(asked).encode(), seconds=_SECONDS, most=MOST_ANSWER)
    said = answer.json if answer.json is not None else {"error": answer.text[:1000]}
    tried = Tried(
        status=answer.status,
        answer=_plain(said),
        milliseconds=round(answer.seconds * 1000, 3),
        url=f"{settings.serving_public_url()}{path}",
    )
    return JSONResponse(dict(tried))  # made here, in a thread: a large answer takes its time


def _plain(value: Any) -> Any:
    """Return an answer with texts for the numbers that would not arrive as they are."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, int) and abs(value) >= 2**53 else value


def _read(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidError("The body is no JSON, or is nested too deeply. Send a JSON object.") from error
    if not isinstance(found, dict) or ("inputs" in found) == ("instances" in found):
        raise InvalidError('Send an object with "inputs" or with "instances".', field="inputs")
    if unknown := sorted(set(found) - set(_FIELDS)):
        raise InvalidError(f"There is no field {unknown[0][:100]!r}. These are: {', '.join(_FIELDS)}.")
    return found
