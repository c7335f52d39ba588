"""Looks again and again for SLAs that were missed, remembers them and has people told.

A thread of the API server does it: it has the database, which tasks do not have, and the home, which the
scheduler and the triggerer do not have. Of several servers one looks, the one that holds a lock in the home.
Time is Airflow's: a deadline of each run and SLA is a row of its database, so whatever restarts, nothing is
forgotten; and a miss whose record is written is not found again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from airflow.sdk.exceptions import AirflowException
from airflow.utils.session import create_session
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError
from couture_workflow.services.sla import judging, misses, telling
from couture_workflow.services.sla.judging import Late
from couture_workflow.services.sla.misses import Miss, Notice
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from couture_workflow.web.sla import overdue
from couture_workflow.web.sla.notifying import Notifier
from couture_workflow.web.sla.overdue import Overdue
from couture_workflow.web.state import store

log = logging.getLogger(__name__)

#: Seconds between two looks, at the least.
INTERVAL = 5.0
#: A look is followed by a pause of as many times what one takes of a core: looks take half a percent at most.
REST = 200
#: Looks over which that is evened out: one that takes long, as the first does, hardly delays the next.
EVEN = 12
#: A task tells its end with its own clock, and the row comes a moment later.
GRACE = timedelta(seconds=5)
#: Most deadlines pass while one looks. Others are of the past when they are made: looked for less often.
RECENT = timedelta(hours=2)
EVERYTHING = 300.0
#: Of the past, records are read for people who are to be told yet.
UNTOLD = timedelta(days=14)
_SWEEP = 3600.0


class Pace:
    """How long to pause between two looks.

    :param least: seconds.
    """

    def __init__(self, least: float) -> None:
        self._least, self._usual = least, 0.0

    def pause(self, spent: float) -> float:
        """Return the seconds to pause after a look that took so many of a core."""
        self._usual += (spent - self._usual) / EVEN
        return max(self._least, REST * self._usual)


class Keeper:
    """Looks in a thread. Several servers may have one; one of them looks."""

    def __init__(self, *, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="couture-slas", daemon=True)
        self._lock: int | None = None
        self._known: set[UUID] = set()
        self._everything_at = self._sweep_at = 0.0
        self._notifier: Notifier | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End looking; a look that has begun is finished."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self._release()

    def _run(self) -> None:
        pace, pause = Pace(self._interval), self._interval
        while not self._ended.wait(pause):
            began = time.thread_time()
            try:
                if self._leads():
                    self.look()
            except (SQLAlchemyError, AirflowException, CoutureError, OSError) as error:
                log.warning("Misses of SLAs are looked for again later: %s", error)
            pause = pace.pause(time.thread_time() - began)

    def _leads(self) -> bool:
        """Tell whether this server looks: it holds the lock until it ends, in whatever way."""
        if self._lock is not None:
            return True
        folder = store().root / "sla"
        with atomic.storage_errors(folder):
            folder.mkdir(exist_ok=True)
            descriptor = os.open(folder / ".keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def _release(self) -> None:
        if self._lock is not None:
            with suppress(OSError):
                os.close(self._lock)
            self._lock = None

    def look(self) -> list[Miss]:
        """Look once; return the misses that were found."""
        home, now = store(), datetime.now(UTC)
        if self._notifier is None:
            self._notifier = Notifier(home, misses.newest_first(home, since=now - UNTOLD))
        found, seen = self._find(home, now)
        for miss in found:
            misses.put(home, miss)
            self._notifier.add(miss)
        self._known = seen  # not before: what cannot be recorded is found again
        self._notifier.tell(datetime.now(UTC))
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + _SWEEP
            misses.sweep(home, days=settings.sla_misses_kept(), now=now)
        return found

    def _find(self, home: Store, now: datetime) -> tuple[list[Miss], set[UUID]]:
        """Return what was missed, and the deadlines that need no further look."""
        everything = time.monotonic() >= self._everything_at
        until = now - GRACE
        # What is older has no record any more, so nobody could tell whether it was told already.
        since = until - (timedelta(days=settings.sla_misses_kept()) if everything else RECENT)
        with create_session(scoped=False) as session:
            ids = overdue.passed(session, since=since, until=until)
            rows = overdue.overdue(session, ids - self._known)
            rested = {row.id for row in rows if row.is_paused}
            wanted = [row for row in rows if not row.is_paused and not misses.exists(home, _identity(row))]
            found = _judge(session, wanted, now)
        if everything:
            self._everything_at = time.monotonic() + EVERYTHING
        return found, ids - rested if everything else self._known | (ids - rested)


def _judge(session: Session, rows: Sequence[Overdue], now: datetime) -> list[Miss]:
    """Return what was missed of some SLAs that are over, in the same order."""
    task_ids = {task_id for row in rows for task_id in row.declared.tasks}
    own = overdue.tries(session, (row.run for row in rows), task_ids)
    late = [
        (row, found) for row in rows if (found := judging.late(own[row.run], row.declared.tasks, row.due))
    ]
    whole = overdue.tries(session, (row.run for row, _ in late))
    return [_miss(row, found, judging.blocking(whole[row.run]), now) for row, found in late]


def _identity(row: Overdue) -> str:
    return misses.identity(row.dag_id, row.run_id, row.due, row.declared.seconds)


def _miss(row: Overdue, late: list[Late], blocking: list[tuple[str, str]], now: datetime) -> Miss:
    to = dict.fromkeys(address for task in late for address in row.declared.tasks[task.task_id])
    return Miss(
        id=_identity(row),
        dag_id=row.dag_id,
        run_id=row.run_id,
        logical_date=row.logical_date,
        interval_end=row.interval_end,
        due=row.due,
        seconds=row.declared.seconds,
        found_at=now,
        tasks=tuple(late),
        blocking=tuple(blocking),
        mail=telling.begin(tuple(to)),
        callback=Notice(state="waiting") if row.declared.calls_back else Notice(),
    )
