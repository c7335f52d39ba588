"""ASGI middlewares around all of Airflow's API server: client address, menu filter, log-out."""

from __future__ import annotations

import logging
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from couture_workflow.web import navigation
from couture_workflow.web.audit import audit, client_address
from couture_workflow.web.security import user_of_request

log = logging.getLogger(__name__)

_PLUGINS_PATH = "/api/v2/plugins"
_LOGOUT_PATHS = ("/auth/logout", "/api/v2/auth/logout")


class ClientAddressMiddleware:
    """Remember the client's address for the audit rows of this request; proxies are uvicorn's matter."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope.get("client"):
            client_address.set(scope["client"][0])
        await self.app(scope, receive, send)


class NavFilterMiddleware:
    """Take out of Airflow's list of plugins the menu entries that the caller may not open."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].rstrip("/").endswith(_PLUGINS_PATH):
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
        if scope["type"] == "http" and scope["path"].endswith(_LOGOUT_PATHS):
            request = Request(scope)
            if cookie := request.cookies.get("session"):
                await to_thread.run_sync(_drop_session, cookie)
            if user := await user_of_request(request):
                await to_thread.run_sync(audit, "logout", user)
        await self.app(scope, receive, send)


def _drop_session(cookie: str) -> None:
    from airflow.api_fastapi.app import get_auth_manager
    from itsdangerous import BadSignature

    app: Any = getattr(get_auth_manager(), "flask_app", None)
    interface: Any = getattr(app, "session_interface", None)
    if not hasattr(interface, "sql_session_model"):
        return  # sessions that live in the cookie alone: there is no row to delete
    try:
        with app.app_context():
            interface._delete_session(interface._get_store_id(interface._unsign(app, cookie)))
    except (BadSignature, UnicodeDecodeError):
        log.info("A log-out came with a session cookie that is not ours")
