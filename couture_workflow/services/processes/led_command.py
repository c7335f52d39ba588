"""One command below the reaper: its lines are handed on as they come, and whatever ends us ends all of it.

``LedCommand.run`` blocks; ``stop`` may be called from a signal handler and only asks. Whatever ends ``run``,
also an exception of the caller's, ends the command: its processes through the reaper, and what runs elsewhere
through the command that the reaper was told.
"""

from __future__ import annotations

import codecs
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from couture_workflow.services.processes import reaper

OUTPUT, LOG = "output", "log"

_TAIL_LINES = 2000
_LONGEST_LINE = 64 * 1024
_LOOK = 0.25


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    :param exit_code: 0 for success, 128 + n after signal n.
    :param output: the last lines of its standard output.
    :param log: the last lines of its standard error.
    """

    exit_code: int
    stopped: bool
    output: tuple[str, ...]
    log: tuple[str, ...]


class _Lines:
    """The lines of one stream; a line without an end is cut where it gets too long."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def feed(self, content: bytes) -> Iterator[str]:
        *lines, self._rest = (self._rest + self._decoder.decode(content, final=not content)).split("\n")
        if self._rest and (not content or len(self._rest) > _LONGEST_LINE):
            lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            yield line.rstrip("\r")


class LedCommand:
    """One command on its way.

    :param command: what is run, without a shell.
    :param folder: its private folder and working directory; the reaper removes it if nobody else can.
    :param grace: seconds between SIGTERM and SIGKILL.
    :param on_line: called with "output" or "log" and each line.
    :param keep_going: asked often; once it says no, the command is stopped.
    """

    def __init__(
        self,
        command: list[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        grace: float,
        on_line: Callable[[str, str], None],
        keep_going: Callable[[], bool] = lambda: True,
    ) -> None:
        self.command = command
        self.environment = dict(environment)
        self.folder = folder
        self.grace = grace
        self.on_line = on_line
        self.keep_going = keep_going
        self.stopped = False
        self._process: subprocess.Popen[bytes] | None = None
        self._handle = -1
        self._tails: dict[str, deque[str]] = {name: deque(maxlen=_TAIL_LINES) for name in (OUTPUT, LOG)}

    def run(self) -> Outcome:
        """Run the command to its end and return how it ended."""
        process = self._start()
        try:
            self.began(process.pid)
            self._follow(process)
        except BaseException:
            self.stop()
            raise
        finally:
            exit_code = self._finish(process)
        return Outcome(
            exit_code=exit_code,
            stopped=self.stopped or exit_code == reaper.STOPPED,
            output=tuple(self._tails[OUTPUT]),
            log=tuple(self._tails[LOG]),
        )

    def stop(self) -> None:
        """Ask for the end of the command; ``run`` returns when nothing of it is left."""
        self.stopped = True
        if self._handle >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGTERM)

    def began(self, session: int) -> None:
        """Take note of the session that the command runs in; for subclasses."""

    def took(self, stream: str, line: str) -> None:
        """Hand a line on; subclasses may look at it, too."""
        self.on_line(stream, line)

    def looked(self) -> None:
        """Do what is to be done a few times a second; for subclasses."""

    def tell_kill_command(self, command: list[str], *, first: bool = False) -> None:
        """Tell the reaper what to run at the end, to kill what runs elsewhere.

        :param first: before the processes here get a signal.
        """
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                _write(self._process.stdin, json.dumps({"words": command, "first": first}) + "\n")

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-I", "-S", reaper.__file__, "--parent", str(os.getpid())),
                *("--grace", str(self.grace), "--folder", str(self.folder), "--", *self.command),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
        )
        self._handle = os.pidfd_open(self._process.pid)
        if self.stopped:
            self.stop()
        return self._process

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        with selectors.DefaultSelector() as selector:
            for name, stream in ((OUTPUT, process.stdout), (LOG, process.stderr)):
                if stream is not None:
                    selector.register(stream, selectors.EVENT_READ, (name, _Lines()))
            while selector.get_map():
                ready = selector.select(_LOOK)
                for key, _ in ready:
                    self._take(key, selector)
                if not ready and _has_ended(process):
                    return
                self.looked()
                if not self.stopped and not self.keep_going():
                    self.stop()

    def _take(self, key: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
        name, lines = key.data
        content = os.read(key.fd, 65536)
        if not content:
            selector.unregister(key.fileobj)
        for line in lines.feed(content):
            self._tails[name].append(line)
            self.took(name, line)

    def _finish(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the reaper and return its exit code; if it was killed itself, do its work."""
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        if _was_killed(process):
            deadline = time.monotonic() + self.grace
            while reaper.signal_all(process.pid, signal.SIGKILL) and time.monotonic() < deadline:
                time.sleep(0.01)
        exit_code = process.wait()
        os.close(self._handle)
        self._handle = -1
        return exit_code if exit_code >= 0 else 128 - exit_code


def _write(stream: IO[bytes], text: str) -> None:
    stream.write(text.encode())
    stream.flush()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether the process has ended, and leave it a zombie: its id stays taken."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _was_killed(process: subprocess.Popen[bytes]) -> bool:
    """Wait for the end of the process; tell whether a signal was its end, so that it could not clean up."""
    state = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return state is not None and state.si_code != os.CLD_EXITED
