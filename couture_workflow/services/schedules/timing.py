"""When a notebook runs: the rules, words for it, and the next times as Airflow's scheduler reckons them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from couture_workflow.services.schedules.form import Finding, When
from couture_workflow.store.names import quote

#: Times that are told, characters of an expression.
_TIMES, _LONGEST = 5, 100
_CRON = re.compile(r"[0-9A-Za-z*/,#?\- ]+")
_DRAWN = re.compile(r"(?:^|[ ,])[hrHR](?:$|[ ,/(])")
#: Years from now that a time may be.
_YEARS = 50
#: A time this far in the past still counts as now.
_LATE = timedelta(minutes=1)
_EXAMPLE = 'Give five fields, such as "0 6 * * 1-5": minute, hour, day of the month, month, day of the week.'


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What is known of when a notebook runs.

    :param words: for people, such as "At 06:00, Monday through Friday (Europe/Berlin)".
    :param times: the next ones, in the time zone.
    """

    words: str = ""
    times: tuple[datetime, ...] = ()
    findings: tuple[Finding, ...] = ()


def timing(when: When, *, now: datetime | None = None) -> Timing:
    """Return words, next times and findings."""
    now = now or datetime.now(UTC)
    if when.kind == "now":
        return Timing(words="Once, as soon as it is saved", times=(now.astimezone(zone_of(when)),))
    if when.zone not in _zones():
        return Timing(
            findings=(
                Finding(
                    field="when.zone",
                    message=f"There is no time zone {quote(when.zone)}. Give one such as Europe/Berlin.",
                ),
            )
        )
    return _once(when, now) if when.kind == "at" else _cron(when, now)


def zone_of(when: When) -> ZoneInfo:
    """Return the time zone, UTC if there is none of this name."""
    return ZoneInfo(when.zone if when.zone in _zones() else "UTC")


def time_of(when: When) -> datetime | None:
    """Return the time of *once at*, None if it is none."""
    try:
        found = datetime.fromisoformat(when.at)
        return (found if found.tzinfo else found.replace(tzinfo=zone_of(when))).astimezone(zone_of(when))
    except (ValueError, OverflowError):
        return None


def zones() -> list[str]:
    """Return the names of all time zones."""
    return sorted(_zones())


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory"})


def _once(when: When, now: datetime) -> Timing:
    at = time_of(when)
    if at is None:
        message = f"{quote(when.at)} is no time. Give one such as 2026-12-01T06:00."
        return Timing(findings=(Finding(field="when.at", message=message),))
    if abs(at.year - now.year) > _YEARS:
        message = f"{quote(when.at)} is too far away: {_YEARS} years at most."
        return Timing(findings=(Finding(field="when.at", message=message),))
    found: list[Finding] = []
    if at < now - _LATE:
        found.append(
            Finding(
                field="when.at",
                message=f"{_shown(at)} is in the past. Give a later time, or choose to run it once now.",
            )
        )
    elif not _exists(when, at):
        found.append(
            Finding(
                field="when.at",
                message=f"Clocks in {when.zone} leave {quote(when.at)} out. It runs at {_shown(at)}.",
                level="warning",
            )
        )
    return Timing(words=f"Once, on {_shown(at)} ({when.zone})", times=(at,), findings=tuple(found))


def _exists(when: When, at: datetime) -> bool:
    """Tell whether the clocks of the time zone show a time that was typed without an offset."""
    typed = datetime.fromisoformat(when.at)
    back = at.astimezone(UTC).astimezone(zone_of(when))
    return typed.tzinfo is not None or typed == back.replace(tzinfo=None)


def _shown(at: datetime) -> str:
    return f"{at.astimezone(UTC).astimezone(at.tzinfo):%Y-%m-%d %H:%M}"


