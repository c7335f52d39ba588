"""Websockets to people's Jupyter servers: who may open one, what passes, and when it ends."""

from __future__ import annotations

import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from couture_workflow.web.jupyter import sockets
from tests.web.jupyter.conftest import BADGE, Site
from tests.web.jupyter.test_jupyter_proxy import answering, wait_for

pytestmark = pytest.mark.slow


def socket(site: Site, path: str, *, account: str = "ann", **headers: str) -> ClientConnection:
    """Open a websocket as an account."""
    sent = {"Cookie": f"_token={account}-token; session=s; _xsrf=x", **headers}
    url = f"{site.url}{path}".replace("http", "ws", 1)
    options: dict[str, Any] = {
        "additional_headers": sent,
        "max_size": None,
        "proxy": None,
        "compression": None,
        "close_timeout": 1,
    }
    return connect(url, subprotocols=["v1.kernel.websocket.jupyter.org"], **options)  # type: ignore[list-item]


def test_messages_pass_both_ways_as_they_are(site: Site) -> None:
    with socket(
        site, "/jupyter/ann/socket", **{BADGE: "this is bob", "Authorization": "Bearer x"}
    ) as open_socket:
        for message in ("grüße", b"\0\xff", "", "x" * 2**22):
            open_socket.send(message)
            assert open_socket.recv() == message
        assert open_socket.subprotocol == "v1.kernel.websocket.jupyter.org"

    sent = site.upstream.requests[0]["headers"]
    assert (sent[BADGE.lower()], sent["cookie"]) == ("this is ann", "_xsrf=x")
    assert "authorization" not in sent
    wait_for(lambda: site.upstream.ended == ["socket"])


@pytest.mark.parametrize(
    ("account", "path", "headers", "status"),
    [
        ("ann", "/jupyter/bob/socket", {}, 403),
        ("eve", "/jupyter/ann/socket", {}, 403),
        ("eve", "/jupyter/eve/socket", {}, 403),
        ("nobody", "/jupyter/ann/socket", {}, 401),
        ("ann", "/jupyter/ann/socket", {"Origin": "https://evil.example.org"}, 403),
        ("ann", "/jupyter/ann/socket", {"Origin": "null"}, 403),
        ("ann", "/jupyter/ann/nowhere", {}, 404),
    ],
)
def test_a_websocket_is_refused(
    site: Site, account: str, path: str, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        socket(site, path, account=account, **headers)

    assert refused.value.response.status_code == status
    assert not [each for each in site.upstream.requests if path.endswith("socket")]


def test_without_a_server_a_websocket_is_told_so(site: Site) -> None:
    site.servers.addresses = {"ann": "unix:/nonexistent/socket"}
    for account in ("ann", "bob"):
        with pytest.raises(InvalidStatus) as refused:
            socket(site, f"/jupyter/{account}/socket", account=account)
        assert refused.value.response.status_code == 503


@pytest.mark.parametrize("path", ["/jupyter/ann/socket", "/jupyter/ann/flood"])
def test_a_websocket_closes_when_the_person_may_not_go_on(site: Site, path: str) -> None:
    with socket(site, path) as open_socket:
        site.accounts["ann-token"] = None
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                open_socket.recv(timeout=20)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
    wait_for(lambda: len(site.upstream.ended) == 1)
    with pytest.raises(InvalidStatus):
        socket(site, path)


def test_a_token_of_somebody_else_ends_it_too(site: Site) -> None:
    with socket(site, "/jupyter/ann/socket") as open_socket:
        site.accounts["ann-token"] = site.accounts["bob-token"]
        with pytest.raises(ConnectionClosed) as closed:
            open_socket.recv(timeout=20)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_a_server_that_leaves_first_does_not_hide_that_the_person_may_not_go_on(site: Site) -> None:
    with socket(site, "/jupyter/ann/socket") as open_socket:
        site.accounts["ann-token"] = None
        open_socket.send("close 4000")
        with pytest.raises(ConnectionClosed) as closed:
            open_socket.recv(timeout=20)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_the_others_stay_open_when_one_of_a_log_in_closes(site: Site) -> None:
    with socket(site, "/jupyter/ann/socket") as stays:
        with socket(site, "/jupyter/ann/socket"):
            pass
        before = len(site.asked)
        wait_for(lambda: len(site.asked) > before + 3)
        stays.send("still here")
        assert stays.recv(timeout=20) == "still here"
        site.accounts["ann-token"] = None
        with pytest.raises(ConnectionClosed):
            stays.recv(timeout=20)


def test_codes_pass_both_ways(site: Site) -> None:
    with socket(site, "/jupyter/ann/socket") as open_socket:
        open_socket.send("close 4000")
        with pytest.raises(ConnectionClosed) as closed:
            open_socket.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "as told")

    with socket(site, "/jupyter/ann/socket") as open_socket:
        open_socket.close(4001)
    wait_for(lambda: site.upstream.closed == [4001])


def test_a_browser_that_reads_nothing_holds_the_server_up(site: Site) -> None:
    with socket(site, "/jupyter/ann/flood") as open_socket:
        open_socket.recv()
        before = -1
        while before != site.upstream.sent:
            before = site.upstream.sent
            time.sleep(0.3)
        assert site.upstream.sent < 128 * 2**20

    wait_for(lambda: site.upstream.ended == ["flood"])


def test_one_account_has_no_more_than_so_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "MOST_OF_ACCOUNT", 1)
    with socket(site, "/jupyter/ann/socket"):
        with pytest.raises(InvalidStatus) as refused:
            socket(site, "/jupyter/ann/socket")
        assert refused.value.response.status_code == 429
        with socket(site, "/jupyter/bob/socket", account="bob"):
            pass
    wait_for(lambda: len(site.upstream.ended) == 2)

    def one_more() -> bool:
        try:
            with socket(site, "/jupyter/ann/socket"):
                return True
        except InvalidStatus:
            return False

    wait_for(one_more)  # the server is done with a connection soon after its ends are


@pytest.mark.parametrize("site", ["first"], indirect=True)
@pytest.mark.parametrize("target", ["ws://evil.example.org/x", "http://127.0.0.1:1/", "other", "///"])
def test_a_server_cannot_send_a_websocket_elsewhere(site: Site, target: str) -> None:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
    with answering(answer) as port:
        site.servers.addresses["bob"] = f"http://127.0.0.1:{port}"
        with pytest.raises(InvalidStatus) as refused:
            socket(site, "/jupyter/bob/api/kernels/1/socket", account="bob")

    assert refused.value.response.status_code == 502
