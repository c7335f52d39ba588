"""The child process that reads data: started in the Jupyter runtime below the reaper, heard, bounded, ended.

Nothing of this process's environment goes to it, and what is secret in a request goes through a pipe alone.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from couture_workflow import settings
from couture_workflow.exceptions import EdaError, InUseError
from couture_workflow.services.processes.led_command import OUTPUT, LedCommand, Outcome
from couture_workflow.services.processes.private_folders import private_folder
from couture_workflow.services.runtimes import installed

#: Children that answer pages at the same time, of one process of the server, the seconds that a further one
#: waits for its turn, and the seconds that one may take.
PARALLEL = 3
_WAIT = 10.0
QUICK_SECONDS = 60.0
_PROGRAM = Path(__file__).parents[2] / "runtimes" / "eda_child.py"
#: Bytes that a pipe holds; a request must fit.
_PIPE = 1024 * 1024
_GRACE = 2.0
_THREADS = 4

OnMessage = Callable[[dict[str, Any]], None]
log = logging.getLogger(__name__)
_places = threading.BoundedSemaphore(PARALLEL)


class Child:
    """One request on its way.

    :param request: what the child is asked; ``limits`` are filled in from the options, and without a
        ``folder`` it has one that is gone afterwards.
    :param on_message: called with each ``{"stage", ...}`` and ``{"warning"}``.
    :param seconds: how long it may take; None: as long as it wants.
    :param keep_going: asked often; once it says no, the child is stopped.
    """

    def __init__(
        self,
        request: Mapping[str, Any],
        *,
        on_message: OnMessage,
        seconds: float | None = None,
        keep_going: Callable[[], bool] | None = None,
    ) -> None:
        self._request = {**request, "limits": {**_limits(), **(request.get("limits") or {})}}
        self._on_message = on_message
        self._seconds = seconds
        self._keep_going = keep_going or (lambda: True)
        self._command: LedCommand | None = None
        self._stopped = self._late = False
        self._deadline = 0.0
        self._pieces: list[str] = []
        self._end: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        """Run the child to its end and return its result; EdaError says what went wrong."""
        python = installed.data()
        with ExitStack() as stack:
            if not self._request.get("folder"):
                self._request["folder"] = str(stack.enter_context(private_folder()))
            temporary = stack.enter_context(_temporary(Path(self._request["folder"]) / "tmp"))
            pipe = stack.enter_context(_request_pipe(temporary, self._request))
            self._command = LedCommand(
                [python, "-I", str(_PROGRAM), str(pipe)],
                environment=_environment(temporary, self._request["limits"]),
                folder=temporary,
                grace=_GRACE,
                on_line=self._read,
                keep_going=self._goes_on,
            )
            if self._stopped:
                self._command.stop()
            self._deadline = time.monotonic() + (self._seconds or 0.0)
            outcome = self._command.run()
        return self._judged(outcome)

    def stop(self) -> None:
        """Ask for the end; ``run`` returns when nothing is left. May be called from a signal handler."""
        self._stopped = True
        if self._command is not None:
            self._command.stop()

    def _goes_on(self) -> bool:
        if self._seconds and time.monotonic() > self._deadline:
            self._late = True
            return False
        return self._keep_going()

    def _read(self, stream: str, line: str) -> None:
        if stream != OUTPUT:
            log.debug("%s", line)
            return
        try:
            message = json.loads(line)
        except ValueError:
            return
        if "part" in message:
            self._pieces.append(message["part"])
            return
        if self._pieces:
            message, self._pieces = json.loads("".join(self._pieces)), []
        if "result" in message or "error" in message:
            self._end = self._end or message
        elif message:
            self._on_message(message)

    def _judged(self, outcome: Outcome) -> dict[str, Any]:
        if self._late:
            raise EdaError(
                f"Reading the data took longer than {self._seconds:g} seconds and was ended. Try again when "
                "the machine has less to do, or read a smaller part.",
                code="time",
            )
        if outcome.stopped or self._stopped:
            raise EdaError("The run was stopped. Nothing of it is left running.", code="stopped")
        if "result" in self._end:
            return dict(self._end["result"])
        if error := self._end.get("error"):
            if error.get("code") == "failed":
                log.warning("The child's last words: %s", "\n".join(outcome.log[-40:]))
            raise EdaError(str(error["message"]), code=str(error["code"]), field=str(error["field"]))
        log.warning("The child's last words: %s", "\n".join(outcome.log[-40:]))
        raise EdaError(_death(outcome), code="memory" if outcome.exit_code == 137 else "failed")


def run_child(
    request: Mapping[str, Any],
    *,
    on_message: OnMessage,
    seconds: float | None = None,
    keep_going: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Run a child to its end and return its result; see ``Child``."""
    return Child(request, on_message=on_message, seconds=seconds, keep_going=keep_going).run()


def ask(request: Mapping[str, Any], *, seconds: float = QUICK_SECONDS) -> dict[str, Any]:
    """Run a child for somebody who waits in front of a page; InUseError when too many do already."""
    if not _places.acquire(timeout=_WAIT):
        raise InUseError(
            f"{PARALLEL} looks into data are on their way already. Wait for one to end, then try again."
        )
    try:
        return run_child(request, on_message=lambda message: None, seconds=seconds)
    finally:
        _places.release()


def _limits() -> dict[str, int]:
    threads = min(_THREADS, len(os.sched_getaffinity(0)))
    return {"memory": settings.eda_memory() * 1024**2, "threads": threads}


def _environment(temporary: Path, limits: Mapping[str, Any]) -> dict[str, str]:
    """Return all that the child sees of an environment: no proxy, no secret, no option of Airflow's."""
    threads = str(limits["threads"])
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "MPLCONFIGDIR": str(temporary),
        "MPLBACKEND": "Agg",
        "YDATA_PROFILING_NO_ANALYTICS": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "ARROW_NUM_THREADS": threads,
        "MALLOC_ARENA_MAX": "4",
    }


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise EdaError(
            f"The folder {folder} for temporary files cannot be made: {error.strerror}.", code="disk"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _request_pipe(folder: Path, request: Mapping[str, Any]) -> Iterator[Path]:
    """Put a request into a named pipe that only its owner may open: it never lies on a disk."""
    content = json.dumps(request).encode() + b"\n"
    if len(content) > _PIPE:
        raise EdaError(
            f"What is asked has {len(content):,} bytes; at most {_PIPE:,} are possible. Set "
            "fewer types by hand.",
            code="too_large",
            field="reading",
        )
    path = folder / "request"
    os.mkfifo(path, 0o600)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if len(content) > fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE)
        os.write(descriptor, content)
        yield path
    finally:
        os.close(descriptor)


def _death(outcome: Outcome) -> str:
    if outcome.exit_code == 137:
        return (
            "The process that reads the data was killed, most likely because the machine has no memory left. "
            "Give the machine more, or let fewer things run at the same time."
        )
    if outcome.exit_code > 128:
        return (
            f"The process that reads the data crashed (signal {outcome.exit_code - 128}). The log of the "
            "server or of the task has its last words."
        )
    last = next((line for line in reversed(outcome.log) if line.strip()), "")
    code = outcome.exit_code
    return f"The process that reads the data ended without a result (exit code {code}). {last}".strip()
