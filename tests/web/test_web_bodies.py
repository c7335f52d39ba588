"""Bodies of requests: too slow, too large, too many at once; nobody else waits for them."""

from __future__ import annotations

import asyncio
import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from couture_workflow.web import bodies
from couture_workflow.web.bodies import BodyMiddleware, Paced, Refusal, Slots
from tests.support import asynchronous
from tests.support.api_server import ApiServer

HELD = 20


def _scope(path: str = "/api/v2/pools", **headers: str) -> dict[str, Any]:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": path, "headers": sent, "client": ("1.2.3.4", 5)}


class _Caller:
    """What sends messages and gets the answer. After its messages it sends nothing more."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self._messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": not ends or number < len(pieces) - 1}
            for number, piece in enumerate(pieces)
        ]
        self.answers: list[Message] = []

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Message) -> None:
        self.answers.append(message)

    @property
    def status(self) -> int:
        return int(self.answers[0]["status"])

    @property
    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(b"".join(each.get("body", b"") for each in self.answers))
        return found


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps({"bytes": len(body)}).encode()})


def _serve(scope: Scope, caller: _Caller) -> None:
    asynchronous.run(BodyMiddleware(_echo)(scope, caller.receive, caller.send))


@pytest.mark.parametrize(
    ("path", "headers", "most"),
    [
        ("/auth/token", {}, bodies.MOST_AT_LOG_IN),
        ("/auth/login/", {"authorization": "Bearer x"}, bodies.MOST_AT_LOG_IN),
        ("/api/v2/variables", {}, bodies.MOST_ANONYMOUS),
        ("/api/v2/variables", {"authorization": "Bearer x"}, bodies.MOST_FOR_AIRFLOW),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused_before_it_is_whole(
    path: str, headers: dict[str, str], most: int, announced: bool
) -> None:
    length = {"content_length": str(2**30)} if announced else {"transfer_encoding": "chunked"}
    caller = _Caller(*([b"x" * 2**20] * (most // 2**20 + 1)), ends=False)

    _serve(_scope(path, **headers, **length), caller)

    assert (caller.status, caller.said["error"]) == (413, "too_large")
    assert str(most) in caller.said["detail"]


@pytest.mark.parametrize("pieces", [(b"",), (b"{}",), (b"a" * 70_000, b"b" * 70_000, b"")])
def test_a_body_in_time_arrives_whole(pieces: tuple[bytes, ...]) -> None:
    caller = _Caller(*pieces)

    _serve(_scope(transfer_encoding="chunked"), caller)

    assert (caller.status, caller.said) == (200, {"bytes": len(b"".join(pieces))})


@pytest.mark.parametrize("values", [b"[],", b'{"":', b"0,"])
def test_json_that_is_parsed_at_once_has_a_bounded_number_of_values(values: bytes) -> None:
    for times, status in ((bodies.MOST_VALUES // 4, 200), (bodies.MOST_VALUES + 1, 413)):
        scope, caller = _scope(transfer_encoding="chunked"), _Caller(values * times, b"")
        serve = bodies.streamed(_echo, scope, caller.receive, caller.send, account="ann", most=2**20)

        asynchronous.run(serve)

        assert caller.status == status, caller.said
    assert "60,000 commas and brackets" in caller.said["detail"]


@pytest.mark.parametrize("pieces", [(), (b"x",), (b"x" * 100,) * 3])
def test_a_body_that_does_not_come_is_refused_with_a_sentence(pieces: tuple[bytes, ...]) -> None:
    caller = _Caller(*pieces, ends=False)
    paced = Paced(_scope(), caller.receive, caller.send, grace=0.01, rate=1e6)

    asynchronous.run(_echo(_scope(), paced.receive, paced.send))

    assert (caller.status, caller.said["error"]) == (408, "too_slow")
    assert "too slowly" in caller.said["detail"]
    assert len(caller.answers) == 2, "the application's own answer is dropped"


def test_a_trickle_earns_no_more_time_than_its_bytes() -> None:
    async def trickle() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def read() -> None:
        paced = Paced(_scope(), trickle, _Caller().send, grace=0.1, rate=1000)
        for _ in range(50):
            await paced.next()

    with pytest.raises(Refusal, match="too slowly"):
        asynchronous.run(read())


def test_an_account_has_some_uploads_under_way_and_all_have_some() -> None:
    slots = Slots(most_of_account=2, most_of_all=3)
    slots.take("ann")
    slots.take("ann")
    with pytest.raises(Refusal, match="2 uploads of this account") as refused:
        slots.take("ann")
    assert (refused.value.status, refused.value.retry > 0) == (429, True)
    slots.take("bob")
    with pytest.raises(Refusal, match="3 uploads are under way"):
        slots.take("eve")

    slots.give_back("ann")

    slots.take("eve")


def test_a_streamed_body_counts_until_it_is_whole_or_its_request_ends() -> None:
    async def ignores(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def fails(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ValueError

    async def use() -> None:
        for app in (_echo, ignores, fails):
            for _ in range(bodies.MOST_OF_ACCOUNT + 1):
                caller = _Caller(b"x")
                try:
                    await bodies.streamed(
                        app, _scope(transfer_encoding="chunked"), caller.receive, caller.send, account="ann"
                    )
                except ValueError:
                    continue
                assert caller.status == 200

    asynchronous.run(use())


@pytest.mark.parametrize("kind", ["streamed", "whole"])
def test_a_small_body_is_served_however_many_are_under_way(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "slots", Slots(most_of_account=0, most_of_all=0))

    def served(**headers: str) -> int:
        caller = _Caller(b"x")
        use, more = (bodies.streamed, {}) if kind == "streamed" else (bodies.whole, {"most": 100})
        asynchronous.run(use(_echo, _scope(**headers), caller.receive, caller.send, account="ann", **more))
        return caller.status

    assert served(content_length="1") == 200
    assert served(transfer_encoding="chunked") == 429


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def _open(server: ApiServer, connections: ExitStack, *, token: str, request: str, kind: str) -> socket.socket:
    connection = connections.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
    method, path = request.split()
    connection.sendall(
        (
            f"{method} {server.prefix}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Cookie: _token={token}\r\nX-Requested-With: tests\r\nAccept: application/json\r\n"
            f"Content-Type: {kind}\r\nContent-Length: 100000\r\n\r\n"
        ).encode()
    )
    return connection


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_line", "kind"),
    [
        ("PUT /api/artifacts/files/a.jar", "application/octet-stream"),
        ("POST /couture/manage-dags/upload/check", "multipart/form-data; boundary=x"),
        ("POST /couture/manage-dags/name", "application/json"),
        ("POST /api/v2/pools", "application/json"),
    ],
)
def test_nobody_waits_for_bodies_that_do_not_come(
    request_line: str, kind: str, api_server: ApiServer, connections: ExitStack
) -> None:
    token = api_server.token("admin")
    for _ in range(HELD):
        _open(api_server, connections, token=token, request=request_line, kind=kind)
    other = api_server.client("dev")

    for address in ("/couture/developer/", "/api/artifacts/files", "/api/v2/dags"):
        assert other.get(address).status_code == 200
    refused = other.post("/api/v2/pools", json={"name": "of dev", "slots": 1})
    assert refused.status_code in (201, 403, 409)


@pytest.mark.slow
def test_more_uploads_than_an_account_may_have_at_once_are_refused(
    api_server: ApiServer, connections: ExitStack
) -> None:
    token, kind = api_server.token("admin"), "application/octet-stream"
    opened = [
        _open(
            api_server, connections, token=token, request=f"PUT /api/artifacts/files/a{number}.jar", kind=kind
        )
        for number in range(2 * bodies.MOST_OF_ACCOUNT + 1)  # two workers
    ]
    (first, *_), _, _ = select.select(opened, [], [], bodies.GRACE)
    answered = first.recv(4096).decode()

    assert answered.startswith("HTTP/1.1 429")
    assert "uploads of this account are under way" in answered


@pytest.mark.parametrize("path", ["/auth/token", "/auth/token/cli", "/auth/login/", "/api/v2/variables"])
@pytest.mark.slow
def test_airflow_buffers_no_gigabyte(path: str, api_server: ApiServer) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b"x" * 2**18

    client = api_server.client()
    answer = client.post(path, content=endless(), headers={"Content-Type": "application/json"})

    assert answer.status_code == 413
    assert "at most" in answer.json()["detail"]
