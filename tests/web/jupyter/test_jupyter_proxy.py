"""The way to people's Jupyter servers over HTTP: who gets where, what passes, what is cut."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from couture_workflow.web.jupyter import http as jupyter_http
from tests.web.jupyter.conftest import BADGE, Site

pytestmark = pytest.mark.slow

JSON = {"Accept": "application/json"}
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def client(site: Site, account: str, **options: object) -> httpx.Client:
    """Return a client with the cookies of an account, Airflow's and some others."""
    cookies = {
        "_token": f"{account}-token",
        "session": "s",
        "couture": "c",
        "_oauth2_proxy": "o",
        "_xsrf": "x|1",
    }
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return httpx.Client(base_url=site.url, headers={"Cookie": cookie, **JSON}, timeout=30)


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Serve one request with these bytes, and give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(2**16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(20)


def test_everybody_gets_to_their_own_server(site: Site) -> None:
    for name in ("ann", "bob"):
        told = client(site, name).get(f"/jupyter/{name}/api/contents/a%20b%3F.ipynb?x=1&y=%2F").json()

        assert told["path"] == f"{site.configured}/jupyter/{name}/api/contents/a%20b%3F.ipynb"
        assert told["query"] == "x=1&y=%2F"
        assert told["headers"][BADGE.lower()] == f"this is {name}"


@pytest.mark.parametrize(
    "path",
    [
        "/jupyter/bob/lab",
        "/jupyter/",
        "/jupyter/ann/../bob/lab",
        "/jupyter/ann/%2e%2e/bob/lab",
        "/jupyter/anna/lab",
    ],
)
def test_nobody_gets_to_the_server_of_another(site: Site, path: str) -> None:
    with client(site, "ann") as ann:
        request = ann.build_request("GET", site.url + "/")
        request.extensions = {"target": (site.prefix + path).encode(), **request.extensions}
        answer = ann.send(request)

    assert answer.status_code in (303, 400, 403)
    assert site.upstream.requests == []


def test_the_bare_address_leads_to_ones_own_lab(site: Site) -> None:
    answer = client(site, "ann").get("/jupyter/")

    assert (answer.status_code, answer.headers["location"]) == (303, f"{site.configured}/jupyter/ann/lab")


def test_who_may_not_and_who_is_nobody_is_refused(site: Site) -> None:
    for name, status in (("eve", 403), ("nobody", 401)):
        for path in ("/jupyter/", "/jupyter/ann/lab", f"/jupyter/{name}/lab"):
            answer = client(site, name).get(path)
            assert (answer.status_code, answer.json()["detail"] != "") == (status, True)


def test_no_cookie_and_no_credentials_but_jupyters_own_get_there(site: Site) -> None:
    headers = {
        "Authorization": "Bearer ann-token",
        BADGE: "this is bob",
        "X-Forwarded-Access-Token": "secret",
        "Proxy-Authorization": "Basic secret",
        "Connection": "keep-alive, X-Own",
        "X-Own": "1",
        "X-XSRFToken": "x|1",
    }

    sent = client(site, "ann").get("/jupyter/ann/lab", headers=headers).json()["headers"]

    assert sent["cookie"] == "_xsrf=x|1"
    assert sent[BADGE.lower()] == "this is ann"
    assert sent["x-xsrftoken"] == "x|1"
    assert not {"authorization", "x-forwarded-access-token", "proxy-authorization", "x-own"} & set(sent)
    assert "secret" not in str(sent)


def test_a_server_sets_no_cookie_but_its_own_below_its_own_path(site: Site) -> None:
    wanted = [
        "_token=evil; Path=/",
        "session=evil",
        "_xsrf=y|2; Path=/; Domain=example.org; Secure",
        "other=1",
    ]

    answer = client(site, "ann").get("/jupyter/ann/cookies", params={"set": wanted})

    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith(("_xsrf=y|2; ", '_xsrf="y|2"; '))
    assert f"Path={site.configured}/jupyter/ann/;" in f"{cookie};"
    assert "Domain" not in cookie
    assert "Secure" in cookie
    assert not {"service-worker-allowed", "clear-site-data"} & set(answer.headers)


def test_cookies_of_one_person_never_get_to_another(site: Site) -> None:
    with client(site, "ann") as ann:
        ann.get("/jupyter/ann/cookies", params={"set": "_xsrf=of-ann"})

    bare = httpx.get(f"{site.url}/jupyter/bob/lab", headers={"Cookie": "_token=bob-token", **JSON}).json()

    assert "cookie" not in bare["headers"]


def test_what_is_in_files_can_act_for_nobody(site: Site) -> None:
    with client(site, "ann") as ann:
        content = ann.get("/jupyter/ann/files/x.html").headers
        page = ann.get("/jupyter/ann/lab").headers

    assert content["content-security-policy"] == "sandbox allow-scripts; frame-ancestors 'self'"
    assert page["content-security-policy"] == "frame-ancestors 'self'"
    assert content["x-content-type-options"] == page["x-content-type-options"] == "nosniff"
    assert "x-hop" not in page
    assert page.get("server") != "hidden"


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        ({}, True),
        ({"Origin": "SELF"}, True),
        ({"Origin": "https://public.example.org"}, True),
        ({"Origin": "https://evil.example.org"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
    ],
)
def test_pages_of_other_sites_change_nothing(site: Site, headers: dict[str, str], may: bool) -> None:
    headers = {name: site.origin if value == "SELF" else value for name, value in headers.items()}
    with client(site, "ann") as ann:
        answer = ann.post("/jupyter/ann/api/x", headers=headers)
        read = ann.get("/jupyter/ann/api/x", headers=headers)

    assert (answer.status_code == 200, read.status_code) == (may, 200)
    if may and "Origin" in headers:
        assert answer.json()["headers"]["host"] == headers["Origin"].partition("//")[2]


@pytest.mark.parametrize(("below", "coding"), [("static/lab/a.js", "gzip"), ("files/a.js", None)])
def test_only_what_jupyterlab_is_made_of_is_compressed(site: Site, below: str, coding: str | None) -> None:
    with client(site, "ann") as ann:
        answer = ann.get(f"/jupyter/ann/{below}", headers={"X-Requested-With": "x" * 2000})

    assert answer.headers.get("content-encoding") == coding
    assert answer.json()["path"].endswith(below)


def test_a_service_worker_is_refused(site: Site) -> None:
    answer = client(site, "ann").get("/jupyter/ann/files/w.js", headers={"Service-Worker": "script"})

    assert answer.status_code == 403


def test_without_a_server_a_page_starts_it_and_a_program_is_told(site: Site) -> None:
    site.servers.addresses = {"ann": "unix:/nonexistent/socket"}
    for name in ("ann", "bob"):
        with client(site, name) as person:
            program = person.get(f"/jupyter/{name}/api/x")
            page = person.get(f"/jupyter/{name}/lab/tree/a%20b.ipynb?c=1", headers=PAGE)

        assert (program.status_code, program.json()["error"]) == (503, "unavailable")
        assert "Developer > Jupyter Notebook" in program.json()["detail"]
        assert page.status_code == 303
        place, _, query = page.headers["location"].partition("?")
        assert place.endswith("/couture/jupyter-notebook/start")
        assert httpx.QueryParams(query)["next"] == f"/jupyter/{name}/lab/tree/a%20b.ipynb?c=1"


def test_a_server_that_ended_and_came_back_elsewhere_is_found(site: Site) -> None:
    with client(site, "ann") as ann:
        assert ann.get("/jupyter/ann/a").status_code == 200
        good, site.servers.addresses["ann"] = site.servers.addresses["ann"], "unix:/nonexistent/socket"
        assert ann.get("/jupyter/ann/a").status_code == 503
        site.servers.addresses["ann"] = good
        assert ann.get("/jupyter/ann/a").status_code == 200


def test_bodies_are_streamed_and_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jupyter_http, "MOST_SENT", 8 * 2**20)
    pieces = [b"x" * 2**20] * 8
    with client(site, "ann") as ann:
        whole = ann.put("/jupyter/ann/api/contents/x", content=iter(pieces))
        announced = ann.put("/jupyter/ann/api/contents/x", content=b"x" * (8 * 2**20 + 1))
        site.upstream.received = 0
        unannounced = ann.put("/jupyter/ann/api/contents/x", content=iter([*pieces, b"x"]))

    assert whole.json()["body"] == 8 * 2**20
    assert announced.status_code == unannounced.status_code == 413
    assert "at most" in announced.json()["detail"]


