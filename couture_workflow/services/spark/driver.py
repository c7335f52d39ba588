"""Starts a Python driver on a worker of a standalone cluster so that it ends when its JVM does.

A driver that is killed on such a cluster loses its JVM alone: the Python process goes on until it next
calls the JVM. So this file is what is submitted, with the job's own file as first argument: it asks the
kernel for SIGKILL at the end of its parent and becomes the job. It is copied to where workers see it and
runs in their Python: standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1


def main(words: list[str]) -> None:
    """Become ``python FILE ARGUMENTS...``."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("The driver's JVM has ended.")
    os.execv(sys.executable, [sys.executable, *words])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
