"""What a start is waiting for, in words, and which services have logged an error meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from couture_workflow.services.workbench import supervisor

#: Seconds between two lines about a step that goes on.
INTERVAL = 15.0
#: What a first start takes where nothing else runs, in words.
USUAL = "about 30 s for a first start on a quiet machine with two cores, longer on a slower or busy one"
#: What each service does until it counts as started.
DOES = {
    "api-server": "the api-server loads Airflow, the pages and the REST API",
    "scheduler": "the scheduler loads Airflow and reports for the first time",
    "dag-processor": "the dag-processor loads Airflow and reports for the first time",
    "triggerer": "the triggerer loads Airflow and reports for the first time",
}


@contextmanager
def told(title: str, report: Callable[[str], None], *, interval: float = INTERVAL) -> Iterator[None]:
    """Report a step of the start, and every few seconds that it goes on."""
    report(f"{title}.")
    began, end = time.monotonic(), threading.Event()

    def tick() -> None:
        while not end.wait(interval):
            report(f"{title}: {time.monotonic() - began:.0f} s so far.")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        end.set()
        ticker.join()


class Services:
    """The step in which the services start: lines about it, a problem only where there is one.

    :param logs: folder of the services' logs, which hold earlier starts too.
    """

    def __init__(self, logs: Path, report: Callable[[str], None], *, interval: float = INTERVAL) -> None:
        self._logs, self._report, self._interval = logs, report, interval
        self._began = self._told = time.monotonic()
        self._sizes = {path: path.stat().st_size for path in logs.glob("*.log")}
        self._named: set[Path] = set()

    def waiting_for(self, missing: list[str]) -> None:
        """Tell what the start waits for, when it is time to tell it again, and of each new error at once."""
        for path in self._with_errors():
            self._report(f"The {path.stem} has logged an error, see {path}.")
        now = time.monotonic()
        if missing and now - self._told >= self._interval:
            self._told = now
            does = "; ".join(DOES.get(name, name) for name in missing)
            self._report(f"Starting the services, {now - self._began:.0f} s so far: {does}.")

    def _with_errors(self) -> list[Path]:
        found = []
        for name in DOES:
            path = self._logs / f"{name}.log"
            if path not in self._named and path.exists() and self._has_error(path):
                self._named.add(path)
                found.append(path)
        return found

    def _has_error(self, path: Path) -> bool:
        """Look through what was written since this was made; a file that is shorter now was begun anew."""
        before = self._sizes.get(path, 0)
        with path.open("rb") as file:
            file.seek(before if path.stat().st_size >= before else 0)
            text = file.read().decode("utf-8", "replace")
        return any(supervisor.is_error(line) for line in text.splitlines())
