"""Static files: served before any log-in work, kept by the browser while their address stays the same."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

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
