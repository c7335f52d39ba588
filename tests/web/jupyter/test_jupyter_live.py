"""People's own JupyterLab through the real API server: its owner, everybody else, and when it is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from tests.support.api_server import ApiServer
from tests.support.jupyter import ASKED, MINE, Lab, closed_by_us, execute, host_of, wait_for

pytestmark = pytest.mark.slow

SERVERS = "/api/notebooks/servers/"
#: Seconds after which what is open must be closed.
SOON = 30


@pytest.fixture(scope="module")
def with_host(api_server: ApiServer) -> Iterator[ApiServer]:
    """Give the API server a host of Jupyter servers."""
    with host_of(api_server):
        yield api_server


@pytest.fixture
def dev(with_host: ApiServer) -> Iterator[Lab]:
    """Return JupyterLab of the account dev, started, after a log-in of its own."""
    lab = Lab(with_host.url, "dev", with_host.token("dev"))
    lab.start()
    yield lab
    lab.close()


def admin(server: ApiServer) -> httpx.Client:
    return server.client("admin", headers=ASKED)


def test_a_cell_runs_in_ones_own_kernel(dev: Lab) -> None:
    with dev.channels(dev.kernel()) as socket:
        assert execute(socket, "x = 6 * 7\nprint(x)") == "42\n"
        assert len(execute(socket, "print('y' * 5_000_000)")) == 5_000_001


def test_no_secret_of_airflow_is_in_reach_of_a_cell(dev: Lab) -> None:
    with dev.channels(dev.kernel()) as socket:
        seen = execute(socket, "import os, json\nprint(json.dumps(dict(os.environ)))")

    assert not [name for name in json.loads(seen) if name.startswith("AIRFLOW")]
    assert dev.token not in seen


def worker_of(server: ApiServer, socket: ClientConnection) -> int:
    """Return the worker of the API server that has the other end of a connection."""
    port = socket.socket.getsockname()[1]
    for worker in server.workers_now():
        for each in worker.net_connections("tcp"):
            if each.laddr.port == server.port and each.raddr and each.raddr.port == port:
                return int(worker.pid)
    raise AssertionError("no worker of the API server has the connection")


def test_a_kernel_is_the_same_through_each_worker_and_survives_a_closed_page(
    dev: Lab, with_host: ApiServer
) -> None:
    kernel, workers = dev.kernel(), {each.pid for each in with_host.workers_now()}
    assert len(workers) == 2
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        opened: dict[int, ClientConnection] = {}

        def is_at_each() -> bool:  # several at once: the worker that is less busy takes the next
            for socket in pool.map(stack.enter_context, [dev.channels(kernel) for _ in range(4)]):
                opened.setdefault(worker_of(with_host, socket), socket)
            return set(opened) == workers

        wait_for(is_at_each)
        one, other = opened.values()
        assert execute(one, "n = 1\nprint(n)") == "1\n"
        assert execute(other, "n += 1\nprint(n)") == "2\n"
        assert execute(one, "n += 1\nprint(n)") == "3\n"
    with dev.channels(kernel) as socket:
        assert execute(socket, "print(n)") == "3\n"


def test_nobody_else_opens_it_not_even_an_administrator(dev: Lab, with_host: ApiServer) -> None:
    kernel = dev.kernel()
    for account, status in (("admin", 403), ("viewer", 403), ("op", 403)):
        other = Lab(with_host.url, "dev", with_host.token(account))
        assert other.http.get("/jupyter/dev/lab").status_code == status
        assert other.http.get(f"/jupyter/dev/api/kernels/{kernel}").status_code == status
        with pytest.raises(InvalidStatus) as refused, other.channels(kernel):
            pass
        assert refused.value.response.status_code == status
        other.close()


def test_writing_needs_jupyters_own_token(dev: Lab) -> None:
    answer = dev.http.post("/jupyter/dev/api/kernels", headers={"X-XSRFToken": "wrong"}, json={})

    assert answer.status_code == 403


def test_user_files_are_in_a_sandbox(dev: Lab) -> None:
    page = {"type": "file", "format": "text", "content": "<script>parent.document.title</script>"}
    made = dev.http.put("/jupyter/dev/api/contents/dev/page.html", json=page)
    assert made.status_code in (200, 201), made.text

    shown = dev.http.get("/jupyter/dev/files/dev/page.html")

    assert shown.text == page["content"]
    assert "sandbox allow-scripts; frame-ancestors 'self'" in shown.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["secret", "../secret", "%2e%2e/secret", "dev/../../secret", "dev/out/passwd", "dev/.hidden"]
)
def test_no_file_from_elsewhere_is_given_out(dev: Lab, path: str, with_host: ApiServer) -> None:
    with dev.channels(dev.kernel()) as socket:
        made = "import os; os.path.lexists('out') or os.symlink('/etc', 'out'); open('.hidden', 'w').close()"
        execute(socket, made)
    (with_host.home / "couture" / "notebooks" / "secret").write_text("x")

    answer = httpx.Request("GET", dev.url)
    answer.extensions["target"] = f"{with_host.prefix}/jupyter/dev/files/{path}".encode()

    assert dev.http.send(_with_cookies(dev, answer)).status_code in (400, 403, 404)


def _with_cookies(lab: Lab, request: httpx.Request) -> httpx.Request:
    request.headers.update(lab.http.headers)
    return request


def test_a_notebook_is_saved_and_read_again(dev: Lab) -> None:
    cell = {"cell_type": "code", "metadata": {}, "source": "1" * 3_000_000, "outputs": [], "id": "a"}
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [{**cell, "execution_count": None}],
    }
    path = "/jupyter/dev/api/contents/dev/a%20b%3F%25%20%C3%BC.ipynb"

    saved = dev.http.put(path, json={"type": "notebook", "content": notebook})
    read = dev.http.get(path)

    assert saved.status_code in (200, 201), saved.text
    assert read.json()["name"] == "a b?% ü.ipynb"
    assert read.json()["content"]["cells"][0]["source"] == cell["source"]


def test_a_log_out_closes_what_is_open(dev: Lab) -> None:
    with dev.channels(dev.kernel()) as socket:
        assert execute(socket, "print(1)") == "1\n"
        dev.http.get("/auth/logout")
        code, seconds = closed_by_us(socket)

    assert (code, seconds < SOON) == (4401, True)
    assert dev.http.get("/jupyter/dev/lab").status_code == 401


def test_a_role_taken_away_closes_what_is_open(dev: Lab, with_host: ApiServer) -> None:
    with dev.channels(dev.kernel()) as socket:
        assert execute(socket, "print(1)") == "1\n"
        with with_host.without_role("dev"):
            code, seconds = closed_by_us(socket)
            after = dev.http.get("/jupyter/dev/lab").status_code
            with pytest.raises(InvalidStatus), dev.channels("x"):
                pass

    assert (code, seconds < SOON, after) == (4401, True, 403)


def test_a_deactivated_account_loses_its_connections_and_server_and_the_others_goes_on(
    dev: Lab, with_host: ApiServer
) -> None:
    other = Lab(with_host.url, "admin", with_host.token("admin"))
    other.start()
    with dev.channels(dev.kernel()) as socket, other.channels(other.kernel()) as goes_on:
        assert execute(socket, "print(1)") == "1\n"
        execute(goes_on, "kept = 1")
        with_host.sql("update ab_user set active = 0 where username = 'dev'")
        try:
            code, seconds = closed_by_us(socket)
            after = [dev.http.get(f"{dev.base}/{path}").status_code for path in ("lab", "api/contents")]
            for path in ("x", kernels_of(other)[0]):
                with pytest.raises(InvalidStatus) as refused, dev.channels(path):
                    pass
                after.append(refused.value.response.status_code)
            again = httpx.post(f"{with_host.url}/auth/token", json={"username": "dev", "password": "dev"})
            assert execute(goes_on, "kept += 1\nprint(kept)") == "2\n"
            with admin(with_host) as client:
                wait_for(lambda: [each["account"] for each in servers(client)] == ["admin"])
            assert execute(goes_on, "kept += 1\nprint(kept)") == "3\n"  # the same connection, the same kernel
        finally:
            with_host.sql("update ab_user set active = 1 where username = 'dev'")
            other.http.delete(MINE)
            other.close()

    assert (code, seconds < SOON, after) == (4401, True, [401] * 4)
    assert again.status_code == 401


def kernels_of(lab: Lab) -> list[str]:
    return [each["id"] for each in lab.http.get(f"{lab.base}/api/kernels").raise_for_status().json()]


def servers(client: httpx.Client) -> list[dict[str, object]]:
    return list(client.get(SERVERS).raise_for_status().json()["servers"])


def test_an_administrator_sees_and_stops_a_server(dev: Lab, with_host: ApiServer) -> None:
    dev.kernel()
    with admin(with_host) as client:
        (found,) = [each for each in servers(client) if each["account"] == "dev"]
        gone = client.delete(f"{SERVERS}dev")
        again = client.delete(f"{SERVERS}dev")

    assert isinstance(found["memory"], int)
    assert found["memory"] > 2**20
    assert found["kernels"]
    assert (gone.status_code, again.status_code) == (204, 404)
    wait_for(lambda: dev.http.get(MINE).json()["state"] == "stopped")
    wait_for(lambda: dev.http.get("/jupyter/dev/lab").status_code == 503)
    page = dev.http.get("/jupyter/dev/lab", headers={"Accept": "text/html"})
    assert page.status_code == 303
    assert page.headers["location"].startswith(f"{with_host.prefix}/couture/jupyter-notebook/start?next=")
    stopped = with_host.sql(
        "select owner, extra from log where event = 'jupyter.stop' order by id desc limit 1"
    )
    assert stopped[0][0] == "admin"
    assert json.loads(stopped[0][1])["account"] == "dev"
