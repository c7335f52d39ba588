"""Descriptors of databases, locks and sockets are out of reach of DAG files and tasks (``descriptors``)."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from couture_workflow.patches import guard

_SUPERVISOR = "airflow.sdk.execution_time.supervisor"

#: Where the kernel lists the descriptors of a process.
_OPEN = Path("/proc/self/fd")


def before_fork() -> None:
    """Get ready for a process that may run a person's code; called before each fork.

    The scheduler looks here, once, for the processes of its LocalExecutor, which import the module that forks
    for the first task that they run.
    """
    if guard.fits("descriptors") and (supervisor := sys.modules.get(_SUPERVISOR)):
        _wrap(supervisor)


def _wrap(supervisor: ModuleType) -> None:
    """Let what is forked take leave of the descriptors of its parent before it does its work."""
    main = supervisor._fork_main
    if main.__module__ == __name__:
        return

    def without_descriptors(
        requests: Any, child_stdout: Any, child_stderr: Any, log_fd: int, target: Callable[[], None]
    ) -> None:
        parents_log = os.fstat(2)

        def work() -> None:
            take_leave(log_fd, parents_log)
            target()

        main(requests, child_stdout, child_stderr, log_fd, work)

    wrapped = functools.update_wrapper(without_descriptors, main)
    wrapped.__module__ = __name__
    vars(supervisor)["_fork_main"] = wrapped


def take_leave(log_fd: int, parents_log: os.stat_result) -> None:
    """Put what nothing can be read from or written to in the place of each inherited descriptor.

    It stays taken, so that an object of the parent that is closed here cannot close what was opened since.
    It is no ``/dev/null``: that can be locked, and SQLite, which believes that it has its database for itself
    when it gets the lock, removes the log of changes that the parent still writes to.

    :param log_fd: the channel to the supervisor for log lines; 0: there is none.
    :param parents_log: the file where Airflow tells the last words of a process whose channels fail.
    """
    if not _OPEN.is_dir():
        return
    nothing = os.open("/", os.O_PATH)
    for number in [int(entry.name) for entry in _OPEN.iterdir()]:
        if number > 2 and number not in (log_fd, nothing) and not _is(number, parents_log):
            with contextlib.suppress(OSError):
                os.dup2(nothing, number, inheritable=False)
    os.close(nothing)


def _is(number: int, file: os.stat_result) -> bool:
    """Tell whether a descriptor belongs to a file, or to nothing any more, as the one of the listing."""
    try:
        return os.path.samestat(os.fstat(number), file)
    except OSError:
        return True
