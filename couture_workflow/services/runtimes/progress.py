"""Numbered steps that take long: what is done, how far it is and since when, and pip followed that way.

On a terminal a step is one line that is rewritten; elsewhere it is a line at its begin, at its end, and every
15 seconds. Standard library only: ``tools/install.py`` uses it with the machine's own Python, before anything
is installed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

#: Seconds between two lines of a step that goes on, elsewhere than on a terminal.
INTERVAL = 15.0
#: Environment variable, between our own programs only: how many steps the outer one did before.
BEFORE_VARIABLE = "_INSTALL_STEPS_BEFORE"

#: How much of an installation is done when all packages are collected.
_COLLECTED = 0.8
_NAME = re.compile(r"(?:Collecting|Requirement already satisfied:) +([A-Za-z0-9][A-Za-z0-9._-]*)")
_INSTALLING = re.compile(r"Installing collected packages: (.*)")
_BUILDING = re.compile(r"(?:Building wheel for|Preparing metadata|Getting requirements)")
_DOWNLOADING = re.compile(r"Downloading \S*?([^/\s]+?)(?:-\d\S*)? \(([^)]+)\)")


def elapsed(seconds: float) -> str:
    """Return a time such as "2 min 5 s"."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Progress:
    """The steps of one command.

    :param total: how many steps of its own the command has.
    :param stream: where the lines go, standard output if it is not given.
    :param interval: seconds between two lines where it is not a terminal.
    """

    def __init__(self, total: int, *, stream: TextIO | None = None, interval: float = INTERVAL) -> None:
        before = os.environ.get(BEFORE_VARIABLE, "")
        self.done = int(before) if before.isdecimal() else 0
        self.total = self.done + total
        self.title = ""
        #: Is given what the step is at, and how much of it is done, for others to read.
        self.told: Callable[[str, float | None], None] = lambda detail, share: None
        self._stream = sys.stdout if stream is None else stream
        self._rewrites = self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._pause = 1.0 if self._rewrites else interval
        self._lock = threading.RLock()
        self._detail = self._result = ""
        self._began = 0.0

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Do the next step; a failure leaves its line as the last one."""
        with self._lock:
            self.done += 1
            self.title, self._began = title, time.monotonic()
            self._detail = self._result = ""
            self._write(f"{self.name}.")
        end = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(end,), daemon=True)
        ticker.start()
        try:
            yield
        except BaseException:
            self._finish(end, ticker, "broken off")
            raise
        self._finish(end, ticker, self._result or "done")

    @property
    def name(self) -> str:
        """Return the step that is under way, such as "Step 2 of 5: Spark"."""
        return f"Step {self.done} of {self.total}: {self.title}"

    def doing(self, detail: str, *, result: str = "", share: float | None = None) -> None:
        """Tell what the step is at; it is shown with the next line.

        :param result: what is shown at the end if this is the last that the step does.
        :param share: how much of it is done, between 0 and 1, for who draws that.
        """
        with self._lock:
            self._detail, self._result = detail, result
        self.told(detail, share)

    def report(self, line: str) -> None:
        """Print a line that is no step."""
        with self._lock:
            self._print(line)

    def _tick(self, end: threading.Event) -> None:
        while not end.wait(self._pause):
            with self._lock:
                shown = f"{self._detail}, " if self._detail else ""
                self._write(f"{self.name}: {shown}{elapsed(time.monotonic() - self._began)}")

    def _finish(self, end: threading.Event, ticker: threading.Thread, how: str) -> None:
        end.set()
        ticker.join()
        with self._lock:
            self._print(f"{self.name}: {how}, {elapsed(time.monotonic() - self._began)}.")

    def _write(self, line: str) -> None:
        """Show a line that the next one may replace."""
        if not self._rewrites:
            self._print(line)
            return
        self._stream.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
        self._stream.flush()

    def _print(self, line: str) -> None:
        self._stream.write(f"{chr(13)}\x1b[K{line}\n" if self._rewrites else f"{line}\n")
        self._stream.flush()


class Pip:
    """What pip says, as what a step is at: packages collected of those that are pinned.

    :param pins: files with lines such as ``name==1.0``.
    """

    def __init__(self, progress: Progress, pins: Iterable[Path]) -> None:
        self._progress = progress
        lines = [line for path in pins for line in path.read_text(encoding="utf-8").splitlines()]
        self._pinned = {_canonical(line.partition("==")[0]) for line in lines if re.match(r"[^#\s]+==", line)}
        self._seen: set[str] = set()

    def line(self, text: str) -> None:
        """Take a line of pip's output."""
        if text.startswith("WARNING:"):
            self._progress.report(f"pip: {text}")
        elif found := _NAME.match(text):
            self._seen.add(_canonical(found[1]))
            self._progress.doing(self._collected(), share=self._share())
        elif found := _DOWNLOADING.match(text):
            if ".metadata" not in text:
                doing = f"{self._collected()}, downloading {found[1]} ({found[2]})"
                self._progress.doing(doing, share=self._share())
        elif _BUILDING.match(text):
            self._progress.doing(f"{self._collected()}, building", share=self._share())
        elif found := _INSTALLING.match(text):
            number = len(found[1].split(","))
            done = f"{number} packages installed"
            self._progress.doing(f"installing {number} packages", result=done, share=_COLLECTED)

    def _share(self) -> float | None:
        return _COLLECTED * len(self._seen & self._pinned) / len(self._pinned) if self._pinned else None

    def _collected(self) -> str:
        if not self._pinned:
            return f"{len(self._seen)} packages collected"
        return f"{len(self._seen & self._pinned)} of {len(self._pinned)} pinned packages collected"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def follow(
    command: Sequence[str], take: Callable[[str], None], *, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program, hand over each line that it prints, and return "" or, if it failed, its own words."""
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=None if environment is None else dict(environment),
    ) as process:
        try:
            for line in process.stdout or ():
                said.append(line.rstrip())
                take(line.strip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode == 0:
        return ""
    return _reason(said) or f"{command[0]} ended with exit code {process.returncode} and no word."


def _reason(said: list[str]) -> str:
    """Return everything from the first error on, or the last lines."""
    first = next(
        (number for number, line in enumerate(said) if re.match(r"\s*(ERROR|error|E)\b:?", line)), len(said)
    )
    start = min(first, max(0, len(said) - 8))
    return "\n".join(line for line in said[start:] if line.strip())
