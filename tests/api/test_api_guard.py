"""The guard of the REST API: no declared permission, no entry, and no body is read before the answer."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from couture_workflow.api import auth
from couture_workflow.api.auth import Guard, User, declared, requires
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


def test_declared_permission_is_found_on_argument_and_decorator() -> None:
    app = FastAPI()
    app.include_router(router)

    found = {getattr(route, "path", ""): declared(route) for route in app.routes}

    assert found["/declared"] == MAY
    assert found["/runs/{dag_id}"] == RUN_DETAILS
    assert found["/undeclared"] is None
