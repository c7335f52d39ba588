"""The parent process of the embedded workbench's services: starts, restarts, logs and ends them.

It is started by ``embedded`` as ``python -m couture_workflow.services.workbench.supervisor`` in a session of
its own, so that a Ctrl-C at the terminal does not reach the services. Its standard input is a pipe: the
first line is the specification, the end of the pipe means *stop*. The pipe ends when the workbench's
command ends, in whatever way, so ``kill -9`` of the command stops the services too. The command in turn
adopts and ends everything if this process dies.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from couture_workflow.services.processes import tree as process_tree
from couture_workflow.services.workbench import server_address, server_database

COLOURS = {
    "api-server": 35,
    "scheduler": 34,
    "dag-processor": 33,
    "triggerer": 36,
    "dag-sync": 32,
    "jupyter": 95,
    "serving": 94,
}
LOG_SIZE, LOG_COUNT = 10 * 2**20, 3
TASK_GRACE, REPORT_GRACE, SERVICE_GRACE = 15.0, 15.0, 10.0
STEADY = 60.0
#: Seconds between two looks at a database that is away.
DATABASE_LOOK = 2.0
#: Seconds to the next start at most, of a service that does not end the workbench.
LONGEST_PAUSE = 300.0
#: Endings in the same way after which nobody tries again, and the seconds of life that make one another's.
SAME, LONG = 4, 600.0
MOST_SAID = 300
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
QUIET_LINE = re.compile(r"\[(info|debug) *\]|^(INFO|DEBUG)\b| (INFO|DEBUG) - ")
#: What never goes to the console: the lines of tasks, which have pages of their own, and a warning of every
#: start that only its authors can act on (Airflow's use of a property that Flask-AppBuilder deprecated).
KNOWN_LINE = re.compile(r"\[(airflow\.)?task[.\]]|appbuilder\.app is deprecated")
ERROR_LINE = re.compile(r"\[(error|critical) *\]|^(ERROR|CRITICAL)\b|^Traceback")
LOUD_LINE = re.compile(
    r"\[(warning|error|critical) *\]|^(NOTICE|WARNING|ERROR|CRITICAL)\b|Traceback|Warning: "
)


@dataclass(frozen=True)
class Specification:
    """What to run; travels as one line of JSON.

    :param services: name of each service -> its command.
    :param log_folder: folder of one log file per service.
    :param verbose: show every line on the console, not warnings and errors alone.
    :param restarts: how often in a row a service is started again.
    :param database: address of the database server, "" if there is none; while it does not answer, no
        service that ends is counted.
    :param never_last: services that are started again for ever, because the others do not need them.
    """

    services: dict[str, list[str]]
    log_folder: str
    verbose: bool
    restarts: int = 5
    database: str = field(default="", repr=False)
    never_last: list[str] = field(default_factory=list)

    def dump(self) -> bytes:
        """Return the line."""
        return json.dumps(self.__dict__).encode() + b"\n"


class Console:
    """Prefixed, coloured lines on standard output, whole ones from several threads."""

    def __init__(self, *, verbose: bool) -> None:
        self.verbose = verbose
        self._lock = threading.Lock()
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def line(self, name: str, text: str) -> None:
        """Write one line; a console that is gone is no reason to stop."""
        prefix = f"{name:<13} | "
        if self._colour:
            prefix = f"\x1b[{COLOURS.get(name, 32)}m{prefix}\x1b[0m"
        with self._lock, contextlib.suppress(OSError, ValueError):
            sys.stdout.write(f"{prefix}{text}\n")
            sys.stdout.flush()


def is_loud(text: str, *, before: bool) -> bool:
    """Tell whether a line of a service belongs on a console that shows warnings and errors only.

    :param before: the answer for the line before, which holds for lines without a level of their own.
    """
    if QUIET_LINE.search(text) or KNOWN_LINE.search(text):
        return False
    if LOUD_LINE.search(text):
        return True
    return before and text.startswith((" ", "\t")) or (before and not text.strip())


def is_error(text: str) -> bool:
    """Tell whether a line of a service's log is about an error of the service itself."""
    return bool(ERROR_LINE.search(text)) and not KNOWN_LINE.search(text)


