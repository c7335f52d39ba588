"""A small HTTP/1.1 server for requests of one kind: read whole, answered whole, with a limit on everything.

A general server would do, but a prediction takes less time than it does; and it would hold a connection whose
request never ends for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import httptools

log = logging.getLogger(__name__)

_HEADER_BYTES, _HEADERS = 32 << 10, 100
#: Seconds for a request to come whole, for a connection to wait for the next one, for an answer to be taken.
_REQUEST_SECONDS, _IDLE_SECONDS, _ANSWER_SECONDS = 60, 120, 60
#: Seconds for which what still comes of a refused request is taken and dropped: a connection that is closed
#: meanwhile is reset, and a client that sends first and reads then would never see the refusal.
_LINGER_SECONDS = 30
_CONNECTIONS = 2000
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {each.value: each.phrase for each in HTTPStatus} | {499: "Client Closed Request"}


@dataclass(frozen=True)
class Request:
    """A request that is there as a whole; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Respond = Callable[[Request], "Answer | Awaitable[Answer]"]
#: Makes the answer to what never becomes a request: a status and a sentence.
Refuse = Callable[[int, str], Answer]


class Server:
    """Connections and what they share.

    :param body_limit: bytes of one body.
    :param total_limit: bytes of all bodies that are there at once.
    """

    def __init__(self, respond: Respond, refuse: Refuse, *, body_limit: int, total_limit: int) -> None:
        self.respond, self.refuse = respond, refuse
        self.body_limit, self.total_limit = body_limit, total_limit
        self.held = 0
        self.closing = False
        self.connections: set[Connection] = set()
        self._listening: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: Connection(self), host, port, backlog=512)
        self._sweeper = asyncio.create_task(self._sweep())
        return int(self._listening.sockets[0].getsockname()[1])

    async def stop(self, *, patience: float) -> None:
        """Take no new connections, finish what is under way, then close."""
        self.closing = True
        if self._listening is not None:
            self._listening.close()
        until = time.monotonic() + patience
        while any(each.busy for each in self.connections) and time.monotonic() < until:
            await asyncio.sleep(0.02)
        for each in list(self.connections):
            each.end()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            for each in list(self.connections):
                each.look(now)


