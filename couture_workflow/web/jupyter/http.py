"""Requests over HTTP to a Jupyter server: streamed both ways, and cut when the person may not go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

import httpx
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from couture_workflow.services.jupyter.servers import Server, certificates
from couture_workflow.web import bodies
from couture_workflow.web.errors import plain
from couture_workflow.web.jupyter import headers as heads
from couture_workflow.web.jupyter.request import Asked, is_document, refuse, start_page

log = logging.getLogger(__name__)

#: Bytes of one request, an upload or the save of a notebook. JupyterLab sends large files in pieces.
MOST_SENT = 256 * 2**20
#: Connections to one server.
_CONNECTIONS = 64
#: What JupyterLab itself is made of, some megabytes at the first visit; a Jupyter server compresses nothing.
_ZIPPED = ("static/", "lab/extensions/")
#: Servers that connections are kept for.
_SERVERS = 256
#: A server may take any time for its answer: a cell decides.
_TIMEOUT = {"connect": 5.0, "pool": 30.0, "read": None, "write": None}
_GONE = (
    "Your Jupyter server does not answer: it has ended or is being started. Open Developer > Jupyter "
    "Notebook, which starts it."
)
_NO_ANSWER = (
    "Your Jupyter server gave an answer that is none of HTTP. Stop it, then open Developer > Jupyter "
    "Notebook, which starts it again."
)
_BUSY = "Your Jupyter server has too many requests under way. Try again in a moment."


class ClientGone(Exception):
    """The browser has closed its connection."""


class Cut(Exception):
    """An answer ends before its end: the person may not see the rest."""


class Transports:
    """Keeps connections to servers; none of them knows a cookie."""

    def __init__(self) -> None:
        self._kept: dict[str, httpx.AsyncHTTPTransport] = {}

    async def of(self, server: Server) -> tuple[httpx.AsyncHTTPTransport, str]:
        """Return the connections to a server, and the origin that its addresses begin with."""
        kind, _, path = server.address.partition(":")
        is_socket = kind == "unix"
        if (transport := self._kept.pop(server.address, None)) is None:
            while len(self._kept) >= _SERVERS:
                await self._drop(next(iter(self._kept)))
            limits = httpx.Limits(
                max_connections=_CONNECTIONS, max_keepalive_connections=8, keepalive_expiry=30
            )
            verify = certificates() if kind == "https" else False
            transport = httpx.AsyncHTTPTransport(
                verify=verify, uds=path if is_socket else None, limits=limits, trust_env=False
            )
        self._kept[server.address] = transport  # the last one used is the last to go
        return transport, "http://jupyter" if is_socket else server.address.rstrip("/")

    async def _drop(self, address: str) -> None:
        await self._kept.pop(address).aclose()

    async def close(self) -> None:
        """Close all of them."""
        for address in list(self._kept):
            await self._drop(address)


class HttpWay:
    """Passes requests on.

    :param transports: connections to servers.
    """

    def __init__(self, transports: Transports) -> None:
        self._transports = transports

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        wanted: Asked,
        server: Server,
        badge: Mapping[str, str],
        account: str,
        unwelcome: asyncio.Task[None],
    ) -> None:
        """Serve one request."""

        async def forward(scope: Scope, receive: Receive, send: Send) -> None:
            exchange = _Exchange(scope, receive, send, wanted=wanted, server=server)
            transport, origin = await self._transports.of(server)
            try:
                await first_of(exchange.run(transport, origin, badge), unwelcome, exchange.until_gone())
            except ClientGone:
                return
            if unwelcome.done():
                if exchange.started:
                    raise Cut("The log-in or the right to use JupyterLab ended while an answer was sent.")
                await refuse(scope, receive, send, plain(401))

        app: ASGIApp = forward
        if wanted.path.removeprefix(server.base_path).startswith(_ZIPPED):
            app = GZipMiddleware(forward, minimum_size=1024, compresslevel=1)
        await bodies.streamed(app, scope, receive, send, account=account, most=MOST_SENT)


async def first_of(work: Coroutine[Any, Any, None], *others: Any) -> None:
    """Do some work until it has ended, or until one of some other things has happened."""
    main = asyncio.ensure_future(work)
    tasks = {main, *(asyncio.ensure_future(each) for each in others)}
    own = {task for task in tasks if task not in others}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in own:
            task.cancel()
        results = await asyncio.gather(*own, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, wanted: Asked, server: Server) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._wanted, self._server = wanted, server
        self._sent_whole = asyncio.Event()
        self.started = False

    async def run(self, transport: httpx.AsyncHTTPTransport, origin: str, badge: Mapping[str, str]) -> None:
        """Send the request on and the answer back."""
        by_name = self._server.by_name
        head = heads.to_jupyter(
            self._scope["headers"], cookies=self._wanted.cookies, badge=badge, by_name=by_name
        )
        host = httpx.URL(origin).netloc.decode("ascii") if by_name else self._wanted.host
        head += [("host", host), ("x-forwarded-proto", str(self._scope["scheme"]))]
        has_body = bodies.has_body(self._scope)
        if not has_body:
            self._sent_whole.set()
        target = (self._wanted.prefix + self._wanted.path + self._wanted.query).encode("ascii", "replace")
        request = httpx.Request(
            self._scope["method"],
            httpx.URL(origin).copy_with(raw_path=target),
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in head],
            content=self._body() if has_body else None,
            extensions={"timeout": _TIMEOUT},
        )
        try:
            answer = await transport.handle_async_request(request)
        except httpx.PoolTimeout:
            await refuse(self._scope, self._receive, self._send, plain(503, detail=_BUSY))
            return
        except httpx.TransportError as error:
            log.info("A Jupyter server does not answer: %r", error)
            await no_server(self._scope, self._receive, self._send, self._wanted)
            return
        try:
            await self._answer(answer)
        finally:
            await answer.aclose()

    async def _answer(self, answer: httpx.Response) -> None:
        if not 200 <= answer.status_code < 600:
            await refuse(self._scope, self._receive, self._send, plain(502, detail=_NO_ANSWER))
            return
        base = self._wanted.prefix + self._server.base_path
        below = self._wanted.path.removeprefix(self._server.base_path)
        head = heads.to_browser(answer.headers.raw, base=base, below=below)
        self.started = True
        await self._send({"type": "http.response.start", "status": answer.status_code, "headers": head})
        try:
            async for piece in answer.aiter_raw():
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        except httpx.TransportError as error:
            log.info("A Jupyter server broke off its answer: %r", error)
            raise Cut("Your Jupyter server broke off its answer. Try again.") from error
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _body(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            if piece := message.get("body", b""):
                yield piece
            if not message.get("more_body", False):
                self._sent_whole.set()
                return

    async def until_gone(self) -> None:
        """Wait until the browser closes its connection."""
        await self._sent_whole.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise ClientGone


async def no_server(scope: Scope, receive: Receive, send: Send, wanted: Asked) -> None:
    """Answer that the server is not there: a browser's page starts it, a program is told."""
    if is_document(scope):
        await start_page(scope, receive, send, wanted)
        return
    await refuse(scope, receive, send, plain(503, detail=_GONE))
