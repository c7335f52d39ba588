"""Writing requests to Airflow's own API go one after the other; reading ones and ours do not wait."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from couture_workflow.patches import single_writer
from couture_workflow.web.paths import route_path
from tests.support.asynchronous import run


class Server:
    """An application that tells how many requests it serves at once; each waits until it may go on."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.go.wait()
        finally:
            self.now -= 1
        if scope["path"].endswith("/fails"):
            raise ValueError


async def most_at_once(*requests: tuple[str, str]) -> int:
    server = Server()
    middleware = single_writer.SingleWriterMiddleware(server, path_of=route_path)
    tasks = [
        asyncio.ensure_future(
            middleware({"type": "http", "method": method, "path": path}, None, None)  # type: ignore[arg-type]
        )
        for method, path in requests
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    server.go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert server.now == 0
    return server.most


def test_writers_go_one_after_the_other_also_after_one_that_failed() -> None:
    paths = ("/api/v2/dags/a", "/api/v2/fails", "/execution/xcoms/b", "/ui/c")

    assert run(most_at_once(*(("PATCH", path) for path in paths))) == 1


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v2/dags"), ("POST", "/api/dags/"), ("POST", "/couture/bricks")]
)
def test_readers_and_our_own_routes_do_not_wait(method: str, path: str) -> None:
    assert run(most_at_once(*[(method, path)] * 3)) == 3


@pytest.mark.slow
def test_a_slow_one_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_writer, "PATIENCE", 0.01)

    async def both() -> int:
        server = Server()
        middleware = single_writer.SingleWriterMiddleware(server, path_of=route_path)
        scope = {"type": "http", "method": "POST", "path": "/api/v2/x"}
        tasks = [asyncio.ensure_future(middleware(scope, None, None)) for _ in range(2)]  # type: ignore[arg-type]
        while server.now < 2:
            await asyncio.sleep(0.001)
        server.go.set()
        await asyncio.gather(*tasks)
        return server.most

    assert run(both()) == 2
