"""The pages Jupyter Notebook and Jupyter Servers: who may open them, and where they lead."""

from __future__ import annotations

import html
import re

import pytest

from tests.support.api_server import ApiServer
from tests.support.jupyter import ASKED, MINE

LAB = "/couture/jupyter-notebook/"
START = "/couture/jupyter-notebook/start"
SERVERS = "/couture/jupyter-servers/"


def of(page: str, attribute: str) -> str:
    """Return an attribute of the page's main box."""
    found = re.search(rf'data-{attribute}="([^"]*)"', page)
    assert found
    return html.unescape(found.group(1))


def test_the_page_leads_to_ones_own_lab(api_server: ApiServer) -> None:
    page = api_server.client("dev").get(LAB).text

    assert of(page, "address") == f"{api_server.prefix}/jupyter/dev/lab"
    assert 'id="lab-frame"' in page
    assert "Open in a tab of its own" in page
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)


@pytest.mark.parametrize(
    ("wanted", "below"),
    [
        ("/jupyter/dev/lab/tree/a%20b.ipynb?x=1", "lab/tree/a%20b.ipynb?x=1"),
        ("/jupyter/dev/lab/tree/'\"<&>ü", "lab/tree/'\"<&>ü"),
        ("", "lab"),
        ("/jupyter/admin/lab", "lab"),
        ("/jupyter/dev", "lab"),
        ("//evil.example.org/", "lab"),
        ("https://evil.example.org/jupyter/dev/", "lab"),
        ("/jupyter/dev/../../couture/developer/", "lab"),
        ("/jupyter/dev/..\\..\\couture/developer/", "lab"),
        ("/jupyter/dev/..%5c../couture/developer/", "lab"),
        ("/jupyter/dev/%2e%2e/admin/lab", "lab"),
        ("/jupyter/dev/lab\n", "lab"),
        ("javascript:alert(1)", "lab"),
    ],
)
def test_the_start_goes_on_to_ones_own_lab_alone(wanted: str, below: str, api_server: ApiServer) -> None:
    page = api_server.client("dev").get(START, params={"next": wanted}).text

    assert of(page, "goal") == f"{api_server.prefix}/jupyter/dev/{below}"
    assert 'id="lab-frame"' not in page


@pytest.mark.parametrize(
    ("path", "account", "status"),
    [
        (LAB, "dev", 200),
        (LAB, "admin", 200),
        (LAB, "viewer", 403),
        (START, "viewer", 403),
        (SERVERS, "admin", 200),
        (SERVERS, "dev", 403),
        (SERVERS, "viewer", 403),
    ],
)
def test_a_page_is_for_whoever_may(path: str, account: str, status: int, api_server: ApiServer) -> None:
    assert api_server.client(account).get(path).status_code == status


def test_without_a_host_everything_says_so(api_server: ApiServer) -> None:
    with api_server.client("dev", headers=ASKED) as client:
        for answer in (client.post(MINE), client.get(MINE), client.get("/jupyter/dev/lab")):
            assert answer.status_code == 503
            assert "service jupyter" in answer.json()["detail"]
