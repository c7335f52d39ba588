"""The Flask application by itself: what a view must declare, CSRF, how errors are told."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import request
from flask.testing import FlaskClient

from couture_workflow.exceptions import ConflictError, InUseError, InvalidError
from couture_workflow.permissions import DEVELOPER_HUB, READ, Permission
from couture_workflow.views.base import CouturePage, expose, requires
from couture_workflow.views.hub import DeveloperHubPage
from couture_workflow.web.app import USER_KEY
from couture_workflow.web.flask_app import make_flask_app

MAY = Permission(READ, DEVELOPER_HUB)
HOSTILE = "a'b\"<&>ü"


class SamplePage(CouturePage):
    """A page that does all that can go wrong."""

    route_base = "/sample"

    @expose("/undeclared")
    def undeclared(self) -> str:
        return "somebody forgot the permission"

    @expose("/save", methods=("POST",))
    @requires(MAY)
    def save(self) -> str:
        return request.form.get("text", "")

    @expose("/fail/<how>")
    @requires(MAY)
    def fail(self, how: str) -> str:
        raise {
            "invalid": InvalidError(f"{HOSTILE} is no memory size", field="arguments.driver-memory"),
            "conflict": ConflictError(
                "Somebody saved meanwhile.", paths=("spark.yaml",), base="1", theirs="2"
            ),
            "in use": InUseError("etl.jar is in use.", users=("Spark Configuration",)),
            "bug": ZeroDivisionError(HOSTILE),
        }[how]


@pytest.fixture(scope="module")
def app() -> Any:
    app = make_flask_app([DeveloperHubPage, SamplePage])
    app.config["APPLICATION_ROOT"] = "/couture"  # where it is mounted: the cookie's path depends on it
    return app


@pytest.fixture
def client(app: Any, caller: dict[str, Any]) -> FlaskClient:
    client: FlaskClient = app.test_client()
    client.environ_base["asgi.scope"] = caller
    return client


@pytest.fixture
def caller() -> Iterator[dict[str, Any]]:
    from airflow.api_fastapi import app as airflow_app

    airflow_app.create_auth_manager()
    yield {USER_KEY: person(1, MAY)}


def person(number: int, *granted: Permission) -> Any:
    from airflow.providers.fab.auth_manager.models import User

    user = User(id=number, username=f"{HOSTILE}{number}", active=True)
    user._perms = {(permission.action, permission.resource) for permission in granted} or {("", "")}
    return user


def token(client: FlaskClient) -> str:
    page = client.get("/developer/").get_data(as_text=True)
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found, page
    return found.group(1)


def test_view_without_a_declared_permission_is_refused_to_everybody(client: FlaskClient) -> None:
    assert client.get("/sample/undeclared").status_code == 403


def test_writing_needs_the_token_of_the_page(client: FlaskClient) -> None:
    good = token(client)

    without = client.post("/sample/save", data={"text": HOSTILE}, headers={"Accept": "application/json"})
    by_header = client.post("/sample/save", data={"text": HOSTILE}, headers={"X-CSRFToken": good})
    by_field = client.post("/sample/save", data={"text": HOSTILE, "csrf_token": good})

    assert (without.status_code, without.get_json()["error"]) == (400, "csrf")
    assert [answer.get_data(as_text=True) for answer in (by_header, by_field)] == [HOSTILE, HOSTILE]


def test_token_of_another_account_is_refused_even_in_the_same_browser(
    client: FlaskClient, caller: dict[str, Any]
) -> None:
    first = token(client)
    caller[USER_KEY] = person(2, MAY)

    refused = client.post("/sample/save", headers={"X-CSRFToken": first})
    passed = client.post("/sample/save", headers={"X-CSRFToken": token(client)})

    assert (refused.status_code, passed.status_code) == (400, 200)


def test_page_of_a_person_who_logs_in_again_can_still_be_saved(
    client: FlaskClient, caller: dict[str, Any]
) -> None:
    first, me = token(client), caller[USER_KEY]
    caller[USER_KEY] = None
    logged_out = client.post("/sample/save", headers={"X-CSRFToken": first, "Accept": "application/json"})
    caller[USER_KEY] = me

    again = client.post("/sample/save", data={"text": HOSTILE}, headers={"X-CSRFToken": first})

    assert logged_out.status_code == 401
    assert "in another tab" in logged_out.get_json()["detail"]
    assert (again.status_code, again.get_data(as_text=True)) == (200, HOSTILE)


def test_who_may_not_is_refused_before_the_body_is_read(client: FlaskClient, caller: dict[str, Any]) -> None:
    caller[USER_KEY] = person(3)

    class Body(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("the body was read")

        readline = readinto = read  # type: ignore[assignment]

    answer = client.post(
        "/sample/save",
        input_stream=Body(b"text=x"),
        content_type="application/x-www-form-urlencoded",
    )

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("how", "status", "body"),
    [
        pytest.param(
            "invalid",
            422,
            {
                "error": "invalid",
                "detail": f"{HOSTILE} is no memory size",
                "field": "arguments.driver-memory",
            },
            id="invalid",
        ),
        pytest.param(
            "conflict",
            409,
            {
                "error": "conflict",
                "detail": "Somebody saved meanwhile.",
                "paths": ["spark.yaml"],
                "base": "1",
                "theirs": "2",
            },
            id="conflict",
        ),
        pytest.param(
            "in use",
            409,
            {"error": "in_use", "detail": "etl.jar is in use.", "users": ["Spark Configuration"]},
            id="in use",
        ),
        pytest.param(
            "bug",
            500,
            {"error": "server_error", "detail": "The log of the API server has the details."},
            id="bug",
        ),
    ],
)
def test_errors_are_told_to_programs_in_json(
    how: str, status: int, body: dict[str, Any], client: FlaskClient
) -> None:
    answer = client.get(f"/sample/fail/{how}", headers={"Accept": "application/json"})

    assert (answer.status_code, answer.get_json()) == (status, body)


def test_errors_are_told_to_people_in_an_escaped_page(client: FlaskClient) -> None:
    page = client.get("/sample/fail/invalid", headers={"Accept": "text/html"}).get_data(as_text=True)

    assert "a&#39;b&#34;&lt;&amp;&gt;ü is no memory size" in page
    assert HOSTILE not in page


def test_form_that_is_too_large_is_refused(client: FlaskClient) -> None:
    answer = client.post(
        "/sample/save",
        data={"text": "x" * (9 * 2**20)},
        headers={"X-CSRFToken": token(client), "Accept": "application/json"},
    )

    assert (answer.status_code, answer.get_json()["error"]) == (413, "too_large")


def test_wrong_method_and_unknown_address(client: FlaskClient) -> None:
    assert client.get("/sample/save").status_code == 405
    assert client.get("/sample/nothing").status_code == 404


def test_every_error_of_ours_has_a_status() -> None:
    from couture_workflow import exceptions
    from couture_workflow.web.errors import describe

    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
    ours = [kind for kind in kinds if issubclass(kind, exceptions.CoutureError)]

    schedule = exceptions.ScheduleError("x", field="name", problems=())
    made = [schedule, *(kind("x") for kind in ours if kind is not exceptions.ScheduleError)]
    assert {describe(error).status for error in made} <= {403, 404, 409, 413, 422, 500, 502, 503, 507}
