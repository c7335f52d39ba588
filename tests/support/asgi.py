"""An ASGI application in a server of its own, in a thread of the test's process."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn


class Served:
    """Serves an application while its block runs.

    :param socket: path of a unix socket; None: a free port of this machine.
    :param certificate: a file with a private key and its certificate: it is served by HTTPS.
    """

    def __init__(self, app: Any, *, socket: Path | None = None, certificate: Path | None = None) -> None:
        place: dict[str, Any] = {"uds": str(socket)} if socket else {"host": "127.0.0.1", "port": 0}
        if certificate is not None:
            place |= {"ssl_certfile": certificate, "ssl_keyfile": certificate}
        config = uvicorn.Config(
            app, lifespan="off", log_level="critical", timeout_graceful_shutdown=2, **place
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Served:
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._server.started:
            assert self._thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server."""
        self._server.should_exit = True
        self._thread.join(20)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        (listening,) = self._server.servers
        return int(listening.sockets[0].getsockname()[1])
