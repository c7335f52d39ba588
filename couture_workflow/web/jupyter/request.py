"""One request for a person's JupyterLab: where it leads, and how it is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from airflow.api_fastapi.app import get_auth_manager
from airflow.configuration import conf
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from couture_workflow.web import paths
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.errors import Report, plain
from couture_workflow.web.jupyter import headers as heads
from couture_workflow.web.jupyter.people import has_hub

#: Where a page of ours starts the server and leads on.
START = f"{paths.PAGES}/jupyter-notebook/start"

#: Pages of a JupyterHub that people come to when they have no server: ours starts it in their place.
_STARTS = re.compile(rf"{paths.JUPYTER}/hub/(home|spawn|spawn-pending|user)(/|$)")

_NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    :param prefix: path of ``[api] base_url``.
    :param path: below it, as it was sent: still percent-encoded.
    :param query: with its question mark, "" if there is none.
    :param host: that the browser's address names, "" if what was sent is none.
    """

    prefix: str
    path: str
    query: str
    host: str
    cookies: dict[str, str]

    @property
    def whole(self) -> str:
        """Return path and query as the browser has them."""
        return self.prefix + self.path + self.query

    @property
    def is_plain(self) -> bool:
        """Tell whether no part of the path leads up, by whatever spelling."""
        return not any(part in (".", "..") for part in unquote(self.path).split("/"))


def is_ours(scope: Scope) -> bool:
    """Tell whether a request of Airflow's root application is for somebody's JupyterLab."""
    if scope["type"] not in ("http", "websocket"):
        return False
    path = _below(str(scope["path"]), _prefix(scope))
    return path == paths.JUPYTER or path.startswith(paths.JUPYTER + "/")


def asked(scope: Scope) -> Asked:
    """Read what a request asks for, mounted or not, whether a proxy in front took the prefix away or not."""
    prefix = _prefix(scope)
    raw = scope.get("raw_path")
    path = raw.decode("ascii", "replace") if raw else quote(str(scope["path"]))
    query = scope.get("query_string", b"").decode("ascii", "replace")
    cookies = cookie_parser(heads.first(scope["headers"], "cookie"))
    host = heads.public_host(scope["headers"], conf.get("api", "base_url", fallback="") or "")
    return Asked(prefix, _below(path.partition("?")[0], prefix), f"?{query}" if query else "", host, cookies)


def _prefix(scope: Scope) -> str:
    return str(scope.get("app_root_path", scope.get("root_path", ""))).rstrip("/")


def _below(path: str, prefix: str) -> str:
    return path.removeprefix(prefix) if prefix and path.startswith(prefix + "/") else path


def is_hubs_own(wanted: Asked) -> bool:
    """Tell whether an address is that of a JupyterHub itself, beside the servers that it has."""
    return has_hub() and wanted.path.startswith(f"{paths.JUPYTER}/hub/")


def is_hubs_page(scope: Scope, wanted: Asked) -> bool:
    """Tell whether JupyterLab leads to the hub's page from which a server is started."""
    return is_hubs_own(wanted) and is_document(scope) and bool(_STARTS.match(wanted.path))


def is_document(scope: Scope) -> bool:
    """Tell whether a browser is to show the answer as a page or in a frame."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    mode = heads.first(scope["headers"], "sec-fetch-mode")
    return mode in ("", "navigate") and "text/html" in heads.first(scope["headers"], "accept")


async def refuse(scope: Scope, receive: Receive, send: Send, report: Report) -> None:
    """Answer with a status and a sentence: JSON for programs, text for whoever looks at it."""
    response: Response
    retry = {"Retry-After": "5"} if report.status == 503 else {}
    if is_document(scope):
        response = PlainTextResponse(report.detail, report.status, headers={**_NO_STORE, **retry})
    else:
        response = JSONResponse(report.json(), status_code=report.status, headers={**_NO_STORE, **retry})
    await answer(scope, receive, send, response)


async def answer(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Answer a request, or the handshake of a websocket."""
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
    await response(scope, receive, send)


async def log_in(scope: Scope, receive: Receive, send: Send, wanted: Asked) -> None:
    """Send a person who is not logged in to the log-in page, and tell it to everybody else."""
    if is_document(scope) and heads.first(scope["headers"], "sec-fetch-dest") != "iframe":
        target = f"{get_auth_manager().get_url_login()}?next={quote(wanted.whole, safe='')}"
        await answer(scope, receive, send, redirect(target))
        return
    await refuse(scope, receive, send, plain(401))


async def start_page(scope: Scope, receive: Receive, send: Send, wanted: Asked) -> None:
    """Send the browser to the page that starts the person's server and comes back."""
    target = f"{wanted.prefix}{START}?next={quote(wanted.path + wanted.query, safe='')}"
    await answer(scope, receive, send, redirect(target))


def redirect(target: str) -> Response:
    """Return an answer that leads to another address."""
    return RedirectResponse(target, 303, headers=_NO_STORE)