class Connection(asyncio.Protocol):
    """One connection; its requests are answered one after another."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._pending: deque[tuple[Request, bool]] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._paused_writing = False
        self._deadline = 0.0
        self._held = 0
        self._broken = False
        self._reset()

    def _reset(self) -> None:
        self._url, self._header_bytes = b"", 0
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._inflate: zlib._Decompress | None = None
        self._deadline = time.monotonic() + _IDLE_SECONDS

    @property
    def busy(self) -> bool:
        """Tell whether a request is being answered, or its answer taken."""
        return self._answering is not None or bool(self._pending) or self._paused_writing

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._deadline = time.monotonic() + _REQUEST_SECONDS
        if len(self._server.connections) >= _CONNECTIONS:
            self._refuse(503, "Too many connections. Try again later.")
            self.end()
            return
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        # A request that is being answered is answered, and holds its bytes until then: else a client that
        # sends and leaves, again and again, would have more work done than there may be.
        self._server.connections.discard(self)
        self._broken = True
        self._body, self._pending = [], deque()
        self._release(self._held)

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request is answered as it is, and the connection ends with that.
            return
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, _RefusedError):
                raise
            self._refuse(cause.status, str(cause))
        except httptools.HttpParserError:
            self._refuse(400, "Malformed request.")

    def pause_writing(self) -> None:
        self._paused_writing = True
        self._deadline = time.monotonic() + _ANSWER_SECONDS

    def resume_writing(self) -> None:
        self._paused_writing = False
        self._deadline = time.monotonic() + _IDLE_SECONDS

    def look(self, now: float) -> None:
        """End a connection that keeps the server waiting."""
        if now < self._deadline or self._answering is not None:
            return
        if (self._paused_writing or self._broken) and self._transport is not None:
            self._transport.abort()
        elif self._url:
            self._refuse(408, f"The request did not come whole within {_REQUEST_SECONDS} s.")
        else:
            self.end()

    def end(self) -> None:
        """Close the connection when what was written is sent."""
        self._broken = True
        if self._transport is not None:
            self._transport.close()

    # httptools' side.

    def on_message_begin(self) -> None:
        self._reset()
        self._deadline = time.monotonic() + _REQUEST_SECONDS

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if len(self._headers) >= _HEADERS:
            raise _RefusedError(431, f"The request has more than {_HEADERS} headers.")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _HEADER_BYTES:
            raise _RefusedError(431, f"The request's headers have more than {_HEADER_BYTES >> 10} KiB.")

    def on_headers_complete(self) -> None:
        length = self._headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._server.body_limit:
            raise _RefusedError(413, self._too_large())
        coding = self._headers.get("content-encoding", "identity").lower()
        if coding == "gzip":
            self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        elif coding != "identity":
            raise _RefusedError(415, "A body is plain or gzip.")
        if self._headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        if self._inflate is not None:
            try:
                body = self._inflate.decompress(body, self._server.body_limit - self._size + 1)
            except zlib.error:
                raise _RefusedError(400, "The body is no gzip.") from None
        self._size += len(body)
        if self._size > self._server.body_limit:
            raise _RefusedError(413, self._too_large())
        self._server.held += len(body)
        self._held += len(body)
        if self._server.held > self._server.total_limit:
            raise _RefusedError(429, "The server is busy with as much data as it may hold. Try again later.")
        self._body.append(body)

    def _too_large(self) -> str:
        return f"The body has more than the {self._server.body_limit} bytes that a request may have."

    def on_message_complete(self) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        path = self._url.partition(b"?")[0].decode("latin-1")
        request = Request(self._parser.get_method().decode("latin-1"), path, self._headers, body)
        self._body, self._url = [], b""
        keep = (
            self._parser.should_keep_alive() and not self._server.closing and "upgrade" not in self._headers
        )
        if self._broken:
            return
        if self._answering is None and not self._pending:
            self._answer(request, keep)
            return
        self._pending.append((request, keep))
        if self._transport is not None:
            self._transport.pause_reading()

    # Answers.

    def _answer(self, request: Request, keep: bool) -> None:
        found = self._server.respond(request)
        if isinstance(found, Answer):
            self._release(len(request.body))
            self._send(found, keep)
            return
        size = len(request.body)
        self._held -= size
        self._answering = asyncio.ensure_future(self._answer_later(found, keep, size))

    async def _answer_later(self, coming: Awaitable[Answer], keep: bool, size: int) -> None:
        try:
            answer = await coming
        finally:
            self._answering = None
            self._server.held -= size
        self._send(answer, keep)
        while self._pending and self._answering is None and not self._broken:
            request, keep = self._pending.popleft()
            self._answer(request, keep)
        if not self._pending and self._transport is not None and not self._broken:
            self._transport.resume_reading()

    def _send(self, answer: Answer, keep: bool) -> None:
        if self._broken or self._transport is None:
            return
        self._deadline = time.monotonic() + _IDLE_SECONDS
        self._transport.write(_head(answer, keep=keep) + answer.body)
        if not keep:
            self.end()

    def _release(self, size: int) -> None:
        """Forget bytes that this connection held and that no request under way needs."""
        self._held -= size
        self._server.held -= size

    def _refuse(self, status: int, sentence: str) -> None:
        if self._broken or self._transport is None:
            return
        answer = self._server.refuse(status, sentence)
        self._transport.write(_head(answer, keep=False) + answer.body)
        self._release(self._held)
        self._body = []
        self._broken = True
        self._deadline = time.monotonic() + _LINGER_SECONDS
        self._transport.write_eof()


class _RefusedError(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def _head(answer: Answer, *, keep: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, '')}",
        f"Content-Type: {answer.kind}",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers),
        *([] if keep else ["Connection: close"]),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
