"""One writing request at a time where the metadata database is SQLite (``single-writer``).

SQLite has one writer. Airflow's API writes its audit row on the event loop and commits what an endpoint wrote
only after the event loop has had its turn: two writing requests in one process can wait for each other, so
that the whole server stands still until the database's time-out, and one of them is answered with 500.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from couture_workflow.patches import guard

#: Where Airflow's own writing requests arrive. Ours write their rows in threads of their own.
_PREFIXES = ("/api/v2/", "/execution/", "/ui/")
_READING = ("GET", "HEAD", "OPTIONS")

#: Seconds after which a request goes on all the same: one whose client is slow must not stop the others.
PATIENCE = 20.0


def needed() -> bool:
    """Tell whether the metadata database is SQLite, and Airflow's API writes as it did."""
    from airflow.configuration import conf

    connection = str(conf.get("database", "sql_alchemy_conn", fallback=""))
    return connection.startswith("sqlite") and guard.fits("single-writer")


class SingleWriterMiddleware:
    """Let Airflow's writing requests through one after the other, each until its changes are committed.

    :param path_of: tells the path of a request, without the prefix of ``[api] base_url``.
    """

    def __init__(self, app: ASGIApp, *, path_of: Callable[[Scope], str]) -> None:
        self.app = app
        self._path_of = path_of
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in _READING:
            await self.app(scope, receive, send)
            return
        if not self._path_of(scope).startswith(_PREFIXES):
            await self.app(scope, receive, send)
            return
        held = False
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                held = await self._lock.acquire()
        try:
            await self.app(scope, receive, send)
        finally:
            if held:
                self._lock.release()
