"""Wrong passwords: how many one address and one account may try, at the form, for tokens and by HTTP Basic.

The attempts are kept in the home, so that all processes of the API server count together.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from airflow.configuration import conf
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from couture_workflow.exceptions import StorageError
from couture_workflow.store import atomic
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.errors import plain
from couture_workflow.web.paths import route_path
from couture_workflow.web.state import store

log = logging.getLogger(__name__)

#: Seconds that an attempt counts.
WINDOW = 60.0
#: Wrong passwords in that time: of one account from one address, from one address, of one account in all.
MOST_OF_PAIR = 10
MOST_OF_ADDRESS = 30
MOST_OF_ACCOUNT = 50

_MOST_KEPT = 5000
#: Airflow's ways to a token, and that of Flask-AppBuilder, whose token opens nothing here.
_TOKENS = ("/auth/token", "/auth/token/cli", "/auth/api/v1/security/login")
_FORM = "/auth/login"

#: An attempt: when, address, account.
Attempt = tuple[float, str, str]

#: Is appended to when somebody logs in by the form, in the request that is served.
_logged_in: ContextVar[list[str] | None] = ContextVar("couture_logged_in", default=None)


class Attempts:
    """The attempts of the last minute. One counts as wrong from its beginning until it turns out good.

    :param path: the file that all processes share; None: nothing is shared.
    """

    def __init__(self, path: Callable[[], Path | None], *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._alone: list[Attempt] = []

    def begin(self, address: str, account: str) -> int:
        """Count an attempt and return 0, or the seconds after which there may be one."""
        place, name = _network(address), _digest(account)
        wait = 0

        def counted(kept: list[Attempt]) -> list[Attempt]:
            nonlocal wait
            wait = self._wait(kept, place, name)
            return kept if wait else [*kept, (self._clock(), place, name)]

        self._change(counted)
        return wait

    def good(self, address: str, account: str) -> None:
        """Forget the attempts of an account from an address: the password was right."""
        pair = (_network(address), _digest(account))
        self._change(lambda kept: [each for each in kept if each[1:] != pair])

    def undo(self, address: str, account: str) -> None:
        """Forget the last attempt: no password was looked at."""
        pair = (_network(address), _digest(account))

        def without(kept: list[Attempt]) -> list[Attempt]:
            last = max((number for number, each in enumerate(kept) if each[1:] == pair), default=-1)
            return [each for number, each in enumerate(kept) if number != last]

        self._change(without)

    def _wait(self, kept: list[Attempt], place: str, name: str) -> int:
        pair = [at for at, *which in kept if which == [place, name]]
        here = [at for at, where, _ in kept if where == place]
        account = [at for at, _, who in kept if who == name]
        limits = [(pair, MOST_OF_PAIR), (here, MOST_OF_ADDRESS)]
        if pair:  # whoever has not failed from this address is not kept out by others who have
            limits.append((account, MOST_OF_ACCOUNT))
        ends = [sorted(times)[-most] + WINDOW for times, most in limits if len(times) >= most]
        return max((int(end - self._clock()) + 1 for end in ends), default=0)

    def _change(self, change: Callable[[list[Attempt]], list[Attempt]]) -> None:
        with self._lock:
            try:
                path = self._path()
                if path is None:
                    self._alone = change(self._recent(self._alone))
                    return
                path.parent.mkdir(exist_ok=True)
                with atomic.locked(path) as descriptor:
                    _write(descriptor, change(self._recent(_read(descriptor))))
            except (OSError, StorageError) as error:
                log.warning("Wrong passwords are counted in this process alone: %s", error)
                self._alone = change(self._recent(self._alone))

    def _recent(self, kept: list[Attempt]) -> list[Attempt]:
        now = self._clock()
        return [each for each in kept if now - WINDOW < each[0] <= now + 1][-_MOST_KEPT:]


def _read(descriptor: int) -> list[Attempt]:
    try:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(0)
            found = json.loads(file.read() or b"[]")
        return [(float(at), str(address), str(account)) for at, address, account in found]
    except (ValueError, TypeError):
        return []  # cut off by a full disk or a kill


def _write(descriptor: int, kept: list[Attempt]) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    atomic.write_all(descriptor, json.dumps(kept).encode())


def _network(address: str) -> str:
    """Return what counts as one address: of IPv6 the network, in which a machine has addresses at will."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def _digest(account: str) -> str:
    """Return what an account is kept as: somebody may have typed a password in its place."""
    return hashlib.sha256(account.strip().casefold().encode("utf-8", "replace")).hexdigest()[:24]


#: The attempts of this installation.
attempts = Attempts(lambda: store().root / "cache" / "log-in-attempts.json")


def is_limited() -> bool:
    """Tell whether there is a limit: ``[fab] auth_rate_limited``, which also is the form's own."""
    return bool(conf.getboolean("fab", "auth_rate_limited", fallback=True))


def sentence(wait: int) -> str:
    """Return what to tell whoever must wait."""
    return f"Too many wrong passwords. Wait {wait} seconds, then try again."


def listen() -> None:
    """Note each log-in by the form; idempotent."""
    from flask_login import user_logged_in

    user_logged_in.connect(_noted)


def _noted(_sender: Any, **_: Any) -> None:
    if (found := _logged_in.get()) is not None:
        found.append("yes")


class LogInLimitMiddleware:
    """Keep whoever guesses passwords from trying more of them at the log-in form and for tokens."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = route_path(scope).rstrip("/") if scope["type"] == "http" else ""
        if path not in (*_TOKENS, _FORM) or scope["method"] != "POST" or not is_limited():
            await self.app(scope, receive, send)
            return
        body = await Request(scope, receive).body()  # ``BodyMiddleware`` bounds it
        account = _account(body, form=path == _FORM)
        address = str((scope.get("client") or ("",))[0])
        if wait := await to_thread.run_sync(attempts.begin, address, account):
            await _refusal(wait, form=path == _FORM)(scope, receive, send)
            return
        status, entered = await self._serve(scope, body, receive, send)
        if entered or (path != _FORM and status in (200, 201)):
            await to_thread.run_sync(attempts.good, address, account)
        elif status not in (200, 302, 401):
            await to_thread.run_sync(attempts.undo, address, account)

    async def _serve(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> tuple[int, bool]:
        """Serve the request; return the status and whether somebody logged in by the form."""
        status, entered, given = 500, list[str](), False
        _logged_in.set(entered)

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def following(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self.app(scope, again, following)
        return status, bool(entered)


def _account(body: bytes, *, form: bool) -> str:
    """Return the name that is tried, "" if there is none."""
    try:
        if form:
            return parse_qs(body.decode("utf-8", "replace"), max_num_fields=20).get("username", [""])[0]
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return str(found.get("username", "")) if isinstance(found, dict) else ""


def _refusal(wait: int, *, form: bool) -> Response:
    headers = {"Retry-After": str(wait)}
    if form:
        return PlainTextResponse(sentence(wait), status_code=429, headers=headers)
    return JSONResponse(plain(429, detail=sentence(wait)).json(), status_code=429, headers=headers)
