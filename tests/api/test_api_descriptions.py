"""What the OpenAPI descriptions say of parameters, statuses and contents is what the routes do."""

from __future__ import annotations

from typing import Any

import pytest

from couture_workflow.api.app import api_apps
from couture_workflow.api.openapi import describe_api


def described(noun: str, method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = describe_api(api_apps()[noun], noun)["paths"][path][method]
    return found


def test_misses_as_csv_take_what_the_list_of_them_takes() -> None:
    listed, as_csv = (described("sla", "get", path) for path in ("/misses", "/misses.csv"))

    assert [each["name"] for each in as_csv["parameters"]] == [each["name"] for each in listed["parameters"]]
    assert as_csv["parameters"][-1]["schema"]["maximum"] == 30_000


@pytest.mark.parametrize(
    ("noun", "path", "kind"),
    [
        ("sla", "/misses.csv", "text/csv"),
        ("models", "/{kind}/{name}/versions/{version}/content", "application/octet-stream"),
        ("eda", "/outputs/{source}/{number}/report", "text/html"),
    ],
)
def test_what_is_no_json_is_not_described_as_json(noun: str, path: str, kind: str) -> None:
    assert list(described(noun, "get", path)["responses"]["200"]["content"]) == [kind]


@pytest.mark.parametrize(
    ("noun", "method", "path"),
    [
        ("eda", "put", "/data/{name}"),
        ("artifacts", "put", "/files/{name}"),
        ("dependencies", "post", "/files"),
    ],
)
def test_an_upload_tells_of_both_its_statuses(noun: str, method: str, path: str) -> None:
    assert {"200", "201"} <= described(noun, method, path)["responses"].keys()
