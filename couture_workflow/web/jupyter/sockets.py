"""Websockets to a Jupyter server: messages both ways, closed when the person may not go on."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.jupyter.servers import Server, certificates
from couture_workflow.web.errors import plain
from couture_workflow.web.jupyter import headers as heads
from couture_workflow.web.jupyter.http import first_of, no_server
from couture_workflow.web.jupyter.request import Asked, refuse

log = logging.getLogger(__name__)

#: Code and reason with which a websocket closes whose owner may not go on.
UNWELCOME = 4401
_REASON = "The log-in or the right to use JupyterLab has ended."
#: Bytes of one message of a kernel, and messages that wait for a slow browser.
MOST_OF_MESSAGE = 64 * 2**20
_WAITING = 4
#: Websockets that one account may have open in one process of the API server.
MOST_OF_ACCOUNT = 100
_GOING_AWAY = 1001
_PATIENCE = 2.0
_TOO_MANY = (
    f"This account has {MOST_OF_ACCOUNT} connections to JupyterLab open, which is the most at once. Close "
    "tabs that you do not need."
)


class SocketWay:
    """Passes websockets on."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

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
        ask: Callable[[], Awaitable[bool]],
    ) -> None:
        """Serve one websocket until it ends; ``ask`` tells whether the person may still go on."""
        if self._open[account] >= MOST_OF_ACCOUNT:
            await refuse(scope, receive, send, plain(429, detail=_TOO_MANY))
            return
        self._open[account] += 1
        try:
            upstream = await _connected(scope, receive, send, wanted=wanted, server=server, badge=badge)
            if upstream is not None:
                await _Pair(receive, send, upstream, ask).run(unwelcome)
        finally:
            self._open[account] -= 1
            self._open += Counter()  # forgets those that have none


class _Straight(connect):
    """A connection to this very address: a server cannot send us elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Take a redirect for the refusal that it is here."""
        return exc


async def _connected(
    scope: Scope, receive: Receive, send: Send, *, wanted: Asked, server: Server, badge: Mapping[str, str]
) -> ClientConnection | None:
    """Return the connection to the server; None once the browser was told why there is none."""
    head = heads.to_jupyter(scope["headers"], cookies=wanted.cookies, badge=badge, by_name=server.by_name)
    scheme = {"ws": "http", "wss": "https"}.get(str(scope["scheme"]), "http")
    options: dict[str, Any] = {
        "subprotocols": [Subprotocol(each) for each in scope.get("subprotocols") or ()] or None,
        "additional_headers": [*head, ("X-Forwarded-Proto", scheme)],
        "user_agent_header": None,
        "compression": None,
        "max_size": MOST_OF_MESSAGE,
        "max_queue": _WAITING,
        "ping_interval": None,
        "close_timeout": 2,
        "proxy": None,
    }
    kind, _, path = server.address.partition(":")
    uri = f"ws://{wanted.host}{wanted.whole}"
    try:
        if kind == "unix":
            return await _Straight(uri, unix=True, path=path, **options)
        if server.by_name:
            if kind == "https":
                options["ssl"] = certificates()
            return await _Straight(f"ws{server.address.removeprefix('http')}{wanted.whole}", **options)
        place, _, port = server.address.rpartition("//")[2].rpartition(":")
        return await _Straight(uri, host=place.strip("[]"), port=int(port), **options)
    except InvalidStatus as error:
        status = error.response.status_code
        refusal = plain(status if 400 <= status < 500 else 502)
        await refuse(scope, receive, send, refusal)
    except InvalidURI:
        await refuse(scope, receive, send, plain(400))
    except (InvalidHandshake, OSError, TimeoutError) as error:
        log.info("A Jupyter server does not open a websocket: %r", error)
        await no_server(scope, receive, send, wanted)
    return None


class _Pair:
    """The two halves of a websocket."""

    def __init__(
        self, receive: Receive, send: Send, upstream: ClientConnection, ask: Callable[[], Awaitable[bool]]
    ) -> None:
        self._receive, self._send, self._upstream, self._ask = receive, send, upstream, ask
        self._left: int | None = None

    async def run(self, unwelcome: asyncio.Task[None]) -> None:
        """Pass messages on until one side has left or the person is not welcome any more."""
        code, reason = _GOING_AWAY, ""
        try:
            await self._receive()  # websocket.connect
            await self._send({"type": "websocket.accept", "subprotocol": self._upstream.subprotocol})
            await first_of(self._to_browser(), self._to_jupyter(), unwelcome)
        except ConnectionClosed as closed:
            if closed.rcvd is not None and _may_be_sent(closed.rcvd.code):
                code, reason = closed.rcvd.code, closed.rcvd.reason
            if not await self._is_welcome():  # the server of who lost the right is stopped, often first
                code, reason = UNWELCOME, _REASON
        except OSError:
            self._left = self._left or _GOING_AWAY  # the browser went while something was sent to it
        finally:
            if unwelcome.done():
                code, reason = UNWELCOME, _REASON
            await self._close(code, reason)

    async def _is_welcome(self) -> bool:
        """Ask at once; without an answer the server's own reason stands."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._ask()
        except (SQLAlchemyError, CoutureError, TimeoutError) as error:
            log.info("Whether the person may go on could not be asked: %r", error)
            return True

    async def _close(self, code: int, reason: str) -> None:
        """Close both halves, that of the browser first; one that reads nothing is not waited for."""
        try:
            if self._left is None:
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(_PATIENCE):
                        await self._send({"type": "websocket.close", "code": code, "reason": reason})
        finally:
            await self._upstream.close(self._left if self._left and _may_be_sent(self._left) else 1000)

    async def _to_jupyter(self) -> None:
        while (message := await self._receive())["type"] == "websocket.receive":
            data = message.get("bytes")
            await self._upstream.send(message["text"] if data is None else data)
        self._left = int(message.get("code") or _GOING_AWAY)

    async def _to_browser(self) -> None:
        while True:
            data = await self._upstream.recv()
            kind = "text" if isinstance(data, str) else "bytes"
            await self._send({"type": "websocket.send", kind: data})


def _may_be_sent(code: int) -> bool:
    """Tell whether a code may stand in a close frame; some only say that there was none."""
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code < 5000
