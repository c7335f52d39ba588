"""What the reaper adds to the start of a job: its own start beside that of a Python that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median

from benchmarks.measure import Result, in_turn
from couture_workflow.services.processes import reaper

ROUNDS = 25
_PYTHON = (sys.executable, "-I", "-S")


def run() -> list[Result]:
    """Measure it in fresh processes."""
    words = ("--parent", str(os.getpid()), "--grace", "10", "--folder", "/tmp", "--", "/bin/true")
    ours, plain = in_turn(
        ROUNDS,
        lambda: _seconds(*_PYTHON, reaper.__file__, *words),
        lambda: _seconds(*_PYTHON, "-c", "pass"),
    )
    return [
        Result(
            "start of the reaper",
            f"{median(ours) * 1000:.0f} ms",
            f"{median(plain) * 1000:.0f} ms for plain Python",
            median(ours) / median(plain),
            5,
        )
    ]


def _seconds(*command: str) -> float:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    process.wait(20)
    return time.perf_counter() - started
