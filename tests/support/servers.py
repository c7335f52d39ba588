"""Servers that tests start as processes of their own: a port, the wait for an answer, the end."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

#: The first port that tests give to servers, and how many each process of tests has.
_FIRST, _EACH = 20_000, 1_500
#: Ports that this process has given.
_GIVEN: set[int] = set()


def free_port() -> int:
    """Return a port of this machine that nobody listens on.

    Its server listens seconds later, or minutes. Nobody else is given it until then: it is none of those that
    the kernel chooses from, each process of tests that run side by side has its own, and none is given twice.
    """
    left = sorted(_own_ports() - _GIVEN)
    for port in random.SystemRandom().sample(left, len(left)):
        if _is_free(port):
            _GIVEN.add(port)
            return port
    with socket.socket() as probe:  # the kernel's begin lower here, or all of ours are taken
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _own_ports() -> set[int]:
    """Return the ports that this process of tests may give, which are below those of the kernel."""
    kernels = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    shares = (kernels - _FIRST) // _EACH
    if shares < 1:
        return set()
    worker = re.search(r"\d+", os.environ.get("PYTEST_XDIST_WORKER", ""))
    first = _FIRST + (int(worker[0]) if worker else 0) % shares * _EACH
    return set(range(first, first + _EACH))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
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