@dataclass
class Service:
    """One service: its command, its process and how often it had to be started again."""

    name: str
    command: list[str]
    log: logging.Logger
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    due: float = 0.0
    pump: threading.Thread | None = field(default=None, repr=False)
    said: str = ""
    way: tuple[int | None, str] | None = None
    look: float = 0.0
    waited: bool = False
    same: int = 0

    @property
    def running(self) -> bool:
        """Tell whether the process is alive."""
        return self.process is not None and self.process.poll() is None

    def note_end(self) -> None:
        """Note how the process ended: as often before, or in a new way. Times and numbers make no new way."""
        if self.pump is not None:
            self.pump.join(timeout=2)
        way = (self.process.returncode if self.process else None, _NUMBER.sub("#", self.said))
        lived = time.monotonic() - self.started
        self.same = self.same + 1 if way == self.way and lived < LONG else 1
        self.way = way

    @property
    def hopeless(self) -> bool:
        """Tell whether it ended too often in one way; one that others kill may yet live."""
        return self.same >= SAME and self.way is not None and (self.way[0] or 0) > 0


def _file_log(name: str, folder: Path) -> logging.Logger:
    handler = logging.handlers.RotatingFileHandler(
        folder / f"{name}.log", maxBytes=LOG_SIZE, backupCount=LOG_COUNT, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger(f"couture_workflow.service.{name}")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(handler)
    return log


class Supervisor:
    """All services of one workbench."""

    def __init__(self, specification: Specification) -> None:
        folder = Path(specification.log_folder)
        self.console = Console(verbose=specification.verbose)
        self.restarts = specification.restarts
        self.database = server_address.parse(specification.database) if specification.database else None
        self._away = False
        self.never_last = frozenset(specification.never_last)
        self.log = _file_log("workbench", folder)
        self.services = [
            Service(name, command, _file_log(name, folder))
            for name, command in specification.services.items()
        ]
        self.stop = threading.Event()

    def say(self, text: str) -> None:
        """Tell the person at the console, and the log."""
        self.console.line("workbench", text)
        self.log.info("%s %s", time.strftime("%Y-%m-%d %H:%M:%S"), text)

    def run(self) -> int:
        """Run until the pipe ends, a signal comes or a service cannot be kept alive; return the exit code."""
        code = 0
        for service in self.services:
            self._start(service)
        while not self.stop.wait(0.2):
            process_tree.reap(leave=[s.process.pid for s in self.services if s.process])
            if not all([self._keep(service) for service in self.services]):
                code = 1
                break
        self._end()
        return code

    def _start(self, service: Service) -> None:
        service.process = subprocess.Popen(  # noqa: S603
            service.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        service.started = time.monotonic()
        service.due = 0.0
        service.pump = threading.Thread(target=self._pump, args=(service, service.process), daemon=True)
        service.pump.start()

    def _pump(self, service: Service, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        loud = told = False
        service.said = ""
        for raw in process.stdout:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            service.log.info("%s", text)
            loud = is_loud(text, before=loud)
            told = told or loud
            if text.strip() and not (told and QUIET_LINE.search(text)):
                service.said = text.strip()
            if loud or self.console.verbose:
                self.console.line(service.name, text)

    def _keep(self, service: Service) -> bool:
        """Start a service again if it ended; False if that has happened too often."""
        now = time.monotonic()
        if service.running:
            if service.restarts and now - service.started > STEADY:
                service.restarts = 0
            return True
        if not service.due and self._waits_for_database(service, now):
            return True
        if not service.due:
            service.note_end()
            code = service.process.returncode if service.process else None
            too_often = service.hopeless or service.restarts >= self.restarts
            if too_often and service.name not in self.never_last:
                self.say(self._last_words(service, code))
                return False
            delay = min(2.0 ** min(service.restarts, 30), LONGEST_PAUSE)
            service.restarts += 1
            service.due = now + delay
            self.say(
                f"The {service.name} ended with exit code {code}; it starts again in {delay:.0f} s. "
                f"Its log: {self._log_path(service)}"
            )
        elif now >= service.due:
            self._start(service)
        return True

    def _waits_for_database(self, service: Service, now: float) -> bool:
        """Tell whether a service ended while the database is away: then it starts again when that is back."""
        if self.database is None or now < service.look:
            return self.database is not None
        service.look = now + DATABASE_LOOK
        away = not server_database.answers(self.database)
        if away and not self._away:
            self.say(f"The database {self.database.shown} does not answer; the services wait for it.")
        if self._away and not away:
            self.say(f"The database {self.database.shown} answers again.")
        self._away = away
        if away:
            service.waited = True
        elif service.waited:
            service.waited, service.look = False, 0.0
            self._start(service)
            return True
        return away

    def _last_words(self, service: Service, code: int | None) -> str:
        """Return the sentence with which the workbench stops."""
        times, how = (
            (service.same, "in the same way") if service.hopeless else (self.restarts + 1, "in a row")
        )
        said = f"; it said last: {service.said[:MOST_SAID]}" if service.said else ""
        return (
            f"The {service.name} ended {times} times {how} (exit code {code}{said}), so the workbench stops. "
            f"couture-workflow doctor looks for the cause; its log tells more: {self._log_path(service)}"
        )

    @staticmethod
    def _log_path(service: Service) -> str:
        handler = service.log.handlers[0]
        return str(getattr(handler, "baseFilename", ""))

    def _end(self) -> None:
        """End the running tasks while Airflow can still record it, then the services, then what is left."""
        self._signal(*(s.name for s in self.services if s.name not in ("scheduler", "api-server")))
        self._end_scheduler()
        self._signal("scheduler", number=signal.SIGKILL)
        self._signal("api-server")
        self._wait(self.services, time.monotonic() + SERVICE_GRACE)
        process_tree.end_all(grace=1.0)
        for service in self.services:
            if service.pump is not None:
                service.pump.join(timeout=2)

    def _signal(self, *names: str, number: int = signal.SIGTERM) -> None:
        for service in self.services:
            if service.name in names and service.process is not None and service.running:
                service.process.send_signal(number)

    def _end_scheduler(self) -> None:
        """Ask the scheduler to end and each of its tasks too: it would wait for them for hours.

        A task that goes on after SIGTERM, as a plain Python task does, is killed after a grace period. Then
        its supervisor still tells the API server how it ended.
        """
        found = [s for s in self.services if s.name == "scheduler" and s.process and s.running]
        if not found or found[0].process is None:
            return
        scheduler = psutil.Process(found[0].process.pid)
        process_tree.send([scheduler], signal.SIGTERM)
        began = time.monotonic()
        told: set[int] = set()
        while found[0].running and time.monotonic() < began + TASK_GRACE + REPORT_GRACE:
            tasks = _tasks(scheduler)
            fresh = [task for task in tasks if task.pid not in told]
            if fresh:
                self.say(f"Ending {len(fresh)} running task(s); this takes {TASK_GRACE:.0f} s at most.")
            process_tree.send(fresh, signal.SIGTERM)
            told.update(task.pid for task in fresh)
            if time.monotonic() > began + TASK_GRACE:
                # With what they started: Airflow waits for whoever still holds a task's output.
                process_tree.send(_with_descendants(tasks), signal.SIGKILL)
            self._wait(found, time.monotonic() + 0.3)

    @staticmethod
    def _wait(services: list[Service], deadline: float) -> None:
        while any(s.running for s in services) and time.monotonic() < deadline:
            time.sleep(0.05)


def _tasks(scheduler: psutil.Process) -> list[psutil.Process]:
    """Return the processes of running tasks: children of the scheduler's workers."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for worker in scheduler.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                found += worker.children()
    return found


def _with_descendants(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return found


def _stop_at_end_of_input(stop: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while sys.stdin.buffer.read(4096):
            continue
    stop.set()


def main() -> int:
    """Run the services that the first line of standard input names until standard input ends."""
    process_tree.adopt_orphans()
    specification = Specification(**json.loads(sys.stdin.buffer.readline()))
    supervisor = Supervisor(specification)
    signal.signal(signal.SIGTERM, lambda *_: supervisor.stop.set())
    for ignored in (signal.SIGINT, signal.SIGHUP):
        # Not SIG_IGN: the services would inherit that, and the triggerer ends its child by SIGINT.
        signal.signal(ignored, lambda *_: None)
    threading.Thread(target=_stop_at_end_of_input, args=(supervisor.stop,), daemon=True).start()
    return supervisor.run()


if __name__ == "__main__":
    # Not sys.exit: a daemon thread may hold standard input's lock, which would abort an orderly shutdown.
    code = main()
    logging.shutdown()
    os._exit(code)
