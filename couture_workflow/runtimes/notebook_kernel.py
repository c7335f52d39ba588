"""The kernel of a notebook: ipykernel, whose cells cannot print more than the channel to the runner carries.

``python notebook_kernel.py -f CONNECTION_FILE``, with the Python that the cells are to run in. What a cell
prints beyond a limit is left out where it is printed, but for its last part, so that neither memory nor time
is spent on it. Nothing that is sent is dropped: ipykernel's channel drops messages when there are many.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

#: What the folder of an installed package is called; packages that are told at most.
PACKAGES = 400
_PACKAGE = re.compile(r"([A-Za-z0-9._]+)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")
#: Characters that a cell prints at most into each of its two streams, and those of its end that are kept.
LIMIT, TAIL = 500_000, 20_000
#: Flushes of a stream by a cell that are done at once, and seconds between two later ones.
FLUSHES, PACE = 500, 0.05


def carried(text: str) -> str:
    """Return a text as UTF-8 can carry it.

    What it cannot carry is an error in the thread that sends, which then never wakes again if more waits.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


class Bounded:
    """Bounds what cells print into one of ipykernel's streams."""

    def __init__(self, stream: Any) -> None:
        self._write, self._flush = stream.write, stream.flush
        self._lock = threading.RLock()
        self._left, self._cut, self._flushes, self._flushed = LIMIT, 0, 0, 0.0
        self._tail: deque[str] = deque()
        self._kept = 0
        stream.write, stream.flush = self.write, self.flush

    def write(self, text: str) -> int:
        """Print a text, or what of it is within the limit."""
        if not isinstance(text, str):
            return int(self._write(text))  # raises what it always does
        with self._lock:
            if self._left:
                now, rest = text[: self._left], text[self._left :]
                self._left -= len(now)
                self._write(carried(now))
            else:
                rest = text
            if rest:
                self._cut += len(rest)
                self._keep(carried(rest[-TAIL:]))
        return len(text)

    def _keep(self, text: str) -> None:
        """Keep the end of what is left out."""
        self._tail.append(text)
        self._kept += len(text)
        while self._kept - len(self._tail[0]) >= TAIL:
            self._kept -= len(self._tail.popleft())

    def flush(self) -> None:
        """Send what was printed; a cell that asks for it again and again has it sent now and then."""
        self._flushes += 1
        now = time.monotonic()
        if self._flushes <= FLUSHES or now - self._flushed >= PACE:
            self._flushed = now
            self._flush()

    def end(self, *_: object) -> None:
        """End a cell: say what was left out, and print the end of it."""
        with self._lock:
            if self._cut:
                tail = "".join(self._tail)[-TAIL:]
                left_out = self._cut - len(tail)
                said = f"[{left_out:,} characters left out here: a cell prints {LIMIT:,} at most]"
                self._write(f"\n{said}\n{tail}" if left_out else tail)
            self._left, self._cut, self._flushes = LIMIT, 0, 0
            self._tail.clear()
            self._kept = 0
        self._flush()


def say_what_we_are(folder: str) -> None:
    """Write which Python this is and which packages it has beside what the runner keeps of the kernel."""
    packages: dict[str, str] = {}
    for place in filter(os.path.isdir, sys.path):
        for entry in os.scandir(place):
            if match := _PACKAGE.fullmatch(entry.name):
                packages.setdefault(match[1].lower()[:80], match[2][:40])
    said = {
        "python": sys.executable,
        "python_version": platform.python_version(),
        "packages": dict(sorted(packages.items())[:PACKAGES]),
    }
    Path(folder, "kernel.json").write_text(json.dumps(said), encoding="utf-8")


def main() -> None:
    """Run the kernel to its end."""
    import zmq
    from ipykernel.kernelapp import IPKernelApp

    class App(IPKernelApp):  # type: ignore[misc]
        """ipykernel, with channels that do not drop what is not read in time."""

        def _bind_socket(self, socket: Any, port: int) -> Any:
            socket.setsockopt(zmq.SNDHWM, 0)
            return super()._bind_socket(socket, port)

    app = App.instance()
    app.initialize(sys.argv[1:])
    app.log.addFilter(lambda record: "KeyboardInterrupt caught" not in record.getMessage())  # its end
    for stream in (sys.stdout, sys.stderr):
        app.shell.events.register("post_run_cell", Bounded(stream).end)
    app.start()


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file: cells import what `python -m ipykernel_launcher` would
    say_what_we_are(os.environ["JUPYTER_RUNTIME_DIR"])
    main()
