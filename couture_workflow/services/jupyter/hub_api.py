"""The REST API of a team's JupyterHub: bounded answers, and a sentence for each failure."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter.servers import certificates

#: Seconds that the hub may take for an answer, and that its events are listened to.
PATIENCE, _LISTENS = 15.0, 0.4
#: Bytes of an answer, and characters of what the hub says that are told on.
_LONGEST, _MOST_TOLD = 4 * 2**20, 500
#: What the role of our service needs in any case, and what it needs for people whom the hub does not know.
NEEDED, NEEDED_TO_MAKE = ("list:users", "servers", "tokens"), "admin:users"
_TOKEN = re.compile(r"[!-~]+")
_OPTION = "[couture_workflow] jupyter_hub_url"


@dataclass(frozen=True)
class Answer:
    """What the hub answers.

    :param said: JSON that it sent, None if it sent none.
    """

    status: int
    said: Any

    @property
    def message(self) -> str:
        """Return the hub's own words about a failure, in one line, "" if it has none."""
        return words(self.said.get("message")) if isinstance(self.said, Mapping) else ""


def words(text: object) -> str:
    """Return a text of the hub as it may be shown: one line, of a bounded length."""
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * _MOST_TOLD]).split())
    return line if len(line) <= _MOST_TOLD else line[: _MOST_TOLD - 1] + "…"


def is_token(text: object) -> bool:
    """Tell whether a text can be sent as a token."""
    return isinstance(text, str) and bool(_TOKEN.fullmatch(text))


