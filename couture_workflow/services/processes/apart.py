"""Work on text that others wrote, in a process of its own: it may crash, hang or want all memory.

Parsers can be crashed by text that is made for it (libcst's ends the process when ``1 and 1 and ...`` is long
enough), and they hold Python's lock while they work: in the server either would take every other request
along. The text is only read here, never executed; what executes it is ``gate.sandbox``.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Seconds for all items of a call; those that are left then are "late".
TOTAL = 60.0
#: Bytes of address space. A file of 1 MiB, the largest that is looked at, takes libcst about 700 MB.
MEMORY = 2 * 2**30
#: Processes of this kind at the same time, by one process of the server.
PARALLEL = 2
#: Characters of items that one process gets.
_BATCH = 16 * 2**20
_PACKAGE = "couture_workflow.services."
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from couture_workflow.services.processes.apart import main; main()"
)
_places = threading.BoundedSemaphore(PARALLEL)


@dataclass(frozen=True)
class Answer:
    """What became of one item.

    :param value: what the function returned.
    :param why: why there is none: "time" if it took too long, "late" if it was not begun, "crashed".
    """

    value: Any = None
    why: str = ""


def each(
    function: str, common: Any, items: Sequence[Any], *, seconds: float, total: float = TOTAL
) -> list[Answer]:
    """Call a function for each of some items and return the answers in their order.

    :param function: "module.name" below ``couture_workflow.services``; called with ``common`` and an item,
        all of them, and what it returns, as JSON has it.
    :param seconds: for one item.
    """
    found: list[Answer] = []
    deadline = time.monotonic() + total
    while len(found) < len(items):
        batch = _batch(items[len(found) :])
        if not _places.acquire(timeout=max(deadline - time.monotonic(), 0)):
            break
        try:
            answers = _run(function, common, batch, seconds, deadline - time.monotonic())
        finally:
            _places.release()
        found += answers
    return found + [Answer(why="late")] * (len(items) - len(found))


def _batch(items: Sequence[Any]) -> list[str]:
    """Return items from the first on, as JSON, that one process can take."""
    found: list[str] = []
    size = 0
    for item in items:
        text = json.dumps(item)
        size += len(text)
        if found and size > _BATCH:
            break
        found.append(text)
    return found


def _run(function: str, common: Any, batch: Sequence[str], seconds: float, patience: float) -> list[Answer]:
    """Return the answers of one process: all, or those up to the item that ended it."""
    given = json.dumps({"function": function, "common": common, "seconds": seconds, "limit": patience + 5})
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-c", _BOOT, json.dumps([path for path in sys.path if path])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )
    late = False
    try:
        output, _ = process.communicate("\n".join((given, *batch)).encode(), timeout=max(patience, 0))
    except subprocess.TimeoutExpired:
        late = True
        process.kill()
        output, _ = process.communicate()
    finally:
        process.kill()
        process.wait()
    ready, *lines = output.split(b"\n")
    if ready != b"ready":  # the process itself does not start
        return [Answer(why="late" if late else "crashed")] * len(batch)
    found = [Answer(*json.loads(line)) for line in lines[:-1]]
    if len(found) < len(batch):
        ended = process.returncode in (-signal.SIGALRM, -signal.SIGXCPU)
        found.append(Answer(why="time" if late or ended else "crashed"))
    return found


def main() -> None:
    """Be that process: answer each line of the standard input with a line."""
    from couture_workflow.services.processes.walls import die_with_parent

    die_with_parent()
    given, *lines = sys.stdin.buffer.read().split(b"\n")
    asked = json.loads(given)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    limit = int(asked["limit"]) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    os.nice(5)
    module, _, name = asked["function"].rpartition(".")
    function = getattr(importlib.import_module(_PACKAGE + module), name)
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    output.write(b"ready\n")
    for line in lines:
        signal.setitimer(signal.ITIMER_REAL, asked["seconds"])  # its signal ends the process, also in C code
        try:
            answer = json.dumps([function(asked["common"], json.loads(line)), ""])
        except Exception:  # noqa: BLE001 (whatever a parser raises)
            answer = json.dumps([None, "crashed"])
        signal.setitimer(signal.ITIMER_REAL, 0)
        output.write(answer.encode() + b"\n")
    os._exit(0)
