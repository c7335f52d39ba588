"""Static files: served before any log-in work, kept by the browser while their address stays the same."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from couture_workflow.web.paths import ASSETS, PAGES, route_path

FOLDER = Path(__file__).parent.parent / "static"

_FOREVER = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=300"


@cache
def version() -> str:
    """Return a digest of all static files: it changes when any of them does."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


class AssetsFirst:
    """Serve static files outside of Airflow's middlewares: one of them reads the database for each cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._assets = GZipMiddleware(Assets(), minimum_size=1024)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        prefix = PAGES + ASSETS
        if scope["type"] == "http" and route_path(scope).startswith(prefix + "/"):
            inner = {**scope, "root_path": scope.get("root_path", "") + prefix}
            try:
                await self._assets(inner, receive, send)
            except HTTPException as error:
                await PlainTextResponse(str(error.detail), error.status_code)(scope, receive, send)
            return
        await self.app(scope, receive, send)


class Assets(StaticFiles):
    """Serve ``/<version>/<file>``, so that modules which import each other relatively stay in one version."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    def get_path(self, scope: Scope) -> str:
        """Return the file's path below the folder, without the version."""
        path = super().get_path(scope)
        return path.removeprefix(version() + "/")

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one file, with the time that a browser may keep it."""
        response = await super().get_response(path, scope)
        versioned = super().get_path(scope) != path
        response.headers["Cache-Control"] = _FOREVER if versioned else _SHORT
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
