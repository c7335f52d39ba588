"""JupyterLab of a real JupyterHub through the real API server: for its owner alone, and until it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter.hub import HubServers
from couture_workflow.services.jupyter.servers import Person
from tests.support import asynchronous
from tests.support.api_server import PREFIX, ApiServer
from tests.support.jupyter import ASKED, MINE, Lab, closed_by_us, execute, wait_for
from tests.support.jupyterhub import NO_ROOM, TOKEN, WEAK_TOKEN, Hub

pytestmark = pytest.mark.slow

SERVERS = "/api/notebooks/servers/"
#: Seconds after which what is open must be closed.
SOON = 30


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Run a JupyterHub."""
    running = Hub(tmp_path_factory.mktemp("hub"), base_url=f"{PREFIX}/jupyter/")
    running.begin()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def site(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run an API server that has people's servers at the hub."""
    options = {"JUPYTER_HUB_URL": hub.url, "JUPYTER_HUB_TOKEN": TOKEN}
    variables = {f"AIRFLOW__COUTURE_WORKFLOW__{name}": value for name, value in options.items()}
    running = ApiServer(tmp_path_factory.mktemp("api server"), workers=1, **variables)
    try:
        running.start()
        hub.wait()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def dev(site: ApiServer) -> Iterator[Lab]:
    """Return JupyterLab of the account dev, started."""
    lab = Lab(site.url, "dev", site.token("dev"), below="user/")
    lab.start()
    yield lab
    lab.close()


def listed(site: ApiServer) -> list[dict[str, Any]]:
    with site.client("admin", headers=ASKED) as client:
        return list(client.get(SERVERS).raise_for_status().json()["servers"])


def test_the_pages_address_leads_to_ones_own_server(dev: Lab) -> None:
    answer = dev.http.get("/jupyter/", headers={"Accept": "text/html"})

    assert answer.status_code == 303
    assert answer.headers["location"] == f"{PREFIX}/jupyter/user/dev/lab"
    assert dev.http.get(MINE).json()["address"] == f"{PREFIX}/jupyter/user/dev/lab"
    lab = dev.http.get(f"{dev.base}/lab")
    assert f'"{PREFIX}/jupyter/user/dev/"' in lab.text
    assert "'none'" not in lab.headers["content-security-policy"]  # it is shown in a frame


def test_a_cell_runs_and_no_secret_is_in_its_reach(dev: Lab) -> None:
    with dev.channels(dev.kernel()) as socket:
        assert execute(socket, "print(6 * 7)") == "42\n"
        seen = execute(socket, "import os; print(dict(os.environ))")

    assert dev.token not in seen
    assert TOKEN not in seen


def test_files_are_written_and_their_html_is_in_a_sandbox(dev: Lab) -> None:
    page = {"type": "file", "format": "text", "content": "<script>parent.document.title</script>"}
    made = dev.http.put(f"{dev.base}/api/contents/page.html", json=page)
    assert made.status_code in (200, 201), made.text

    shown = dev.http.get(f"{dev.base}/files/page.html")

    assert shown.text == page["content"]
    assert "sandbox allow-scripts; frame-ancestors 'self'" in shown.headers["content-security-policy"]


def test_a_foreign_page_writes_nothing(dev: Lab) -> None:
    foreign = {"Origin": "https://elsewhere.example.org"}

    assert dev.http.post(f"{dev.base}/api/kernels", headers=foreign, json={}).status_code == 403


def test_nobody_else_opens_it_not_even_an_administrator(dev: Lab, site: ApiServer) -> None:
    kernel = dev.kernel()
    for account, status in (("admin", 403), ("viewer", 403)):
        other = Lab(site.url, "dev", site.token(account), below="user/")
        assert other.http.get(f"{dev.base}/lab").status_code == status
        with pytest.raises(InvalidStatus) as refused, other.channels(kernel):
            pass
        assert refused.value.response.status_code == status
        other.close()


def test_the_hubs_own_pages_are_not_shown(dev: Lab) -> None:
    html = {"Accept": "text/html"}

    home = dev.http.get("/jupyter/hub/home", headers=html)
    spawn = dev.http.get("/jupyter/hub/user/dev/lab", headers=html)
    api = dev.http.get("/jupyter/hub/api/users")
    login = dev.http.get("/jupyter/hub/login", headers=html)

    start = f"{PREFIX}/couture/jupyter-notebook/start?next="
    assert [each.headers["location"][: len(start)] for each in (home, spawn)] == [start, start]
    assert [each.status_code for each in (api, login)] == [404, 404]
    assert "not shown here" in login.text


def test_a_role_taken_away_closes_what_is_open(dev: Lab, site: ApiServer) -> None:
    with dev.channels(dev.kernel()) as socket:
        assert execute(socket, "print(1)") == "1\n"
        with site.without_role("dev"):
            code, seconds = closed_by_us(socket)
            after = dev.http.get(f"{dev.base}/lab").status_code

    assert (code, seconds < SOON, after) == (4401, True, 403)


def test_what_the_hub_says_of_a_failed_start_is_told(site: ApiServer, hub: Hub) -> None:
    with site.client("admin", headers=ASKED) as client:
        begun = client.post(MINE)
        failed = begun if begun.status_code != 200 else wait_for(lambda: _failed(client))

    assert failed.status_code == 503
    assert failed.json()["detail"].startswith("Your Jupyter server could not be started. The JupyterHub")
    assert NO_ROOM in failed.json()["detail"]


def _failed(client: httpx.Client) -> httpx.Response | None:
    answer = client.get(MINE)
    return answer if answer.status_code != 200 else None


@pytest.mark.parametrize(
    ("token", "prefix", "words"),
    [
        ("wrong", PREFIX, "does not know the token that [couture_workflow] jupyter_hub_token has"),
        (WEAK_TOKEN, PREFIX, "lacks “list:users”, “servers”, “tokens”"),
        (TOKEN, "/other", "c.JupyterHub.base_url = '/other/jupyter/'"),
    ],
)
def test_what_is_wrong_with_the_options_is_told(
    site: ApiServer, hub: Hub, token: str, prefix: str, words: str
) -> None:
    person = Person(number=2, name="dev")

    async def ask() -> list[str]:
        servers, said = HubServers(hub.url, token, prefix=prefix, path="/jupyter/"), []
        for call in (servers.start, servers.progress, servers.find, servers.stop):
            with pytest.raises(JupyterError) as error:
                await call(person)
            said.append(str(error.value))
        with pytest.raises(JupyterError) as error:
            await servers.listed()
        await servers.close()
        return [*said, str(error.value)]

    assert [text for text in asynchronous.run(ask()) if words not in text] == []


def test_a_name_that_the_hub_refuses_is_told(site: ApiServer, hub: Hub) -> None:
    async def ask() -> str:
        servers = HubServers(hub.url, TOKEN, prefix=PREFIX, path="/jupyter/")
        with pytest.raises(JupyterError) as error:
            await servers.start(Person(number=9, name="Ann Example, of the other department"))
        await servers.close()
        return str(error.value)

    said = asynchronous.run(ask())

    assert "takes no user 'ann-example-of-t.1b3a084697'" in said
    assert "username_pattern" in said


def test_an_administrator_sees_and_stops_a_server(dev: Lab, site: ApiServer) -> None:
    (found,) = [each for each in listed(site) if each["account"] == "dev"]
    with site.client("admin", headers=ASKED) as client:
        gone = client.delete(f"{SERVERS}dev")
        again = client.delete(f"{SERVERS}dev")

    assert found["since"]
    assert found["last_activity"]
    assert (gone.status_code, again.status_code) == (204, 404)
    assert dev.http.get(MINE).json()["state"] == "stopped"
    wait_for(lambda: dev.http.get(f"{dev.base}/lab").status_code == 503)
    page = dev.http.get(f"{dev.base}/lab", headers={"Accept": "text/html"})
    assert page.headers["location"].startswith(f"{PREFIX}/couture/jupyter-notebook/start?next=")
    events = site.sql("select event, owner from log where event like 'jupyter.%' order by id")
    assert events[-1] == ("jupyter.stop", "admin")
    assert ("jupyter.start", "dev") in events


def test_a_hub_that_is_gone_is_told(dev: Lab, site: ApiServer, hub: Hub) -> None:
    hub.stop()

    answers = [dev.http.post(MINE), dev.http.get(MINE), dev.http.get(f"{dev.base}/lab")]

    assert [each.status_code for each in answers] == [503, 503, 503]
    for each in answers:
        assert f"The JupyterHub at {hub.url}" in each.json()["detail"]
        assert "does not answer" in each.json()["detail"]
    assert dev.http.get("/api/notebooks/schedules/").status_code == 200


def test_the_servers_end_with_their_hub(hub: Hub) -> None:
    homes = str(hub.folder / "homes")

    wait_for(lambda: not [each for each in Path("/proc").glob("[0-9]*/cwd") if _is_below(each, homes)])


def _is_below(link: Path, folder: str) -> bool:
    try:
        return str(link.readlink()).startswith(folder)
    except OSError:
        return False
