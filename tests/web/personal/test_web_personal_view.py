"""The filtered home on a real server: who is led to the person's Dags, when, and who is told what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from couture_workflow.web.personal.view import ARRIVED, BAR
from tests.support.api_server import ApiServer

BROWSER = {"accept": "text/html,*/*;q=0.8"}
RELOAD = {"cache-control": "max-age=0"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run the API server of Zoë's stack."""
    yield from _running(tmp_path_factory.mktemp("personal"), "Zoë")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run the API server of a stack with a name that is none."""
    yield from _running(tmp_path_factory.mktemp("none"), "a'b \"<&>ü")


def _running(home: Path, user: str) -> Iterator[ApiServer]:
    running = ApiServer(home, workers=1, COUTURE_WORKFLOW_USER=user)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def come(client: httpx.Client, path: str = "/", **headers: str) -> str:
    """Return where a browser is led from an address, "" if it stays."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.get(path, headers={**BROWSER, **named}, follow_redirects=False)
    return answer.headers.get("location", "")


@pytest.mark.slow
@pytest.mark.parametrize("account", ["admin", "dev", "op"])
def test_whoever_opens_the_address_finds_the_persons_dags(server: ApiServer, account: str) -> None:
    with server.client(account) as client:
        answer = client.get("/", headers=BROWSER)

    assert answer.status_code == 302
    assert answer.headers["location"] == "/airflow/dags?owners=Zo%C3%AB"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("account", ["user", "viewer", "nobody"])
def test_whoever_is_not_told_of_the_filter_is_not_led_to_it(server: ApiServer, account: str) -> None:
    with server.client(account) as client:
        assert come(client) == ""


def test_nobody_and_a_forged_token_get_what_airflow_shows(server: ApiServer) -> None:
    with server.client() as client:
        assert come(client) == ""
        client.cookies.set("_token", "a'b\"<&>.x.y", domain="127.0.0.1", path="/airflow")
        assert come(client) == ""


def test_log_in_leads_there_even_where_the_browser_asks_anew(server: ApiServer) -> None:
    log_in = f"{server.url}/auth/login/?next=%2F"
    with server.client("dev") as client:
        assert come(client, referer=log_in, **RELOAD) != ""
        assert client.cookies.get(ARRIVED)
        assert come(client, referer=log_in, **RELOAD) == "", "a reload of Home stays there"
        assert come(client) != "", "the address is opened once more"
        client.cookies.set("_token", server.token("admin"), domain="127.0.0.1", path="/airflow")
        assert come(client, referer=log_in, **RELOAD) != "", "another log-in"


def test_links_to_home_and_all_other_requests_are_left_alone(server: ApiServer) -> None:
    with server.client("dev") as client:
        assert come(client, referer=f"{server.url}/dags") == ""
        assert come(client, referer=f"{server.url}/couture/developer/") == ""
        assert come(client, referer="https://portal.example.org/") != ""
        assert come(client, "/dags") == come(client, "/?lng=de") == ""
        assert come(client, accept="application/json") == ""
        assert client.head("/", headers=BROWSER).headers.get("location") is None


def test_the_bar_is_in_the_list_of_plugins_and_its_script_is_served(server: ApiServer) -> None:
    with server.client("dev") as client:
        plugins = client.get("/api/v2/plugins").json()["plugins"]
        [bar] = [app for plugin in plugins for app in plugin["react_apps"]]
        script = client.get(f"/{bar['bundle_url']}")

    assert (bar["name"], bar["destination"]) == (BAR, "base")
    assert f"globalThis.{BAR} = " in script.text
    assert "javascript" in script.headers["content-type"]
    assert "cannot show its menu entries" not in server.log.read_text()


def test_pages_say_whose_stack_it_is(server: ApiServer) -> None:
    with server.client("dev") as client:
        hub, files = client.get("/couture/developer/").text, client.get("/couture/manage-dags/").text
        [skeleton] = [
            brick
            for brick in client.get("/couture/code-bricks/list").json()["bricks"]
            if brick["name"] == "dag"
        ]

    assert "Zoë&#39;s workbench" in hub
    assert "Zoë&#39;s workbench" in files
    assert 'data-folder="Zoë"' in files
    assert "Zoë" in [parameter["default"] for parameter in skeleton["parameters"]]


@pytest.mark.slow
def test_a_name_that_is_none_is_told_and_changes_nothing(other: ApiServer) -> None:
    with other.client("dev") as client:
        assert come(client) == ""
        hub, files = client.get("/couture/developer/").text, client.get("/couture/manage-dags/").text
        assert all(not plugin["react_apps"] for plugin in client.get("/api/v2/plugins").json()["plugins"])

    sentence = "COUTURE_WORKFLOW_USER is ignored: &#34;a&#39;b &#34;&lt;&amp;&gt;ü&#34; is not a name."
    assert sentence in hub
    assert sentence in files
    assert 'data-folder=""' in files
    assert "workbench</span>" not in hub
    assert "COUTURE_WORKFLOW_USER is ignored" in other.log.read_text()
    assert "cannot show its menu entries" not in other.log.read_text()
