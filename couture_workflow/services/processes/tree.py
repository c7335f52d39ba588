"""Processes that this one is responsible for: adopting orphans, reaping them, ending a whole tree.

On Linux a process can become the *subreaper* of its descendants: whatever loses its parent below it becomes
its own child instead of init's. So "every descendant" stays a complete list, also of what put itself into
another session or was orphaned by a kill -9. Elsewhere the list holds only those with an unbroken line of
parents.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable

import psutil

log = logging.getLogger(__name__)

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make this process the subreaper of all its descendants (Linux; elsewhere nothing happens)."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        log.warning(
            "This system refuses to hand over orphaned processes: %s", os.strerror(ctypes.get_errno())
        )


def descendants() -> list[psutil.Process]:
    """Return every process below this one that is alive."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def reap(*, leave: Iterable[int] = ()) -> None:
    """Collect ended children that were adopted, but not those that somebody else waits for.

    :param leave: process ids that have an owner in this program.
    """
    owned = set(leave)
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process().children():
            if child.pid not in owned:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, os.WNOHANG)


def send(processes: Iterable[psutil.Process], signum: int) -> None:
    """Signal each of the processes, passing over what ended meanwhile."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.send_signal(signum)


def end_all(*, grace: float) -> int:
    """End everything below this process and return how many had to be killed.

    :param grace: seconds between SIGTERM and SIGKILL.
    """
    send(descendants(), signal.SIGTERM)
    deadline = time.monotonic() + grace
    while descendants() and time.monotonic() < deadline:
        reap()
        time.sleep(0.1)
    killed = 0
    while left := descendants():
        killed += len(left)
        send(left, signal.SIGKILL)
        psutil.wait_procs(left, timeout=1)
        reap()
    reap()
    return killed
