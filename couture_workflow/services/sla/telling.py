"""When somebody is told of a miss: at once, later again if that failed, and at last no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from couture_workflow.services.sla.misses import Notice

#: Minutes between attempts; the last one goes on.
_PAUSES = (1, 2, 5, 10, 30, 60)
#: Attempts, about a day of them.
MOST_ATTEMPTS = 30


def begin(to: Sequence[str]) -> Notice:
    """Return the notice of a mail that is to be sent; of none, if it goes to nobody."""
    return Notice(state="waiting", to=tuple(to)) if to else Notice()


def is_due(notice: Notice, now: datetime) -> bool:
    """Tell whether it is time for an attempt."""
    return notice.state == "waiting" and (notice.next_at is None or notice.next_at <= now)


def done(notice: Notice, now: datetime, *, but: str = "") -> Notice:
    """Return a notice after somebody was told.

    :param but: who was not, and why; it is not tried again, since the others would hear of it twice.
    """
    return replace(notice, state="sent", at=now, next_at=None, attempts=notice.attempts + 1, error=but)


def given_up(notice: Notice, now: datetime, error: str) -> Notice:
    """Return a notice after an attempt in vain that is the last one."""
    return replace(notice, state="failed", at=now, next_at=None, attempts=notice.attempts + 1, error=error)


def failed(notice: Notice, now: datetime, error: str) -> Notice:
    """Return a notice after an attempt in vain."""
    attempts = notice.attempts + 1
    if attempts >= MOST_ATTEMPTS:
        return given_up(notice, now, error)
    pause = timedelta(minutes=_PAUSES[min(attempts, len(_PAUSES)) - 1])
    return replace(notice, attempts=attempts, at=now, next_at=now + pause, error=error)
