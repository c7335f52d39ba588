"""The filtered home: whoever arrives at the start of a person's stack finds the Dags of that person.

Arriving is to log in, or to open the bare address of the stack. A click on *Home* never comes to the server;
a link to it that is opened in another tab, and a reload of *Home*, are told apart and lead to *Home*. The bar
that tells of the filter and takes it away is ``static/personal/view.js``; who does not see it arrives at
Airflow's own home.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any
from urllib.parse import urlencode, urlsplit

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from couture_workflow.services.personal import view as personal_view
from couture_workflow.services.personal.view import PersonalView
from couture_workflow.web import assets, navigation
from couture_workflow.web.paths import ASSETS, NAV_EVERYBODY, NAV_RESOURCE, PAGES, route_path
from couture_workflow.web.security import user_of_token

log = logging.getLogger(__name__)

#: Cookie that tells for which log-in somebody has arrived already.
ARRIVED = "couture_arrived"

#: Name of the function that ``static/personal/view.js`` makes.
BAR = "CoutureWorkflowPersonalView"


def bar(view: PersonalView) -> dict[str, Any]:
    """Return the entry for Airflow's list of plugins that shows the bar above the list of Dags."""
    query = urlencode({"user": view.user})
    return {
        "name": BAR,
        "bundle_url": f"{PAGES.removeprefix('/')}{ASSETS}/{assets.version()}/personal/view.js?{query}",
        "destination": "base",
        "url_route": "couture-personal-view",
        NAV_RESOURCE: NAV_EVERYBODY,
    }


def arrival() -> list[dict[str, Any]]:
    """Return the middleware to register, if this is a person's stack; a name that is none is logged."""
    view = personal_view.present()
    if view.problem:
        log.warning(view.problem)
    if not view.user:
        return []
    user = {"user": view.user}
    return [{"name": "Couture Workflow personal view", "middleware": ArrivalMiddleware, "kwargs": user}]


class ArrivalMiddleware:
    """Lead whoever arrives to the Dags of the person whose stack this is."""

    def __init__(self, app: ASGIApp, *, user: str) -> None:
        self.app = app
        self._query = urlencode({"owners": user})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _is_start(scope):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        token = request.cookies.get(COOKIE_NAME_JWT_TOKEN, "")
        log_in = hashlib.sha256(token.encode()).hexdigest()[:16]
        if not token or not _arrives(request, log_in) or not await _sees_bar(token):
            await self.app(scope, receive, send)
            return
        root = str(scope.get("root_path", "")).rstrip("/")
        answer = RedirectResponse(
            f"{root}/dags?{self._query}", status_code=302, headers={"Cache-Control": "no-store"}
        )
        answer.set_cookie(ARRIVED, log_in, path=root or "/", httponly=True, samesite="lax")
        await answer(scope, receive, send)


def _is_start(scope: Scope) -> bool:
    return scope["method"] == "GET" and route_path(scope) == "/" and not scope["query_string"]


def _arrives(request: Request, log_in: str) -> bool:
    """Tell an arrival from a reload of *Home* and from a link that leads there."""
    headers = request.headers
    if "text/html" not in headers.get("accept", ""):
        return False
    came_from = urlsplit(headers.get("referer", ""))
    logged_in = route_path({**request.scope, "path": came_from.path}).startswith("/auth/")
    if came_from.netloc == headers.get("host", "") and not logged_in:
        return False
    reloaded = any(word in headers.get("cache-control", "") for word in ("max-age=0", "no-cache"))
    return not reloaded or request.cookies.get(ARRIVED) != log_in


async def _sees_bar(token: str) -> bool:
    return await to_thread.run_sync(navigation.shown, await user_of_token(token))
