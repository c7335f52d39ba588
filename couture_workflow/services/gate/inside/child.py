"""The processes of the sandbox: a nursery with Airflow loaded, a guard for each file, and what it guards.

``import airflow`` takes more than a second, so it is done once, in the *nursery*: a process with a clean
environment and no secrets, which runs nobody's DAG files. For each file it forks a *guard*, and that one
forks the process that parses the file behind ``processes.walls``. The guard enforces what the kernel does
not, and kills its only child by the number that it alone knows. A reply is a line of JSON by the guard,
then what the process wrote: a line by us, and the result.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import select
import shutil
import signal
import socket
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

from couture_workflow.services.processes import walls

#: Seconds without a request after which the nursery ends.
IDLE = 900.0
#: Threads that the process may have.
THREADS = 64
#: Seconds between two looks at threads and scratch files, and how many files there may be.
_LOOK, _SCRATCH_FILES = 0.05, 4096
#: Seconds beyond the limit in which Airflow's own time-out can still tell the line.
_GRACE = 2.0
_CHUNK = 65536
#: Seconds between two looks at guards that may have ended.
_COLLECT = 0.5


def main() -> None:
    """Serve requests from the socket that is standard input until it closes."""
    control = socket.socket(fileno=os.dup(0))
    _to_null(0, 1, 2)
    os.chdir("/")
    _preload()
    control.send(b"ready")
    while _asked(control):
        message, descriptors, _, _ = socket.recv_fds(control, _CHUNK, 1)
        if not message:
            break
        if os.fork() == 0:
            code = 1
            try:
                control.close()
                _guard(Path(os.fsdecode(message)), descriptors[0])
                code = 0
            finally:
                os._exit(code)
        for descriptor in descriptors:
            os.close(descriptor)
    shutil.rmtree(os.environ["HOME"], ignore_errors=True)


def _preload() -> None:
    """Import what nearly every DAG file needs, and keep the garbage collector from copying its pages."""
    from couture_workflow.services.gate.inside import parse

    parse.preload()
    gc.collect()
    gc.freeze()


def _asked(control: socket.socket) -> bool:
    """Wait for a request, and collect guards that have ended meanwhile; tell whether there is one."""
    while _has_guards():
        if select.select([control], [], [], _COLLECT)[0]:
            return True
    return bool(select.select([control], [], [], IDLE)[0])


def _has_guards() -> bool:
    """Collect the guards that have ended and tell whether others are at work."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def _guard(request: Path, reply: int) -> None:
    """Fork the process of one request, watch it to its end and write the reply."""
    job = json.loads(request.read_text(encoding="utf-8"))
    grants, limits = walls.Grants(**job["grants"]), walls.Limits(**job["limits"])
    without = set(job["without"])
    standing = set() if "namespaces" in without else walls.enter_namespaces(grants, limits)
    output, feed = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(output)
            _checked(job, feed, grants, limits, standing)
        finally:
            os._exit(1)
    os.close(feed)
    began = time.monotonic()
    watch = _Watch(child, grants, limits, scratch_is_bounded="mounts" in standing)
    text = watch.read(output, reply, most=job["output"])
    status = _end(child)
    told = {"why": watch.why, "status": status, "seconds": round(time.monotonic() - began, 3)}
    with contextlib.suppress(BrokenPipeError), os.fdopen(reply, "wb") as file:
        file.write(json.dumps(told).encode() + b"\n" + text)


class _Watch:
    """Looks after one process.

    :param scratch_is_bounded: whether its scratch folder cannot grow beyond the limit anyway.
    """

    def __init__(
        self, child: int, grants: walls.Grants, limits: walls.Limits, *, scratch_is_bounded: bool
    ) -> None:
        self.why = ""
        self._child = child
        self._limits = limits
        self._scratch = "" if scratch_is_bounded else grants.scratch
        self._deadline = time.monotonic() + limits.seconds + _GRACE

    def read(self, output: int, reply: int, *, most: int) -> bytes:
        """Return what the process wrote until it ended or did what it may not; ``why`` names that."""
        parts, size = [], 0
        poll = select.poll()
        poll.register(output, select.POLLIN)
        poll.register(reply, 0)  # tells when nobody waits for the answer any more
        while True:
            events = dict(poll.poll(_LOOK * 1000))
            if reply in events or (why := self._misdeed()):
                self.why = "gone" if reply in events else why
                return b""
            if output not in events:
                continue
            chunk = os.read(output, _CHUNK)
            parts.append(chunk)
            size += len(chunk)
            if size > most:
                self.why = "output"
                return b""
            if not chunk:
                return b"".join(parts)

    def _misdeed(self) -> str:
        if time.monotonic() > self._deadline:
            return "time"
        if self._threads() > THREADS:
            return "threads"
        if self._scratch and _is_too_full(self._scratch, self._limits.scratch):
            return "scratch"
        return ""

    def _threads(self) -> int:
        try:
            return len(os.listdir(f"/proc/{self._child}/task"))  # noqa: PTH208
        except OSError:
            return 0


def _is_too_full(folder: str, most: int) -> bool:
    """Tell whether there is too much in a folder, or too deep in it to be seen."""
    size = count = 0
    unseen: list[OSError] = []
    try:
        for where, folders, names in os.walk(folder, onerror=unseen.append):
            for name in (*folders, *names):
                count += 1
                with contextlib.suppress(OSError):
                    size += os.lstat(f"{where}/{name}").st_blocks * 512
            if size > most or count > _SCRATCH_FILES:
                return True
    except RecursionError:
        return True
    return any(error.errno == errno.ENAMETOOLONG for error in unseen)


def _end(child: int) -> int:
    """Kill the process, which has said all it will, and return how it had ended (-9: by us)."""
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _checked(
    job: dict[str, Any], feed: int, grants: walls.Grants, limits: walls.Limits, standing: set[str]
) -> None:
    """Be the process that parses: shut ourselves in, say so, then run what others wrote."""
    walls.die_with_parent()
    os.setsid()
    os.dup2(feed, 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.environ.update(job["environment"])
    tempfile.tempdir = None  # known to be another one since before the fork
    standing = walls.raise_walls(grants, limits, standing=standing, without=job["without"])
    os.write(3, json.dumps(sorted(standing)).encode() + b"\n")

    from couture_workflow.services.gate.inside import parse

    found = parse.run(job["question"])
    text = memoryview(json.dumps(found, ensure_ascii=True).encode())
    while text:
        text = text[os.write(3, text) :]
    os._exit(0)


def _to_null(*descriptors: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
    if null not in descriptors and stat.S_ISCHR(os.fstat(null).st_mode):
        os.close(null)


if __name__ == "__main__":
    main()
