"""Servers that tests start as processes of their own: a port, the wait for an answer, the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


#: Sockets that keep ports from others until this process ends.
_KEPT: list[socket.socket] = []


def kept_port() -> int:
    """Return a port for a server that starts later; nobody else who asks for a free one gets it meanwhile.

    It stays bound. Who listens on it must let addresses be used again (``SO_REUSEADDR``), as servers do.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _KEPT.append(kept)
    return int(kept.getsockname()[1])


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