def test_an_answer_waits_for_a_slow_reader_and_ends_with_the_browser(site: Site) -> None:
    with client(site, "ann") as ann, ann.stream("GET", "/jupyter/ann/stream") as answer:
        next(answer.iter_raw())
        before = -1
        while before != site.upstream.sent:  # until nothing more goes into the buffers on the way
            before = site.upstream.sent
            time.sleep(0.3)
        assert site.upstream.sent < 64 * 2**20

    wait_for(lambda: site.upstream.ended == ["stream"])


def test_an_answer_is_cut_when_the_person_may_not_go_on(site: Site) -> None:
    with client(site, "ann") as ann, ann.stream("GET", "/jupyter/ann/stream") as answer:
        site.accounts["ann-token"] = None
        with pytest.raises(httpx.TransportError):
            for _ in answer.iter_raw():
                pass

    wait_for(lambda: site.upstream.ended == ["stream"])
    assert client(site, "ann").get("/jupyter/ann/lab").status_code == 401


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok", 502, "none of HTTP"),
        (b"HTTP/1.1 600 Odd\r\nContent-Length: 2\r\n\r\nok", 502, "none of HTTP"),
        (b"HTTP/1.1 101 Switch\r\nUpgrade: websocket\r\n\r\nx", 503, "does not answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: %s\r\n" % (b"a" * 2000) * 500, 503, "does not answer"),
        (b"\x00\x01rubbish\r\n\r\n", 503, "does not answer"),
        (b"", 503, "does not answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok", 502, "broke off its answer"),
    ],
)
@pytest.mark.parametrize("site", ["first"], indirect=True)
def test_a_server_that_answers_rubbish_is_told_of(site: Site, answer: bytes, status: int, says: str) -> None:
    with answering(answer) as port:
        site.servers.addresses["bob"] = f"http://127.0.0.1:{port}"
        told = client(site, "bob").get("/jupyter/bob/static/x")

    assert (told.status_code, says in told.json()["detail"]) == (status, True)
