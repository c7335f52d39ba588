"""GET /api/eda/compare: two outputs of a source, for whom, in parts, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from couture_workflow.services.eda import outputs, sources
from tests.support.api_server import ApiServer
from tests.support.eda_profiles import add_output, add_source, column, profile

API = "/api/eda/compare"
NAME = "compare-api"
HOSTILE = "a'b\"<&>/../ü\n{{ 7*7 }}\ud800"


@pytest.fixture(scope="module")
def dev(api_server: ApiServer) -> Iterator[httpx.Client]:
    store = api_server.store()
    add_source(store, NAME)
    try:
        old = profile(column("age", [float(n) for n in range(100)]), column("gone", ["a"] * 100, "text"))
        new = profile(column("age", [n + 40.0 for n in range(100)]), column(HOSTILE, [HOSTILE] * 100, "text"))
        add_output(store, NAME, old)
        add_output(store, NAME, new)
        with api_server.client("dev") as client:
            yield client
    finally:
        outputs.delete_all(store, NAME)
        sources.delete(store, NAME, user="tests")


def test_outputs_are_compared(dev: httpx.Client, api_server: ApiServer) -> None:
    answer = dev.get(f"{API}/{NAME}")

    found = answer.json()
    assert answer.status_code == 200
    assert (found["a"], found["b"], found["rows"]) == (1, 2, [100, 100])
    counted = ("added", "removed", "retyped", "drifted", "total")
    assert [found[name] for name in counted] == [1, 1, 0, 1, 3]
    gone, came, age = found["columns"]
    assert (gone["name"], gone["state"], gone["types"]) == ("gone", "removed", ["VARCHAR", None])
    assert (came["name"], came["state"]) == (HOSTILE, "added")
    assert (age["ks"], age["level"]) == (pytest.approx(0.4, abs=0.02), "much")
    assert len(age["chart"]["rows"]) == 20
    assert dev.get(f"{API}/{NAME}?a=2&b=2").json()["drifted"] == 0
    part = dev.get(f"{API}/{NAME}?a=1&b=2&q=AGE&limit=1").json()
    assert [each["name"] for each in part["columns"]] == ["age"]
    assert dev.get(f"{API}/{NAME}?only=drift&offset=1").json()["columns"] == []
    for account in ("viewer", "user", "nobody"):
        with api_server.client(account) as client:
            assert client.get(f"{API}/{NAME}").status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{NAME}?a=1&b=99", 404),
        (f"{NAME}?b=1", 404),  # there is none before it
        ("nobody-has-it", 404),
        ("..%2f..%2fetc?a=1&b=2", 404),
        ("%00?a=1&b=2", 422),
        (f"{NAME}?a=0&b=1", 422),
        (f"{NAME}?a=1&b=99999999999999999999", 422),
        (f"{NAME}?only=x", 422),
        (f"{NAME}?limit=501", 422),
        (f"{NAME}?offset=-1", 422),
        (f"{NAME}?q={'x' * 1001}", 422),
    ],
)
def test_what_is_wrong_is_said(dev: httpx.Client, path: str, status: int) -> None:
    answer = dev.get(f"{API}/{path}")

    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
