"""The menu filter and the self-test: what they do when Airflow is not as expected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from couture_workflow.permissions import DEVELOPER_HUB, READ, Permission
from couture_workflow.web import navigation, selftest
from couture_workflow.web.paths import APIS, JUPYTER, NAV_RESOURCE, PAGES
from tests.support.api_server import ApiServer

OURS = {"name": "Developer", "href": "couture/developer/", NAV_RESOURCE: DEVELOPER_HUB}
OTHER = {"name": "a'b\"<&>ü", "href": "https://example.org/couture/"}


@pytest.fixture(autouse=True)
def open_menu() -> Iterator[None]:
    from airflow.api_fastapi import app as airflow_app

    airflow_app.create_auth_manager()
    yield
    navigation.close(False)


@pytest.fixture
def reader() -> Any:
    from airflow.providers.fab.auth_manager.models import User

    user = User(id=1, username="dev", active=True)
    permission = Permission(READ, DEVELOPER_HUB)
    user._perms = {(permission.action, permission.resource)}
    return user


def listing(*entries: Any) -> bytes:
    plugin = {"name": "couture_workflow", "external_views": list(entries), "react_apps": []}
    return json.dumps({"plugins": [plugin], "total_entries": 1}).encode()


def test_entry_is_shown_to_whoever_may_open_it_and_foreign_ones_to_all(reader: Any) -> None:
    assert navigation.names(navigation.filtered(listing(OURS, OTHER), reader)) == ["Developer"]
    assert navigation.filtered(listing(OURS, OTHER), None) == listing(OTHER)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"not JSON", id="no JSON"),
        pytest.param(json.dumps({"plugins": {"couture_workflow": {"menu": OURS}}}).encode(), id="no list"),
        pytest.param(json.dumps(OURS).encode(), id="the entry itself"),
    ],
)
def test_unknown_shape_leaves_nobody_anything(body: bytes) -> None:
    assert json.loads(navigation.filtered(body, None)) == {"plugins": [], "total_entries": 0}


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"name": "Developer", "href": "couture/developer/"}, id="resource left out"),
        pytest.param({"name": "Developer", "href": "/couture/developer/"}, id="leading slash"),
        pytest.param({**OURS, NAV_RESOURCE: ["can_read"]}, id="resource of another type"),
        pytest.param({**OURS, NAV_RESOURCE: "Renamed"}, id="unknown resource"),
    ],
)
def test_entry_in_another_form_is_shown_to_nobody(entry: dict[str, Any], reader: Any) -> None:
    assert navigation.filtered(listing(entry), reader) == listing()


def test_closed_menu_is_empty_even_for_whoever_may(reader: Any) -> None:
    navigation.close(True)

    assert navigation.filtered(listing(OURS, OTHER), reader) == listing(OTHER)


def test_self_test_finds_a_mount_that_airflow_refused() -> None:
    root = FastAPI()
    root.mount("/couture", Starlette())

    assert selftest.unreachable(root.routes, ["/couture", "/api/configs"]) == [
        "/api/configs/ leads to 'no route'; Airflow refused the mount or something else covers it"
    ]


def test_self_test_finds_a_mount_that_another_one_covers() -> None:
    routes = [Mount("/api", Starlette()), Mount("/api/configs", Starlette())]

    (problem,) = selftest.unreachable(routes, ["/api/configs"])

    assert "leads to '/api'" in problem


def test_self_test_finds_a_list_of_plugins_that_lost_the_resource() -> None:
    stripped = {key: value for key, value in OURS.items() if key != NAV_RESOURCE}

    assert selftest.menu_problems(listing(OURS), ["Developer"]) == []
    assert len(selftest.menu_problems(listing(stripped), ["Developer"])) == 1


def test_failed_self_test_closes_the_menu(reader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_plugins", lambda: b"not what it was")

    problems = selftest.run(FastAPI(), entries=["Developer"])

    *mounts, menu = problems
    assert [problem.partition("/ leads to")[0] for problem in mounts] == [PAGES, JUPYTER, *APIS.values()]
    assert "does not hold 'Developer'" in menu
    assert navigation.filtered(listing(OURS), reader) == listing()


@pytest.mark.slow
def test_self_test_knows_the_list_that_airflow_makes_today() -> None:
    from couture_workflow.plugin import CouturePlugin

    body = selftest._plugins()

    assert (
        selftest.menu_problems(body, [str(entry["name"]) for entry in CouturePlugin().external_views]) == []
    )


def test_running_server_passed_its_self_test(api_server: ApiServer) -> None:
    assert api_server.client().get("/couture/developer/").status_code == 401
    assert "cannot show its menu entries" not in api_server.log.read_text()
