"""The guard of the REST API: no declared permission, no entry, and no body is read before the answer."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError

from couture_workflow.api import auth
from couture_workflow.api.app import _validation_error
from couture_workflow.api.auth import Guard, User, declared, requires
from couture_workflow.api.files.upload import FormResult
from couture_workflow.exceptions import InvalidError
from couture_workflow.permissions import DEVELOPER_HUB, READ, RUN_DETAILS, Permission
from tests.support import asynchronous

MAY = Permission(READ, DEVELOPER_HUB)


class Body(BaseModel):
    """What the sample routes take."""

    text: str


router = APIRouter()


@router.post("/declared")
def declared_route(body: Body, user: Annotated[User, requires(MAY)]) -> str:
    return f"{body.text} by {user.get_name()}"


@router.post("/little")
def little_route(body: Body, user: Annotated[User, requires(MAY, most=16)]) -> str:
    return f"{body.text} by {user.get_name()}"


@router.post("/undeclared")
def undeclared_route(body: Body) -> str:
    return body.text


@router.get("/runs/{dag_id}", dependencies=[requires(RUN_DETAILS)])
def run_route(dag_id: str) -> str:
    return dag_id


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    from airflow.api_fastapi import app as airflow_app

    airflow_app.create_auth_manager()
    app = FastAPI()
    app.include_router(router)
    app.add_middleware(Guard, routes=lambda: app.routes)
    return app


def person(*granted: Permission) -> Any:
    from airflow.providers.fab.auth_manager.models import User as Account

    user = Account(id=1, username="a'b\"<&>ü", active=True)
    user._perms = {(permission.action, permission.resource) for permission in granted} or {("", "")}
    return user


def call(app: FastAPI, path: str, user: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[int, bytes, bool]:
    """Send a POST; return status, body and whether the request's body was asked for."""
    asked = False
    sent: list[Any] = []

    async def caller(_request: Any) -> Any:
        return user

    async def receive() -> Any:
        nonlocal asked
        asked = True
        return {"type": "http.request", "body": b'{"text": "hello"}', "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    monkeypatch.setattr(auth, "_authenticate", caller)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"17")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("x", 1),
        "client": ("127.0.0.1", 1),
    }
    asynchronous.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(part.get("body", b"") for part in sent[1:]), asked


def test_who_may_gets_in(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    status, body, _ = call(app, "/declared", person(MAY), monkeypatch)

    assert (status, body.decode()) == (200, '"hello by a\'b\\"<&>ü"')


@pytest.mark.parametrize(
    ("path", "granted", "status"),
    [
        pytest.param("/declared", None, 401, id="anonymous"),
        pytest.param("/declared", (), 403, id="not allowed"),
        pytest.param("/undeclared", (MAY,), 403, id="no declared permission"),
    ],
)
def test_refusal_comes_before_the_body_is_read(
    path: str, granted: Any, status: int, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = None if granted is None else person(*granted)

    assert call(app, path, user, monkeypatch)[::2] == (status, False)


def test_a_body_that_is_parsed_has_the_bytes_that_its_route_says(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, body, asked = call(app, "/little", person(MAY), monkeypatch)

    assert (status, asked) == (413, False)
    assert "at most 16 bytes" in body.decode()
    assert call(app, "/little", person(), monkeypatch)[0] == 403


def test_of_many_problems_the_first_few_are_told() -> None:
    class Named(BaseModel):
        model_config = ConfigDict(extra="forbid")

    async def refused(sent: dict[str, int]) -> dict[str, Any]:
        try:
            Named.model_validate(sent)
        except ValidationError as error:
            problems = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
            answer = await _validation_error(Request({"type": "http"}), RequestValidationError(problems))
            told: dict[str, Any] = json.loads(bytes(answer.body))
        return told

    told = asynchronous.run(refused({"x" * 10_000: 1, **{str(number): 1 for number in range(2000)}}))

    assert told["detail"].endswith("18: Extra inputs are not permitted; and 1,981 more like these")
    assert (told["error"], told["field"]) == ("invalid", "x" * 100)


def test_of_many_refused_files_of_a_form_the_first_hundred_are_told() -> None:
    refused = FormResult(errors=[(f"{number}.exe", InvalidError("It is no jar.")) for number in range(5000)])

    assert [each["name"] for each in refused.problem["errors"]] == [f"{number}.exe" for number in range(100)]
    assert (refused.status, refused.problem["detail"]) == (422, "It is no jar.")


def test_declared_permission_is_found_on_argument_and_decorator() -> None:
    app = FastAPI()
    app.include_router(router)

    found = {getattr(route, "path", ""): declared(route) for route in app.routes}

    assert found["/declared"] == MAY
    assert found["/runs/{dag_id}"] == RUN_DETAILS
    assert found["/undeclared"] is None
