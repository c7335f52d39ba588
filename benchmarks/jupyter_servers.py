"""How long JupyterLab takes until it is there, and what a cell's way through the API server costs.

The start: from the request that asks for a person's server until JupyterLab's page is there, beside a bare
``jupyter lab`` of the same runtime. The cell: its round trip by the websocket of a kernel through the API
server, beside a websocket of the same kernel that goes to the server's own socket.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect, unix_connect

from benchmarks.measure import Result, in_fresh_process, in_turn
from benchmarks.server import Server, api_server, free_port
from couture_workflow.services.jupyter import place

STARTS, CELLS = 7, 300
PATIENCE = 300.0
MINE = "/api/notebooks/servers/mine"
BASE = "/jupyter/admin"

PYTHON = "from couture_workflow.services.runtimes import installed; print(installed.jupyterlab())"

#: Prints where the administrator's server listens, and the header that tells it who is there.
SOCKET = """
import asyncio, json
from couture_workflow import settings
from couture_workflow.services.jupyter.client import HostedServers
from couture_workflow.services.jupyter.servers import Person
async def main():
    servers = HostedServers(settings.home())
    (person,) = [each.person for each in await servers.listed()]
    server = await servers.find(person)
    print(json.dumps([server.address.removeprefix("unix:"), dict(servers.headers(person, server))]))
asyncio.run(main())
"""


def run() -> list[Result]:
    """Measure starts in turn, then cells in turn."""
    with api_server() as server, _host(server), tempfile.TemporaryDirectory() as folder:
        headers = {"Cookie": f"_token={server.token}", "X-Requested-With": "benchmark"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60, trust_env=False) as client:
            python = in_fresh_process(PYTHON, env=server.environment)
            ours, bare = in_turn(STARTS, partial(_start, client), partial(_start_bare, python, Path(folder)))
            _start(client)
            through, direct = _cells(server, client)
    return [
        Result(
            "JupyterLab from first open to ready, over a bare one",
            f"{median(ours):.2f} s",
            f"jupyter lab {median(bare):.2f} s",
            median(mine / other for mine, other in zip(ours, bare, strict=True)),
            1.5,
        ),
        Result("JupyterLab from first open to ready", f"{median(ours):.2f} s", "", median(ours), 5, "s"),
        Result(
            "round trip of a cell through the API server, added",
            f"{median(through) * 1000:.1f} ms",
            f"the server's own socket {median(direct) * 1000:.1f} ms",
            (median(through) - median(direct)) * 1000,
            5,
            "ms",
        ),
    ]


@contextmanager
def _host(server: Server) -> Iterator[None]:
    """Run the host of Jupyter servers, as the workbench does."""
    home = Path(server.environment["AIRFLOW__COUTURE_WORKFLOW__HOME"])
    with (server.folder / "host.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "couture_workflow.services.jupyter.host"],
            env={**os.environ, **server.environment},
            stdout=log,
            stderr=log,
        )
    try:
        _until(lambda: place.endpoint_file(home).is_file() or process.poll() is not None)
        if process.poll() is not None:
            raise RuntimeError(f"the host did not start:\n{(server.folder / 'host.log').read_text()}")
        yield
    finally:
        process.terminate()
        process.wait(60)


def _start(client: httpx.Client) -> float:
    """Open JupyterLab for the first time and return the seconds until its page is there."""
    client.delete(MINE).raise_for_status()
    _until(lambda: _state(client) == "stopped")
    start = time.perf_counter()
    client.post(MINE).raise_for_status()
    _until(lambda: _state(client) == "ready")
    _expect_lab(client.get(f"{BASE}/lab"))
    return time.perf_counter() - start


def _start_bare(python: str, folder: Path) -> float:
    """Start ``jupyter lab`` alone and return the seconds until its page is there."""
    port = free_port()
    own = {name: str(folder) for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    options = [f"--port={port}", "--IdentityProvider.token=", "--allow-root", "--no-browser"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [python, "-P", "-m", "jupyterlab", *options],
        env={**os.environ, **own, "JUPYTER_PREFER_ENV_PATH": "1"},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            _until(lambda: process.poll() is not None or _answers(client))
            _expect_lab(client.get("/lab"))
        return time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(60)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api").status_code == 200
    except httpx.TransportError:
        return False


def _expect_lab(answer: httpx.Response) -> None:
    answer.raise_for_status()
    if "jupyter-config-data" not in answer.text:
        raise RuntimeError("JupyterLab's page is not there.")


def _state(client: httpx.Client) -> str:
    return str(client.get(MINE).raise_for_status().json()["state"])


def _until(what: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > end:
            raise RuntimeError("It took too long.")
        time.sleep(0.05)


def _cells(server: Server, client: httpx.Client) -> list[list[float]]:
    """Return the seconds of round trips through the API server and directly, one kernel for both."""
    client.get(f"{BASE}/lab").raise_for_status()
    xsrf = client.cookies["_xsrf"]
    cookie = f"_token={server.token}; _xsrf={xsrf}"
    made = client.post(
        f"{BASE}/api/kernels", headers={"X-XSRFToken": xsrf, "Cookie": cookie}, json={"name": "python3"}
    )
    channels = f"{BASE}/api/kernels/{made.raise_for_status().json()['id']}/channels"
    path, badge = json.loads(server.run(SOCKET))
    with (
        connect(
            server.url.replace("http", "ws", 1) + channels,
            additional_headers={"Cookie": cookie, "Origin": server.url},
            proxy=None,
        ) as through,
        unix_connect(path, f"ws://jupyter{channels}", additional_headers=badge) as direct,
    ):
        for _ in range(20):  # a kernel's first cells take longer
            _round_trip(through)
        return in_turn(CELLS, partial(_round_trip, through), partial(_round_trip, direct))


def _round_trip(socket: ClientConnection) -> float:
    """Run a cell and return the seconds until its kernel has answered and is idle again."""
    asked = uuid.uuid4().hex
    header = {"msg_id": asked, "msg_type": "execute_request", "session": asked, "username": ""}
    content = {"code": "print(6 * 7)", "silent": False, "store_history": False, "allow_stdin": False}
    message = {
        "header": {**header, "version": "5.3", "date": ""},
        "parent_header": {},
        "metadata": {},
        "content": {**content, "user_expressions": {}},
        "channel": "shell",
        "buffers": [],
    }
    left = {"execute_reply", "idle", "stream"}
    start = time.perf_counter()
    socket.send(json.dumps(message))
    while left:
        said = json.loads(socket.recv(60))
        if said.get("parent_header", {}).get("msg_id") == asked:
            left -= {said["msg_type"], str(said["content"].get("execution_state"))}
    return time.perf_counter() - start
