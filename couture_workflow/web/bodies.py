"""Bodies of requests: how large, how slow and how many at once they may be, before anybody waits for them.

A thread or a lock that waits for a body is taken from everybody else. So what Airflow and the pages read at
once is read here first, on the event loop; what is streamed to the store is read through ``Paced``.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from couture_workflow.exceptions import TooLargeError
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.errors import plain
from couture_workflow.web.paths import is_ours, route_path

#: Seconds that a body may let wait in all, and bytes that earn one second more.
GRACE = 30.0
RATE = 1024

#: Bodies that one account, and that all together, may have under way in one process of the API server.
MOST_OF_ACCOUNT = 16
MOST_OF_ALL = 64

#: Bytes of a body for Airflow: at the log-in, without a log-in, and else; and of all of them together.
MOST_AT_LOG_IN = 2**20
MOST_ANONYMOUS = 2**20
MOST_FOR_AIRFLOW = 64 * 2**20
MOST_HELD = 256 * 2**20

#: Bytes of a body that is small enough to wait for without being counted: nobody can keep others from these.
SMALL = 64 * 2**10

#: Values of a JSON body that is parsed at once, told by its commas and brackets: 1 MiB can hold 350,000, and
#: to refuse each of these takes the event loop two seconds.
MOST_VALUES = 60_000
_MARKS = (b",", b"[", b"{")

_IN_MEMORY = 2**20
_PIECE = 2**18


class Refusal(Exception):
    """A body is refused.

    :param status: of the answer.
    """

    def __init__(self, status: int, detail: str, *, retry: int = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.retry = retry

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request with the sentence, and close the connection: nobody reads what still comes."""
        headers = {"Connection": "close", **({"Retry-After": str(self.retry)} if self.retry else {})}
        body = plain(self.status, detail=str(self)).json()
        await JSONResponse(body, status_code=self.status, headers=headers)(scope, receive, send)


def has_body(scope: Scope) -> bool:
    """Tell whether a request announces a body."""
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def announced(scope: Scope) -> int:
    """Return the bytes that a request announces, 0 if it does not tell."""
    length = dict(scope["headers"]).get(b"content-length", b"").decode("latin-1")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0


async def read(request: Request, *, most: int, refusal: str) -> bytes:
    """Return the body of a request, or raise ``TooLargeError`` as soon as it is known to be larger.

    :param most: bytes.
    :param refusal: the sentence of the error.
    """
    content = bytearray()
    if announced(request.scope) > most:
        raise TooLargeError(refusal)
    async for piece in request.stream():
        content += piece
        if len(content) > most:
            raise TooLargeError(refusal)
    return bytes(content)


def _is_small(scope: Scope) -> bool:
    return 0 < announced(scope) <= SMALL


class Slots:
    """Counts the bodies that are under way in this process."""

    def __init__(self, *, most_of_account: int = MOST_OF_ACCOUNT, most_of_all: int = MOST_OF_ALL) -> None:
        self._most_of_account = most_of_account
        self._most_of_all = most_of_all
        self._under_way: Counter[str] = Counter()

    def take(self, account: str) -> None:
        """Count one more or raise ``Refusal``."""
        if self._under_way[account] >= self._most_of_account:
            raise Refusal(
                429,
                f"{self._most_of_account} uploads of this account are under way already, which is the most "
                "at once. Wait until one of them has ended, then send this one again.",
                retry=5,
            )
        if self._under_way.total() >= self._most_of_all:
            raise Refusal(
                429,
                f"{self._most_of_all} uploads are under way already, which is the most at once. Send this "
                "one again in a moment.",
                retry=5,
            )
        self._under_way[account] += 1

    def give_back(self, account: str) -> None:
        """Count one less."""
        self._under_way[account] -= 1
        self._under_way += Counter()  # forgets those that have none