def _cron(when: When, now: datetime) -> Timing:
    if problem := _unfit(when.cron):
        return Timing(findings=(Finding(field="when.cron", message=problem),))
    try:
        times = tuple(_next(when, now))
    except ValueError as error:
        return Timing(findings=(Finding(field="when.cron", message=str(error)),))
    words = f"{words_of(when.cron)} ({when.zone})"
    found: tuple[Finding, ...] = ()
    if times[0] > now + timedelta(days=366):
        message = f"It runs for the first time on {_shown(times[0])}. Is this what you mean?"
        found = (Finding(field="when.cron", message=message, level="warning"),)
    return Timing(words=words, times=times, findings=found)


def _unfit(cron: str) -> str:
    """Return why a text is no expression, "" if it may be one."""
    shown = quote(cron)
    if cron.startswith("@"):
        from airflow.utils.dates import cron_presets

        known = ", ".join(sorted(cron_presets))
        return "" if cron in cron_presets else f"There is no {shown}. There are {known}. {_EXAMPLE}"
    if not cron or len(cron) > _LONGEST or not _CRON.fullmatch(cron):
        return f"{shown} is no cron expression. {_EXAMPLE}"
    if len(cron.split()) != 5:
        return f"{shown} is no cron expression: its fields are {len(cron.split())}. {_EXAMPLE}"
    if _DRAWN.search(cron):
        return f"{shown} has a field that is drawn by lot (H or R), which Airflow cannot keep. {_EXAMPLE}"
    return ""


def _next(when: When, now: datetime) -> Iterator[datetime]:
    """Iterate over the next times by Airflow's own timetable; ``ValueError`` if there is none.

    It looks for fifty years ahead: a few milliseconds at most for what five fields can say.
    """
    import pendulum
    from airflow.exceptions import AirflowTimetableInvalid
    from airflow.timetables.base import TimeRestriction
    from airflow.timetables.trigger import CronTriggerTimetable
    from croniter import CroniterError

    earliest, zone = pendulum.instance(now), zone_of(when)
    info = None
    try:
        timetable = CronTriggerTimetable(when.cron, timezone=when.zone)
        timetable.validate()
        restriction = TimeRestriction(earliest=earliest, latest=None, catchup=True)
        for _ in range(_TIMES):
            info = timetable.next_dagrun_info(
                last_automated_data_interval=info.data_interval if info else None, restriction=restriction
            )
            if info is None:
                return
            yield datetime.fromtimestamp(info.run_after.timestamp(), UTC).astimezone(zone)
    except AirflowTimetableInvalid as error:
        raise ValueError(f"{quote(when.cron)} is no cron expression: {error}. {_EXAMPLE}") from error
    except (CroniterError, OverflowError) as error:
        if info is None:
            raise ValueError(f"{quote(when.cron)} never fires: no day fits it. {_EXAMPLE}") from error


@lru_cache(maxsize=256)
def words_of(cron: str) -> str:
    """Return what an expression means, in words; the expression itself where these cannot be had."""
    from airflow.utils.dates import cron_presets
    from cron_descriptor import (
        CasingTypeEnum,
        ExpressionDescriptor,
        FormatException,
        MissingFieldException,
        WrongArgumentException,
    )

    fields = cron_presets.get(cron, cron).replace("?", "*").split()

    def described(chosen: list[str]) -> str:
        return str(
            ExpressionDescriptor(
                " ".join(chosen), casing_type=CasingTypeEnum.Sentence, use_24hour_time_format=True
            ).get_description()
        )

    try:
        if len(fields) == 5 and fields[2] != "*" and fields[4] != "*":
            days, weekdays = described([*fields[:4], "*"]), described([*fields[:2], "*", *fields[3:]])
            # One of the two is enough, but the third Monday must be the day of the month as well.
            return f"{days} {'and' if '#' in fields[4] else 'or'} {weekdays[:1].lower()}{weekdays[1:]}"
        return described(fields)
    except (FormatException, MissingFieldException, WrongArgumentException, ValueError, IndexError):
        return cron
