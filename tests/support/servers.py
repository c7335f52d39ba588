"""Servers that tests start as processes of their own: a port, the wait for an answer, the end."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

#: Below those that a system gives to whoever names none: such a port may be somebody else's a moment later.
PORTS = range(20_000, 25_000)
#: So many are taken at a time for one process of tests.
_AT_A_TIME = 100
#: What tells other processes that they are taken.
_HOLDERS: list[socket.socket] = []
_GIVING = threading.Lock()


def free_port() -> int:
    """Return a port of this machine that nobody listens on, and that no other test is given."""
    with _GIVING:
        for port in _own_ports():
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("no port is left for this test")


@functools.cache
def _own_ports() -> Iterator[int]:
    firsts = filter(_take, PORTS[::_AT_A_TIME])
    return (port for first in firsts for port in range(first, first + _AT_A_TIME))


def _take(first: int) -> bool:
    """Take ports for this process, until it ends; tell whether no other one has them."""
    if sys.platform != "linux":
        return True
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0ports of tests from {first}")  # a name that ends with the socket
    except OSError:
        holder.close()
        return False
    _HOLDERS.append(holder)
    return True


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
