"""The pages as one ASGI application: static files, and a lazily built Flask application behind a log-in."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from a2wsgi import WSGIMiddleware
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from anyio import to_thread
from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from couture_workflow.services.dags.uploads import MOST_SENT
from couture_workflow.web import bodies
from couture_workflow.web.assets import Assets
from couture_workflow.web.models.background import background
from couture_workflow.web.paths import ASSETS
from couture_workflow.web.roles import seed_roles
from couture_workflow.web.security import user_of_token

log = logging.getLogger(__name__)

#: Where the ASGI scope carries the caller's account (None: nobody).
USER_KEY = "couture.user"

_THREADS = 8


class PagesApp:
    """Authenticate by the cookie that Airflow's own pages use, then hand over to Flask.

    The Flask application is built at the first request: Airflow reads plugins before it has an auth manager.
    """

    def __init__(self, make_flask_app: Callable[[], Any]) -> None:
        self._make_flask_app = make_flask_app
        self._wsgi: Any = None
        self._lock = threading.Lock()

    def _build(self) -> Any:
        with self._lock:
            if self._wsgi is None:
                self._wsgi = WSGIMiddleware(self._make_flask_app(), workers=_THREADS)
        return self._wsgi

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        wsgi = self._wsgi or await to_thread.run_sync(self._build)
        scope[USER_KEY] = await user_of_token(Request(scope).cookies.get(COOKIE_NAME_JWT_TOKEN))
        if scope["type"] != "http":
            await wsgi(scope, receive, send)
            return
        user = scope[USER_KEY]
        if user is None:  # the page refuses it without its body
            await wsgi(scope, _nothing, send)
            return
        # A thread that waits for a body is one of eight, and everybody's: it gets the body when it is whole.
        account = str(user.get_name())
        await bodies.whole(wsgi, scope, receive, send, account=account, most=MOST_SENT + 2**20)


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Seed the roles at start-up, work on uploads of models; Airflow enters this for every application."""
    await to_thread.run_sync(seed_roles)
    models = background()
    models.start()
    try:
        yield
    finally:
        models.stop()


def pages_app(make_flask_app: Callable[[], Any]) -> FastAPI:
    """Return the application to mount at ``paths.PAGES``."""
    app = FastAPI(
        title="Couture Workflow", lifespan=_lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.mount(ASSETS, Assets(), name="assets")
    app.mount("/", PagesApp(make_flask_app))
    return app
