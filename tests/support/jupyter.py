"""JupyterLab beside an API server of the tests: the host of its servers, and what a browser does there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from couture_workflow.services.jupyter import place
from tests.support.api_server import ApiServer

MINE = "/api/notebooks/servers/mine"
ASKED = {"X-Requested-With": "tests", "Accept": "application/json"}


def wait_for(what: Callable[[], Any], *, seconds: float = 120) -> Any:
    """Look until there is something true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
    return found


@contextmanager
def host_of(server: ApiServer) -> Iterator[None]:
    """Run the host of the Jupyter servers of an API server's home."""
    home = server.home / "couture"
    home.mkdir(exist_ok=True)
    place.endpoint_file(home).unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "couture_workflow.services.jupyter.host"],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(server.home),
            "AIRFLOW__API__BASE_URL": server.url + "/",
            "AIRFLOW__COUTURE_WORKFLOW__HOME": str(home),
            "AIRFLOW__COUTURE_WORKFLOW__CLASS_DATA_ARCHIVE": "False",  # a minute of both cores for each home
        },
    )
    try:
        wait_for(lambda: place.endpoint_file(home).exists() or process.poll() is not None)
        assert process.poll() is None
        yield
    finally:
        process.terminate()
        process.wait(60)
        place.endpoint_file(home).unlink(missing_ok=True)


class Lab:
    """JupyterLab of an account, through the API server.

    :param token: of the account, as Airflow's log-in gives it.
    :param below: what stands before the account in the addresses, such as ``user/`` of a JupyterHub.
    """

    def __init__(self, url: str, account: str, token: str, *, below: str = "") -> None:
        self.url, self.account, self.token = url, account, token
        self.base = f"/jupyter/{below}{account}"
        self.http = httpx.Client(base_url=url, headers={**ASKED, "Cookie": f"_token={token}"}, timeout=120)
        self.xsrf = ""

    def start(self) -> None:
        """Start the server, wait until it is ready, open JupyterLab."""
        begun = self.http.post(MINE)
        assert begun.status_code == 200, begun.text
        wait_for(lambda: self.http.get(MINE).raise_for_status().json()["state"] == "ready")
        answer = self.http.get(f"{self.base}/lab", headers={"Accept": "text/html"})
        assert answer.status_code == 200, answer.text
        self.xsrf = answer.cookies.get("_xsrf") or self.xsrf  # it sets one where there is none
        self.http.headers["Cookie"] = f"_token={self.token}; _xsrf={self.xsrf}"
        self.http.headers["X-XSRFToken"] = self.xsrf

    def kernel(self) -> str:
        """Start a kernel and return its id."""
        made = self.http.post(f"{self.base}/api/kernels", json={"name": "python3", "path": self.account})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def channels(self, kernel: str) -> ClientConnection:
        """Return the websocket of a kernel, to be used as a context manager."""
        url = f"{self.url}{self.base}/api/kernels/{kernel}/channels".replace("http", "ws", 1)
        cookie = f"_token={self.token}; session=secret; _xsrf={self.xsrf}"
        origin = httpx.URL(self.url)
        return connect(
            url,
            additional_headers={"Cookie": cookie, "Origin": f"http://{origin.netloc.decode()}"},
            max_size=None,
            proxy=None,
        )

    def close(self) -> None:
        """Close what is open."""
        self.http.close()


def closed_by_us(socket: ClientConnection) -> tuple[int, float]:
    """Wait until a websocket is closed; return the code and the seconds that it took."""
    began = time.monotonic()
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.recv(60)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, time.monotonic() - began


def execute(socket: Any, code: str, *, timeout: float = 120) -> str:
    """Run code in the kernel of a websocket and return what it printed."""
    told = outputs(socket, code, timeout=timeout)
    return "".join(content["text"] for kind, content in told if kind == "stream")


def outputs(socket: Any, code: str, *, timeout: float = 120) -> list[tuple[str, Any]]:
    """Run code in the kernel of a websocket and return what it told: kinds of messages and their contents."""
    asked = uuid.uuid4().hex
    header = {"msg_id": asked, "msg_type": "execute_request", "session": "s", "username": ""}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    message = {
        "header": {**header, "version": "5.3", "date": ""},
        "parent_header": {},
        "metadata": {},
        "content": {**content, "user_expressions": {}},
        "channel": "shell",
        "buffers": [],
    }
    socket.send(json.dumps(message))
    told: list[tuple[str, Any]] = []
    left = {"execute_reply", "idle"}
    while left:
        said = json.loads(socket.recv(timeout))
        if said.get("parent_header", {}).get("msg_id") != asked:
            continue
        kind, body = said["msg_type"], said["content"]
        assert kind != "error", body
        told.append((kind, body))
        left -= {kind, str(body.get("execution_state"))}
    return told
