"""A proxy before small servers of the tests' own, which tell what they were sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from couture_workflow.services.jupyter.servers import Listed, Person, Progress, Server
from couture_workflow.web.jupyter.admission import Caller
from couture_workflow.web.jupyter.people import base_path, person_of
from couture_workflow.web.jupyter.proxy import JupyterFirst, JupyterProxy
from tests.support.asgi import Served

EVERY = 0.1
BADGE = "X-Badge"


@dataclass
class Account:
    """An account of Airflow."""

    id: int
    username: str

    def get_id(self) -> str:
        return str(self.id)

    def get_name(self) -> str:
        return self.username


ANN, BOB, EVE = Account(1, "ann"), Account(2, "bob"), Account(3, "eve")


@dataclass
class Upstream:
    """What the small servers saw, and what of them is under way."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    received: int = 0
    sent: int = 0
    ended: list[str] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)

    def app(self) -> Starlette:
        """Return the application of a server."""
        routes = [
            WebSocketRoute("/{path:path}/socket", self.socket),
            WebSocketRoute("/{path:path}/flood", self.flood),
            WebSocketRoute("/{path:path}/nowhere", self.nowhere),
            WebSocketRoute("/{path:path}/elsewhere", self.elsewhere),
            Route("/{path:path}/stream", self.stream),
            Route("/{path:path}/cookies", self.cookies),
            Route("/{path:path}", self.tell, methods=["GET", "POST", "PUT", "DELETE"]),
        ]
        return Starlette(routes=routes)

    async def tell(self, request: Request) -> Response:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            self.received += len(piece)
        told = {
            "method": request.method,
            "path": request.scope["raw_path"].decode(),
            "query": request.scope["query_string"].decode(),
            "headers": dict(request.headers),
            "body": size,
        }
        self.requests.append(told)
        return JSONResponse(told, headers={"Server": "hidden", "Connection": "X-Hop", "X-Hop": "1"})

    async def stream(self, _request: Request) -> Response:
        async def pieces() -> Any:
            try:
                while True:
                    self.sent += 2**16
                    yield b"x" * 2**16
                    await asyncio.sleep(0)
            finally:
                self.ended.append("stream")

        return StreamingResponse(pieces())

    async def cookies(self, request: Request) -> Response:
        response = Response(headers={"Service-Worker-Allowed": "/", "Clear-Site-Data": '"*"'})
        for cookie in request.query_params.getlist("set"):
            response.raw_headers.append((b"set-cookie", cookie.encode()))
        return response

    async def socket(self, socket: WebSocket) -> None:
        self.requests.append({"headers": dict(socket.headers), "path": socket.scope["raw_path"].decode()})
        await socket.accept(subprotocol=(socket.scope["subprotocols"] or [None])[0])
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    self.closed.append(message["code"])
                    return
                if message.get("text") == "close 4000":
                    await socket.close(4000, "as told")
                    return
                await socket.send({**message, "type": "websocket.send"})
        finally:
            self.ended.append("socket")

    async def flood(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                self.sent += 2**20
                await socket.send_bytes(b"x" * 2**20)
        except (WebSocketDisconnect, OSError):
            self.ended.append("flood")

    async def nowhere(self, socket: WebSocket) -> None:
        await socket.send_denial_response(Response(status_code=404))

    async def elsewhere(self, socket: WebSocket) -> None:
        await socket.send_denial_response(Response(status_code=302, headers={"Location": "socket"}))


class FewServers:
    """The servers of ann and bob, at addresses that tests give them."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self.by_name = False

    async def start(self, person: Person) -> Progress:
        return Progress(state="ready" if person.name in self.addresses else "starting")

    async def progress(self, person: Person) -> Progress:
        return Progress(state="ready" if person.name in self.addresses else "stopped")

    async def find(self, person: Person) -> Server | None:
        address = self.addresses.get(person.name)
        if not address:
            return None
        return Server(address=address, base_path=base_path(person), by_name=self.by_name)

    def headers(self, person: Person, server: Server) -> Mapping[str, str]:
        return {BADGE: f"this is {person.name}"}

    async def stop(self, person: Person) -> None:
        self.addresses.pop(person.name, None)

    async def listed(self) -> list[Listed]:
        return []


@dataclass
class Site:
    """The proxy in an application, as Airflow has it.

    :param prefix: that the tests' own addresses have; a proxy in front may have taken it away.
    :param configured: path of ``[api] base_url``.
    :param accounts: token -> who calls with it; take one away to log somebody out.
    :param asked: the tokens that it was asked for.
    """

    port: int
    prefix: str
    configured: str
    servers: FewServers
    upstream: Upstream
    accounts: dict[str, Account | None]
    asked: list[str | None] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return self.origin + self.prefix


def make_app(proxy: JupyterProxy, prefix: str, *, is_first: bool) -> Any:
    """Return an application with the proxy before it, or mounted in it."""
    app = FastAPI(root_path=prefix)
    app.mount("/jupyter", proxy)
    app.build_middleware_stack()
    if is_first:
        app.middleware_stack = JupyterFirst(app.build_middleware_stack(), proxy=proxy)
    return app


@pytest.fixture(params=["first", "mounted", "stripped"])
def site(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run the proxy, and servers of ann and bob, of which bob's listens on a port."""
    yield from run_site(request.param, tmp_path, monkeypatch)


def run_site(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    prefix = "" if kind == "first" else "/airflow"
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"https://public.example.org{prefix}")
    accounts: dict[str, Account | None] = {"ann-token": ANN, "bob-token": BOB, "eve-token": EVE}
    servers, upstream = FewServers(), Upstream()

    asked: list[str | None] = []

    async def who(token: str | None) -> Caller:
        asked.append(token)
        account = accounts.get(token or "")
        return Caller(account, person_of(account) if account in (ANN, BOB) else None)

    proxy = JupyterProxy(lambda: servers, who=who, every=EVERY)
    app = make_app(proxy, prefix, is_first=kind == "first")
    socket = tmp_path / "s.sock"
    with Served(upstream.app(), socket=socket), Served(upstream.app()) as other, Served(app) as served:
        servers.addresses = {"ann": f"unix:{socket}", "bob": f"http://127.0.0.1:{other.port}"}
        seen = "" if kind == "stripped" else prefix
        yield Site(served.port, seen, prefix, servers, upstream, accounts, asked)
