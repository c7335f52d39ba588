"""ASGI middlewares around all of Airflow's API server: client address, menu filter, log-out."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Collection
from functools import partial

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from anyio import to_thread
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from couture_workflow import settings
from couture_workflow.patches import log_out, static_files
from couture_workflow.patches.client_address import client_address
from couture_workflow.services.processes import private_folders
from couture_workflow.web import branding, navigation, selftest
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.assets import AssetsFirst
from couture_workflow.web.audit import audit
from couture_workflow.web.errors import plain
from couture_workflow.web.jupyter.proxy import JupyterFirst
from couture_workflow.web.jupyter.proxy import proxy as jupyter_proxy
from couture_workflow.web.paths import is_ours, route_path
from couture_workflow.web.runs import children as child_runs
from couture_workflow.web.security import user_of_request
from couture_workflow.web.sla import keeper as slas
from couture_workflow.web.xcoms import keeping as xcoms

log = logging.getLogger(__name__)

_PLUGINS = "/api/v2/plugins"
_LOGOUTS = ("/auth/logout", "/api/v2/auth/logout")


class ClientAddressMiddleware:
    """Remember the client's address for the audit rows of this request; proxies are uvicorn's matter."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope.get("client"):
            client_address.set(scope["client"][0])
        await self.app(scope, receive, send)


class AddressMiddleware:
    """Refuse control characters in our addresses: a route matches no line break, and Airflow would answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = _control_character(route_path(scope)) if scope["type"] == "http" else ""
        if not found or not is_ours(route_path(scope)):
            await self.app(scope, receive, send)
            return
        detail = (
            f"The address holds the control character U+{ord(found):04X}. No name has one: take it out of "
            "the address."
        )
        body = {**plain(422, detail=detail).json(), "error": "invalid_name"}
        await JSONResponse(body, status_code=422)(scope, receive, send)


def _control_character(text: str) -> str:
    """Return the first control character or line break of a text, "" if it has none."""
    return next((each for each in text if unicodedata.category(each) in ("Cc", "Zl", "Zp")), "")


class StartMiddleware:
    """When the API server has started: static files come first, the sign is ours, the self-test runs."""

    def __init__(self, app: ASGIApp, *, entries: Collection[str]) -> None:
        self.app = app
        self._entries = entries

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server."""
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return

        keepers = (child_runs.Keeper(), slas.Keeper(), xcoms.Keeper())

        async def started(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                root = scope["app"]
                static_files.put_first(root, partial(JupyterFirst, proxy=jupyter_proxy()))
                static_files.put_first(root, AssetsFirst)
                branding.apply()
                await to_thread.run_sync(partial(selftest.run, root, entries=self._entries))
                shared = private_folders.shared_place(settings.home())
                await to_thread.run_sync(private_folders.sweep_private_folders, shared)
                for keeper in keepers:
                    keeper.start()
            elif message["type"] == "lifespan.shutdown.complete":
                for keeper in keepers:
                    await to_thread.run_sync(keeper.stop)
            await send(message)

        await self.app(scope, receive, started)


class NavFilterMiddleware:
    """Take out of Airflow's list of plugins the menu entries that the caller may not open."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or route_path(scope) != _PLUGINS:
            await self.app(scope, receive, send)
            return
        start: Message = {}
        chunks: list[bytes] = []

        async def capture(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            chunks.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(chunks)
            if start["status"] == 200:
                user = await user_of_request(Request(scope))
                body = await to_thread.run_sync(navigation.filtered, body, user)
                start["headers"] = [
                    *((name, value) for name, value in start["headers"] if name.lower() != b"content-length"),
                    (b"content-length", str(len(body)).encode()),
                ]
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, capture)


class LogoutMiddleware:
    """End the log-in for good: Airflow only deletes the browser's cookies, a copy of them would go on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and route_path(scope).rstrip("/") in _LOGOUTS:
            request = Request(scope)
            if user := await user_of_request(request):
                await to_thread.run_sync(audit, "logout", user)
            await to_thread.run_sync(_end_log_in, request)
        await self.app(scope, receive, send)


def _end_log_in(request: Request) -> None:
    """Revoke every token that was sent and delete the session row; Airflow's log-outs do not do all of it."""
    manager = get_auth_manager()
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    bearer = credentials.strip() if scheme.lower() == "bearer" else ""
    for token in filter(None, (bearer, request.cookies.get(COOKIE_NAME_JWT_TOKEN))):
        manager.revoke_token(token)
    if cookie := request.cookies.get("session"):
        log_out.delete_session(getattr(manager, "flask_app", None), cookie)
