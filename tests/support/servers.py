"""Servers that tests start as processes of their own: a port, the wait for an answer, the end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

#: Ports that ``free_port`` returns: the system gives none of them to who asks for any. Each process of a run
#: has a part of its own, by its number ("gw1"): minutes may pass until somebody listens on one.
PORTS, PARTS = range(20_000, 32_000), 6

_returned: set[int] = set()


def free_port() -> int:
    """Return a port of this machine that nobody listens on, another one each time."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PARTS
    left = [port for port in PORTS[number::PARTS] if port not in _returned]
    for port in random.SystemRandom().sample(left, len(left)):
        _returned.add(port)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("No port is free.")


def wait_until_it_answers(
    process: subprocess.Popen[bytes], url: str, *, name: str, log: Path, seconds: float
) -> None:
    """Wait until an address answers with 200, or raise ``RuntimeError`` with the end of the log.

    :param name: what the server is called in the error.
    """
    deadline = time.monotonic() + seconds
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not start:\n{log.read_text()[-4000:]}")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def end(process: subprocess.Popen[bytes], *, seconds: float) -> None:
    """End a leader of a process group; kill the group if it has not ended in time."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
