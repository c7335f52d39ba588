"""Every number that a route takes is bounded; a line break in a name gets the documented refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from couture_workflow.api.app import api_apps
from couture_workflow.api.openapi import describe_api
from couture_workflow.web.paths import APIS, PAGES
from tests.support.api_server import ApiServer

NUMBERS = (2**31, 2**32, 2**63 - 1, 2**63, 2**64, -1, -(2**63))


def _routes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for noun, app in api_apps().items():
        for path, methods in describe_api(app, noun)["paths"].items():
            for method, operation in methods.items():
                yield method, APIS[noun] + path, operation


def _integers(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        for each in schema.get("anyOf", [schema]):
            if each.get("type") == "integer":
                yield {**each, "name": parameter["name"], "in": parameter["in"]}


def test_every_integer_parameter_has_both_bounds() -> None:
    found = [(path, each) for _, path, operation in _routes() for each in _integers(operation)]

    assert len(found) >= 8
    assert [path for path, each in found if not {"minimum", "maximum"} <= each.keys()] == []
    assert [path for path, each in found if each["maximum"] >= 2**31] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_no_number_fails_or_wraps_round(number: int, api_server: ApiServer) -> None:
    client = api_server.client("admin", headers={"X-Requested-With": "tests"})
    for method, path, operation in _routes():
        for each in _integers(operation):
            address = path.replace("{", "").replace("}", "")
            answer = client.request(method, address, params={each["name"]: number})
            expected = (404, 200) if number == -1 and each["minimum"] == -1 else (422,)
            assert answer.status_code in expected, (path, each["name"], number, answer.text)
            if answer.status_code == 422:
                assert answer.json()["field"] == each["name"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [*NUMBERS, "x", "9" * 5000])
def test_no_number_in_a_body_or_of_a_page_fails(number: object, api_server: ApiServer) -> None:
    client = api_server.client("admin", headers={"X-Requested-With": "tests"})

    restored = client.post("/api/artifacts/files/a.py/restore", content=f'{{"version": {number}}}')
    page = client.get(f"/couture/runs/a/b/c?map_index={number}&try_number={number}")
    listed = client.get(f"/couture/dag-history/?skip={number}")

    assert (restored.status_code, restored.json()["error"]) == (422, "invalid")
    assert page.status_code == 404
    assert listed.status_code < 500


@pytest.mark.slow
@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\x1b", "\x7f", "\u0085", "\u2028"])
def test_a_control_character_in_an_address_gets_the_documented_refusal(
    character: str, api_server: ApiServer
) -> None:
    client = api_server.client("admin", headers={"X-Requested-With": "tests"})
    for method, path, _ in _routes():
        segment = quote(f"a{character}b")
        address = "/".join(segment if part.startswith("{") else part for part in path.split("/"))
        if address == path:
            address = f"{path.rstrip('/')}/{segment}"
        answer = client.request(method, address)
        assert answer.status_code == 422, (method, path, answer.text)
        assert answer.json()["error"] == "invalid_name"
        assert f"U+{ord(character):04X}" in answer.json()["detail"]
    assert client.get(f"{PAGES}/manage-dags/{quote(character)}").status_code == 422
    assert client.get(f"/api/dags/files/a.py{quote(character)}").status_code == 422


def test_a_download_names_its_media_types() -> None:
    found = next(each for _, path, each in _routes() if path == "/api/artifacts/files/{name}/content")

    assert set(found["responses"]["200"]["content"]) == {"application/zip", "text/x-python"}
