"""The processes of the tests' services: each is ended by its own id, and none outlives the tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

#: The kernel ends the process when the tests end, however they end.
TIED = ["setpriv", "--pdeathsig", "TERM"]


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether somebody listens on a port."""
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def start(command: list[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a daemon in a session of its own, with what it prints in a file."""
    tied = TIED if shutil.which(TIED[0]) else []
    with log.open("ab") as output:
        return subprocess.Popen(
            [*tied, *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, *, seconds: float = 300
) -> None:
    """Wait until a daemon is ready; AssertionError with the end of its log if it never is."""
    end = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            tail = log.read_text(errors="replace")[-3000:]
            raise AssertionError(f"{log.stem} is not ready (exit code {process.poll()}); {log}:\n{tail}")
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes], *, seconds: float = 20) -> None:
    """End a daemon: first politely, then by force."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running(
    command: list[str],
    log: Path,
    environment: Mapping[str, str],
    ready: Callable[[], bool],
    *,
    seconds: float = 300,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon until the end of the block, which begins when it is ready."""
    process = start(command, log, environment)
    try:
        wait_until(ready, process, log, seconds=seconds)
        yield process
    finally:
        stop(process)
