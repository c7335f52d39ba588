"""REST API of the Jupyter servers: one's own, and the administrator's list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from couture_workflow.api import auth
from couture_workflow.api.app import api_apps
from couture_workflow.exceptions import JupyterError
from couture_workflow.permissions import EDIT, JUPYTER, READ, Permission
from couture_workflow.services.jupyter.servers import Listed, Person, Progress, Server
from couture_workflow.web.jupyter import state
from couture_workflow.web.jupyter.people import base_path
from tests.support import asynchronous

MAY_OPEN, MAY_STOP = Permission(READ, JUPYTER), Permission(EDIT, JUPYTER)
HOSTILE = "a'b\"<&>/ü"


class Servers:
    """People's servers, in memory."""

    def __init__(self) -> None:
        self.running: dict[str, Person] = {}
        self.problem = ""

    async def start(self, person: Person) -> Progress:
        if self.problem:
            raise JupyterError(self.problem)
        self.running[person.name] = person
        return Progress(state="starting", waits_for="Waiting for JupyterLab to answer.")

    async def progress(self, person: Person) -> Progress:
        return Progress(state="ready" if person.name in self.running else "stopped")

    async def find(self, person: Person) -> Server | None:
        known = person.name in self.running
        return Server(address="unix:/x", base_path=base_path(person)) if known else None

    def headers(self, person: Person, server: Server) -> dict[str, str]:
        return {}

    async def stop(self, person: Person) -> None:
        self.running.pop(person.name, None)

    async def listed(self) -> list[Listed]:
        then = datetime(2026, 5, 1, tzinfo=UTC)
        return [
            Listed(person=person, since=then, last_activity=None, memory=2**20, kernels=2, busy=1)
            for person in self.running.values()
        ]


class Api:
    """The API of notebooks, called by an account that a test chooses."""

    def __init__(self, call: Callable[..., httpx.Response], servers: Servers, audited: list[Any]) -> None:
        self.call, self.servers, self.audited = call, servers, audited


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    from airflow.api_fastapi import app as airflow_app
    from airflow.providers.fab.auth_manager.models import User

    airflow_app.create_auth_manager()
    servers, audited = Servers(), []
    monkeypatch.setattr(state, "servers", lambda: servers)
    monkeypatch.setattr(state, "audit", lambda *told, **more: audited.append((told[0], more)))
    app = api_apps()["notebooks"]

    def call(method: str, path: str, *granted: Permission, name: str = "ann") -> httpx.Response:
        account = User(id=7, username=name, active=True)
        account._perms = {(each.action, each.resource) for each in granted} or {("", "")}

        async def caller(_request: Any) -> Any:
            return account

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                return await client.request(method, path)

        monkeypatch.setattr(auth, "_authenticate", caller)
        answer: httpx.Response = asynchronous.run(send())
        return answer

    return Api(call, servers, audited)


def test_ones_own_server_is_started_and_stopped(api: Api) -> None:
    begun = api.call("POST", "/servers/mine", MAY_OPEN)
    now = api.call("GET", "/servers/mine", MAY_OPEN)
    gone = api.call("DELETE", "/servers/mine", MAY_OPEN)

    assert begun.json() == {
        "state": "starting",
        "waits_for": "Waiting for JupyterLab to answer.",
        "address": "/jupyter/ann/lab",
    }
    assert now.json() == {"state": "ready", "waits_for": "", "address": "/jupyter/ann/lab"}
    assert (gone.status_code, api.servers.running) == (204, {})
    assert [event for event, _ in api.audited] == ["jupyter.start", "jupyter.stop"]


def test_asking_starts_nothing(api: Api) -> None:
    assert api.call("GET", "/servers/mine", MAY_OPEN).json()["state"] == "stopped"
    assert (api.servers.running, api.audited) == ({}, [])


def test_what_cannot_be_started_says_why(api: Api) -> None:
    api.servers.problem = "Ten servers run, which is the most at once. Stop yours or wait."

    answer = api.call("POST", "/servers/mine", MAY_OPEN)

    assert (answer.status_code, answer.json()) == (503, {"error": "jupyter", "detail": api.servers.problem})
    assert api.audited == []


@pytest.mark.parametrize("name", ["bob", HOSTILE, "mine"])
def test_an_administrator_sees_and_stops_any(api: Api, name: str) -> None:
    api.servers.running = {
        each.name: each for each in (Person(number=12, name=name), Person(number=1, name="x"))
    }
    called = "12" if name == "mine" else httpx.URL("http://x", params={"x": name}).query.decode()[2:]

    (first, *_others) = sorted(
        api.call("GET", "/servers/", MAY_STOP).json()["servers"], key=lambda each: each["account"] != name
    )
    answer = api.call("DELETE", f"/servers/{called.replace('+', '%20')}", MAY_STOP)

    assert first == {
        "account": name,
        "number": 12,
        "since": "2026-05-01T00:00:00Z",
        "last_activity": None,
        "memory": 2**20,
        "kernels": 2,
        "busy": 1,
    }
    assert (answer.status_code, list(api.servers.running)) == (204, ["x"])
    assert api.audited == [("jupyter.stop", {"account": name})]


def test_a_name_that_is_a_number_goes_before_the_number_of_another(api: Api) -> None:
    api.servers.running = {
        each.name: each for each in (Person(number=12, name="x"), Person(number=1, name="12"))
    }

    api.call("DELETE", "/servers/12", MAY_STOP)

    assert list(api.servers.running) == ["x"]


def test_a_server_that_does_not_run_is_not_found(api: Api) -> None:
    answer = api.call("DELETE", "/servers/nobody", MAY_STOP)

    assert answer.status_code == 404
    assert "'nobody' has no Jupyter server that runs" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "granted"),
    [
        ("GET", "/servers/", MAY_OPEN),
        ("DELETE", "/servers/bob", MAY_OPEN),
        ("GET", "/servers/mine", MAY_STOP),
        ("POST", "/servers/mine", MAY_STOP),
        ("DELETE", "/servers/mine", MAY_STOP),
    ],
)
def test_one_right_is_not_the_other(api: Api, method: str, path: str, granted: Permission) -> None:
    assert api.call(method, path, granted).status_code == 403