class Paced:
    """The receiving half of a request: a body that is too slow or too large is answered here.

    The application behind it is told that the caller is gone, and what it still answers is dropped.

    :param most: bytes, None: whoever reads it counts.
    :param values: of JSON, None: whoever reads it counts.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        most: int | None = None,
        values: int | None = None,
        grace: float = GRACE,
        rate: float = RATE,
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._most, self._values, self._grace, self._rate = most, values, grace, rate
        self._waited = 0.0
        self._size = self._marks = 0
        self._started = False
        self.whole = False
        self.refused = False

    async def next(self) -> Message:
        """Return the next message or raise ``Refusal``."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._grace + self._size / self._rate - self._waited):
                message = await self._receive()
        except TimeoutError:
            raise Refusal(
                408,
                f"The body comes too slowly: a request that lets wait for {self._grace:.0f} seconds must "
                f"bring {self._rate} bytes for each second more. Nothing was stored; send it again.",
            ) from None
        self._waited += loop.time() - began
        self._count(message.get("body", b""))
        self.whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    def _count(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._most is not None and self._size > self._most:
            raise too_large(self._most)
        if self._values is not None:
            self._marks += sum(map(piece.count, _MARKS))
            if self._marks > self._values:
                raise Refusal(
                    413,
                    f"A body for this address has at most {self._values:,} commas and brackets. Send less "
                    "at once.",
                )

    async def receive(self) -> Message:
        """Return the next message, as ASGI has it."""
        if self.whole:
            return await self._receive()
        if self.refused:
            return {"type": "http.disconnect"}
        try:
            return await self.next()
        except Refusal as refusal:
            self.refused = True
            if not self._started:
                await refusal.answer(self._scope, self._receive, self._send)
            return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a message, unless the request was answered here."""
        if not self.refused:
            self._started = True
            await self._send(message)


def too_large(most: int) -> Refusal:
    """Return the refusal of a body with more bytes."""
    return Refusal(413, f"A body for this address has at most {most} bytes. Send less at once.")


#: The bodies that are under way here.
slots = Slots()


async def streamed(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, account: str, most: int | None = None
) -> None:
    """Let an application read a body as it arrives; it counts as under way until it is whole.

    :param most: bytes of a body that the application parses as JSON, None: it reads and counts by itself.
    """
    if not has_body(scope):
        await app(scope, receive, send)
        return
    held = not _is_small(scope)
    try:
        if most is not None and announced(scope) > most:
            raise too_large(most)
        if held:
            slots.take(account)
    except Refusal as refusal:
        await refusal.answer(scope, receive, send)
        return
    values = None if most is None else MOST_VALUES
    paced = Paced(scope, receive, send, most=most, values=values)

    async def following() -> Message:
        nonlocal held
        message = await paced.receive()
        if held and (paced.whole or paced.refused):
            held = False
            slots.give_back(account)
        return message

    try:
        await app(scope, following, paced.send)
    finally:
        if held:
            slots.give_back(account)


async def whole(app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, account: str, most: int) -> None:
    """Read a body into a temporary file, then let an application read it in one go."""
    if not has_body(scope):
        await app(scope, receive, send)
        return
    counted = not _is_small(scope)
    try:
        if announced(scope) > most:
            raise too_large(most)
        if counted:
            slots.take(account)
    except Refusal as refusal:
        await refusal.answer(scope, receive, send)
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        paced = Paced(scope, receive, send, most=most)
        try:
            while not paced.whole:
                message = await paced.next()
                if message["type"] == "http.disconnect":
                    return
                file.write(message.get("body", b""))
        except Refusal as refusal:
            await refusal.answer(scope, receive, send)
            return
        finally:
            if counted:
                slots.give_back(account)
        file.seek(0)
        await app(scope, _again(file, receive), send)


def _again(file: IO[bytes], receive: Receive) -> Receive:
    """Return what gives a body that was read once more."""
    ended = False

    async def read() -> Message:
        nonlocal ended
        if ended:
            return await receive()
        piece = file.read(_PIECE)
        ended = len(piece) < _PIECE
        return {"type": "http.request", "body": piece, "more_body": not ended}

    return read


class BodyMiddleware:
    """Read the bodies for Airflow's own addresses first, so that no lock and no thread waits for one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not has_body(scope) or is_ours(route_path(scope)):
            await self.app(scope, receive, send)
            return
        pieces: list[bytes] = []
        with self._counted(pieces):
            try:
                if not await self._read(scope, receive, send, pieces):
                    return
            except Refusal as refusal:
                await refusal.answer(scope, receive, send)
                return
            await self.app(scope, _replay(pieces, receive), send)

    @contextmanager
    def _counted(self, pieces: list[bytes]) -> Iterator[None]:
        try:
            yield
        finally:
            self._held -= sum(map(len, pieces))

    async def _read(self, scope: Scope, receive: Receive, send: Send, pieces: list[bytes]) -> bool:
        """Read the body; tell whether it is whole."""
        most = _most(scope)
        if announced(scope) > most:
            raise too_large(most)
        paced = Paced(scope, receive, send, most=most)
        while not paced.whole:
            message = await paced.next()
            if message["type"] == "http.disconnect":
                return False
            pieces.append(message.get("body", b""))
            self._held += len(pieces[-1])
            if self._held > MOST_HELD:
                raise Refusal(429, "Too much is being sent at once. Send it again in a moment.", retry=5)
        return True


def _replay(pieces: list[bytes], receive: Receive) -> Receive:
    sent = False

    async def read() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": b"".join(pieces), "more_body": False}

    return read


def _most(scope: Scope) -> int:
    headers: dict[bytes, Any] = dict(scope["headers"])
    if route_path(scope).startswith("/auth/"):
        return MOST_AT_LOG_IN
    known = b"authorization" in headers or b"_token=" in headers.get(b"cookie", b"")
    return MOST_FOR_AIRFLOW if known else MOST_ANONYMOUS