class HubApi:
    """A hub's REST API, asked with the token of a service.

    :param address: of the hub, as ``jupyter_hub_url`` gives it.
    :param token: of the service.
    :param base_url: ``c.JupyterHub.base_url`` that the hub must have.
    """

    def __init__(self, address: str, token: str, *, base_url: str) -> None:
        self._problem, self.origin = _checked(address, token, base_url)
        self._base_url, self._token = base_url, token
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def ask(
        self, method: str, path: str, *, body: object = None, accept: str = "", patience: float = PATIENCE
    ) -> Answer:
        """Ask the hub something.

        :param path: below the hub's ``/hub/api/``, percent-encoded.
        :raises JupyterError: there is no answer, or it is none of a hub's.
        """
        received = bytearray()
        try:
            async with asyncio.timeout(patience):
                answer = await self._send(method, path, body, accept, patience)
                try:
                    async for piece in answer.aiter_raw():
                        received += piece
                        if len(received) > _LONGEST:
                            raise JupyterError(self._odd("its answer is far too long"))
                finally:
                    await answer.aclose()
        except (httpx.TransportError, TimeoutError) as error:
            raise JupyterError(self._silent(error)) from error
        if 300 <= answer.status_code < 400:
            raise JupyterError(self._odd(f"it sends on to another address (status {answer.status_code})"))
        return Answer(answer.status_code, self._json(answer, bytes(received)))

    async def event(self, path: str) -> Mapping[str, Any]:
        """Return the newest event of a server's start; empty if there is none."""
        found: Mapping[str, Any] = {}
        try:
            async with asyncio.timeout(_LISTENS):
                answer = await self._send("GET", path, None, "text/event-stream", PATIENCE)
                try:
                    if answer.status_code == 200:
                        async for event in _events(answer):
                            found = event
                finally:
                    await answer.aclose()
        except (httpx.TransportError, TimeoutError):
            pass  # what came until now
        return found

    async def refusal(self, wanted: Iterable[str] = NEEDED) -> str:
        """Return why the hub refuses what was asked, as far as the token is to blame, "" if it is not."""
        answer = await self.ask("GET", "user")
        if answer.status in (401, 403):
            return (
                f"The JupyterHub at {self.origin} does not know the token that [couture_workflow] "
                "jupyter_hub_token has. An administrator can set it to the api_token of the service in "
                "jupyterhub_config.py."
            )
        scopes = answer.said.get("scopes") if isinstance(answer.said, Mapping) else None
        held = {each.partition("!")[0] for each in scopes or () if isinstance(each, str)}
        if not (missing := [each for each in wanted if each not in held]):
            return ""
        named = ", ".join(f"“{each}”" for each in missing)
        return (
            f"The token that [couture_workflow] jupyter_hub_token has may do too little at the JupyterHub at "
            f"{self.origin}: the role of its service lacks {named}. An administrator can add that to the "
            "scopes in c.JupyterHub.load_roles."
        )

    def failure(self, what: str, answer: Answer) -> JupyterError:
        """Return the error for an answer that nothing else explains."""
        said = answer.message or f"status {answer.status}"
        return JupyterError(f"{what} The JupyterHub at {self.origin} says: {said}")

    async def close(self) -> None:
        """Close the connections."""
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def _send(
        self, method: str, path: str, body: object, accept: str, patience: float
    ) -> httpx.Response:
        if self._problem:
            raise JupyterError(self._problem)
        if self._transport is None:
            limits = httpx.Limits(max_connections=32, max_keepalive_connections=4, keepalive_expiry=20)
            self._transport = httpx.AsyncHTTPTransport(
                verify=certificates(), limits=limits, trust_env=False, retries=1
            )
        request = httpx.Request(
            method,
            f"{self.origin}{self._base_url}hub/api/{path}",
            headers={
                "Accept": accept or "application/json",
                "Accept-Encoding": "identity",
                "Authorization": f"token {self._token}",
            },
            json=body,
            extensions={"timeout": {"connect": 5.0, "pool": 5.0, "read": patience, "write": patience}},
        )
        return await self._transport.handle_async_request(request)

    def _json(self, answer: httpx.Response, received: bytes) -> Any:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip()
        if not received or kind == "text/plain":
            return None
        try:
            if kind not in ("application/json", "application/jupyterhub-pagination+json"):
                raise ValueError(kind)
            return json.loads(received)
        except (ValueError, RecursionError) as error:
            if answer.status_code in (502, 503, 504):
                raise JupyterError(self._silent(f"status {answer.status_code} of its proxy")) from error
            raise JupyterError(
                self._odd(f"it answers with status {answer.status_code} and no JSON")
            ) from error

    def odd_shape(self) -> JupyterError:
        """Return the error for JSON that is not what a hub's API gives."""
        return JupyterError(self._odd("its JSON has another form"))

    def _silent(self, why: object) -> str:
        reason = words(str(why)) or type(why).__name__
        return (
            f"The JupyterHub at {self.origin}, which has people's Jupyter servers, does not answer: "
            f"{reason}. An administrator can look whether it runs, and whether {_OPTION} is right."
        )

    def _odd(self, what: str) -> str:
        return (
            f"What answers at {self.origin}{self._base_url} is no JupyterHub as it is expected there: "
            f"{what}. An administrator can look at {_OPTION}, and in jupyterhub_config.py set "
            f"c.JupyterHub.base_url = {self._base_url!r}."
        )


def _checked(address: str, token: str, base_url: str) -> tuple[str, str]:
    """Return what is wrong with the two options, "" if nothing is, and the origin of the hub's addresses."""
    parts = SplitResult("", "", "", "", "")
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.username is not None or parts.query or parts.fragment or not address.isascii():
        return f"{_OPTION} is no address of a JupyterHub. It has the form https://hub.example.org.", ""
    origin = f"{parts.scheme}://{parts.netloc}"
    if parts.path.strip("/") not in ("", base_url.strip("/")):
        return (
            f"{_OPTION} has the path {parts.path!r}, and people's servers can be shown below {base_url} "
            f"alone. In jupyterhub_config.py set c.JupyterHub.base_url = {base_url!r}, and leave out the "
            "path here."
        ), origin
    if not is_token(token):
        return (
            "[couture_workflow] jupyter_hub_token is empty or no token: it is the api_token of a service in "
            "jupyterhub_config.py."
        ), origin
    return "", origin


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    rest, size = b"", 0
    async for piece in answer.aiter_raw():
        size += len(piece)
        if size > _LONGEST:
            return
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            try:
                event = json.loads(line[5:])
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield event
