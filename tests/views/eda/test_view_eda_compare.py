"""The page Compare outputs: what it shows to whom, hostile names and values, parts."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from couture_workflow.services.eda import outputs, sources
from tests.support.api_server import ApiServer
from tests.support.eda_profiles import add_output, add_source, column, profile

NAME = "compare-page"
PAGE = f"/couture/exploratory-data-analysis/compare/{NAME}"
HOSTILE = "a'b\"<script>alert(1)</script><&>/../ü\n{{ 7*7 }}"


@pytest.fixture(scope="module")
def dev(api_server: ApiServer) -> Iterator[httpx.Client]:
    store = api_server.store()
    add_source(store, NAME, sensitive=["salary"])
    try:
        for shift in (0, 60):
            wide = [column(f"c{number:03}", [1.0, 2.0]) for number in range(110)]
            numbers = profile(
                column("age", [n + shift for n in range(100)]),
                column(HOSTILE, [HOSTILE] * (100 - shift) + ["</svg>"] * shift, "text"),
                column("salary", [424242 + shift] * 100),
                column("born", ["1789-07-14", "2026-11-29"] * 50, "date"),
                *wide,
                rows=100,
                engine="Spark 4.2.1" if shift else "DuckDB 2.0.0",
            )
            add_output(store, NAME, numbers)
        with api_server.client("dev") as client:
            yield client
    finally:
        outputs.delete_all(store, NAME)
        sources.delete(store, NAME, user="tests")


def headings(text: str) -> list[str]:
    return [html.unescape(found).strip() for found in re.findall(r"<h3[^>]*>(.*?)\s*<span", text, re.DOTALL)]


def test_two_outputs_stand_side_by_side(dev: httpx.Client, api_server: ApiServer) -> None:
    text = dev.get(PAGE).text

    assert headings(text)[:2] == [HOSTILE, "age"]
    assert "<script>alert" not in text
    assert not re.search(r"\sstyle=|\son\w+=", text)
    assert 'role="img" aria-label="Histograms of age in both outputs' in text
    assert "Different engines computed them." in text
    assert "Columns 1 to 100 of 114" in text
    assert "424,242" not in text
    assert "424242" not in text
    assert "New: <code>&lt;/svg&gt;</code> (60)" in text
    drawn = re.search(
        r'<path class="hist-old" d="(M[^"]+)"></path>\s*<path class="hist-new" d="(M[^"]+)"', text
    )
    assert drawn
    assert drawn[1] != drawn[2]
    for account in ("viewer", "user", "nobody"):
        with api_server.client(account) as client:
            assert client.get(PAGE, headers={"Accept": "application/json"}).status_code == 403


def test_columns_are_searched_and_paged(dev: httpx.Client) -> None:
    second = dev.get(f"{PAGE}?a=1&b=2&offset=100").text
    found = dev.get(f"{PAGE}?a=1&b=2&q=BORN").text
    drift = dev.get(f"{PAGE}?a=1&b=2&only=drift").text
    none = dev.get(f"{PAGE}?a=1&b=2&q=%3Cb%3E").text
    odd = dev.get(f"{PAGE}?a=1&b=2&only=%3Cb%3E&offset=-5").text
    same = dev.get(f"{PAGE}?a=2&b=2").text

    assert "Columns 101 to 114 of 114" in second
    assert (headings(found), headings(drift)) == (["born"], [HOSTILE, "age"])
    assert "1789-07-14" in found
    assert "No column fits" in none
    assert "only is &#39;&lt;b&gt;&#39;: give one of" in odd
    assert "none with drift" in same
    assert "No page" not in same


def test_what_is_not_there_is_said(dev: httpx.Client) -> None:
    asked = {"Accept": "application/json"}

    assert dev.get(f"{PAGE}?a=1&b=9", headers=asked).status_code == 404
    assert dev.get(f"{PAGE}?b=1", headers=asked).status_code == 404
    assert dev.get(PAGE.replace(NAME, "no-such"), headers=asked).status_code == 404
