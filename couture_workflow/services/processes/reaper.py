"""Leader of the session of one Spark job: when the task dies, however it dies, nothing of the job stays.

Run as a script, ``python -I -S reaper.py --parent PID --grace SECONDS --folder PATH -- COMMAND...``, in a
session of its own and with a pipe from the task as standard input. The end of that pipe, a change of the
parent or SIGTERM means stop: SIGTERM to every process of the job, a time of grace, SIGKILL. What belongs
to the job is told by the session, which ``pyspark.daemon`` stays in though it leaves the process group,
and by descent: the reaper adopts orphans, so a process with a session of its own is found as well. A
signal goes through a file descriptor of the process that is opened before the process is looked at, so a
process id that is used anew is never hit.

A line on the pipe is JSON, ``{"words": [...], "first": false}``: the command that kills what runs
elsewhere, on the cluster. It is run at a stop and when the command is killed by a signal. With ``first`` it
has time to do so, and the job's command to see it and to clean up, before any process here gets a signal.
The standard library alone, and little of it: this starts before every job. The exit code is the command's,
128 + n for signal n, 143 after a stop.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

STOPPED = 143
NOT_STARTED = 127
_POLL = 5.0
#: Seconds for what kills elsewhere first, and then for the command to see that.
_FIRST = 30.0
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SET_CHILD_SUBREAPER = 36


class Reaper:
    """Start a command, wait for it, and leave no process of it."""

    def __init__(self, command: list[str], *, parent: int, grace: float) -> None:
        self.command = command
        self.parent = parent
        self.grace = grace
        self.child = 0
        self.exit_code: int | None = None
        self.stopped = False
        self.kill_command: list[str] = []
        self.kill_first = False
        self.killer = 0
        self._input = b""

    def run(self) -> int:
        """Run the command to its end or to a stop; return the exit code."""
        wake, signalled = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(signalled)
        for number in _STOPPING:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        _adopt_orphans()
        if not self._start():
            return NOT_STARTED
        watched = [0, wake, *_handle(self.parent)]
        while self.exit_code is None and not self.stopped:
            if os.getppid() != self.parent:
                self.stopped = True
                break
            ready = select.select(watched, [], [], _POLL)[0]
            if wake in ready:
                os.read(wake, 4096)
            if 0 in ready:
                self._hear()
            self._collect()
        self._end()
        return STOPPED if self.stopped else self.exit_code or 0

    def _start(self) -> bool:
        try:
            self.child = os.posix_spawnp(
                self.command[0],
                self.command,
                os.environ,
                file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
                setsigdef=[signal.SIGPIPE, signal.SIGCHLD, *_STOPPING],
            )
        except OSError as error:
            os.write(2, f"Cannot start {self.command[0]}: {error.strerror}\n".encode())
            return False
        return True

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def _hear(self) -> None:
        """Read what the task says; the end of the pipe is the end of the task."""
        if not (heard := os.read(0, 65536)):
            self.stopped = True
            return
        *lines, self._input = (self._input + heard).split(b"\n")
        if lines:
            import json

            told = json.loads(lines[-1])
            self.kill_command = [str(word) for word in told["words"]]
            self.kill_first = bool(told["first"])

    def _collect(self) -> None:
        """Bury the dead: the command, and orphans that were adopted."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self.killer:
                self.killer = 0
            if pid == self.child:
                code = os.waitstatus_to_exitcode(status)
                self.exit_code = code if code >= 0 else 128 - code

    def _end(self) -> None:
        """Leave no process: SIGTERM, time to end, SIGKILL."""
        me = os.getpid()
        if self.kill_first:
            self._kill_elsewhere()
            self._let_end()
        signal_all(me, signal.SIGTERM)
        if not self.kill_first:
            self._kill_elsewhere()
        deadline = time.monotonic() + self.grace
        while members(me) and time.monotonic() < deadline:
            self._collect()
            time.sleep(0.02)
        deadline = time.monotonic() + self.grace + _POLL
        while signal_all(me, signal.SIGKILL) and time.monotonic() < deadline:
            self._collect()
            time.sleep(0.01)
        self._collect()

    def _kill_elsewhere(self) -> None:
        if not self.kill_command or not (self.stopped or (self.exit_code or 0) > 128):
            return
        try:
            self.killer = os.posix_spawnp(self.kill_command[0], self.kill_command, os.environ)
        except OSError as error:
            os.write(2, f"Cannot start {self.kill_command[0]}: {error.strerror}\n".encode())

    def _let_end(self) -> None:
        """Wait for what kills elsewhere, then for the command, each for a time."""
        deadline = time.monotonic() + _FIRST
        while self.killer and time.monotonic() < deadline:
            self._collect()
            time.sleep(0.02)
        deadline = time.monotonic() + _FIRST
        while self.exit_code is None and time.monotonic() < deadline:
            self._collect()
            time.sleep(0.02)


def _handle(pid: int) -> list[int]:
    """Return a descriptor that is readable when the process ends; none when it has ended already."""
    try:
        return [os.pidfd_open(pid)]
    except OSError:
        return []


def members(leader: int) -> list[int]:
    """Return the living processes of a session and the descendants of its leader, without the leader."""
    parents: dict[int, int] = {}
    living: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (found := _look(int(name))):
            parents[int(name)], session, alive = found
            if alive:
                living[int(name)] = session
    return [
        pid
        for pid, session in living.items()
        if pid != leader and (session == leader or _descends(pid, leader, parents))
    ]


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    for _ in range(len(parents)):
        pid = parents.get(pid, 0)
        if pid == ancestor:
            return True
        if pid <= 1:
            return False
    return False


def _look(pid: int) -> tuple[int, int, bool] | None:
    """Return parent and session of a process and whether it lives, None when it is gone.

    One whose main thread has ended is told to be a zombie, but as long as it has other threads it lives, and
    its children have not been handed on to who adopts them.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[3]), fields[0] not in b"ZX" or int(fields[17]) > 1


def signal_all(leader: int, number: int) -> int:
    """Send a signal to every member; return how many got it."""
    return sum(_send(pid, leader, number) for pid in members(leader))


def _send(pid: int, leader: int, number: int) -> bool:
    """Send a signal unless the process id now stands for a process that is not of the job."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if pid not in members(leader):
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _adopt_orphans() -> None:
    """Become the parent of orphans below; without it those with a session of their own are missed."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        os.write(2, b"Cannot adopt orphans: a job's process that makes its own session may outlive it.\n")


def _hold(folder: str) -> None:
    """Keep the private folder from being swept while this process lives, also when the task is gone."""
    try:
        import fcntl

        fcntl.flock(os.open(folder, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return  # a file system without locks, where nobody sweeps; or a folder that is being swept


def main(arguments: list[str]) -> int:
    """Read ``--parent PID --grace SECONDS --folder PATH -- COMMAND...`` and run it.

    After a stop nobody else may be left to remove the job's private folder.
    """
    parent, grace, folder, command = int(arguments[1]), float(arguments[3]), arguments[5], arguments[7:]
    if os.getsid(0) != os.getpid():
        os.setsid()
    _hold(folder)
    reaper = Reaper(command, parent=parent, grace=grace)
    exit_code = reaper.run()
    if reaper.stopped:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
