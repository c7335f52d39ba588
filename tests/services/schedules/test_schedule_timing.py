"""When a notebook runs: words, next times, clocks that jump, and expressions that never fire."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from couture_workflow.services.schedules import timing
from couture_workflow.services.schedules.form import When

NOW = datetime(2027, 3, 27, 12, tzinfo=UTC)


def cron(expression: str, zone: str = "UTC", *, now: datetime = NOW) -> timing.Timing:
    return timing.timing(When(kind="cron", cron=expression, zone=zone), now=now)


def shown(found: timing.Timing) -> list[str]:
    return [f"{each:%m-%d %H:%M %z}" for each in found.times]


def test_words_and_the_next_five_times() -> None:
    found = cron("0 6 * * 1-5", "Europe/Berlin")

    assert found.words == "At 06:00, Monday through Friday (Europe/Berlin)"
    assert shown(found)[:2] == ["03-29 06:00 +0200", "03-30 06:00 +0200"]
    assert len(found.times) == 5 and not found.findings


def test_clocks_that_jump_forward() -> None:
    assert shown(cron("30 2 * * *", "Europe/Berlin"))[:2] == ["03-28 03:30 +0200", "03-29 02:30 +0200"]
    assert shown(cron("30 * * * *", "Europe/Berlin", now=datetime(2027, 3, 28, 0, tzinfo=UTC)))[:3] == [
        "03-28 01:30 +0100",
        "03-28 03:30 +0200",
        "03-28 04:30 +0200",
    ]


def test_clocks_that_jump_back() -> None:
    now = datetime(2027, 10, 31, 0, 0, 1, tzinfo=UTC)
    assert shown(cron("30 * * * *", "Europe/Berlin", now=now))[:3] == [
        "10-31 02:30 +0200",
        "10-31 02:30 +0100",
        "10-31 03:30 +0100",
    ]
    assert len(shown(cron("30 2 * * *", "Europe/Berlin", now=now))) == 5


@pytest.mark.parametrize(
    ("expression", "zone"),
    [
        ("*/5 * * * *", "Asia/Kolkata"),
        ("0 0 29 2 *", "UTC"),
        ("@monthly", "UTC"),
        ("0 0 L * *", "UTC"),
        ("0 12 ? * SUN", "America/New_York"),
        ("0 8 * JAN,jul Mon#1", "Australia/Lord_Howe"),
    ],
)
def test_what_airflow_can_run(expression: str, zone: str) -> None:
    found = cron(expression, zone)

    assert len(found.times) == 5 and list(found.times) == sorted(found.times)
    assert found.words.endswith(f" ({zone})")
    assert not [each for each in found.findings if each.level == "error"]


@pytest.mark.parametrize(
    "expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 2 1#5", "0 0 31 2,4 1#5", "0 6 1 * 1#2"]
)
def test_what_never_fires_is_said_so(expression: str) -> None:
    (finding,) = cron(expression).findings

    assert finding.field == "when.cron" and "never fires" in finding.message


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "no cron expression"),
        ("daily", "no cron expression"),
        ("* * * *", "its fields are 4"),
        ("* * * * * *", "its fields are 6"),
        ("0 0 1 1 * 0 2020", "its fields are 7"),
        ("60 * * * *", "out of range"),
        ("*/0 * * * *", "not acceptable"),
        ("5-1/x * * * *", "not acceptable"),
        ("R * * * *", "drawn by lot"),
        ("H(1-5) * * * *", "no cron expression"),
        ("h/5 * * * *", "drawn by lot"),
        ("@reboot", 'There is no "@reboot"'),
        ("@once", 'There is no "@once"'),
        ("0 0 * * *\n", "no cron expression"),
        ("١ * * * *", "no cron expression"),
        ("*," * 200 + "* * * * *", "no cron expression"),
        ("a'b\"<&>/../ü", "no cron expression"),
    ],
)
def test_what_is_no_expression(expression: str, says: str) -> None:
    found = cron(expression)

    assert [each.field for each in found.findings] == ["when.cron"]
    assert says in found.findings[0].message and "0 6 * * 1-5" in found.findings[0].message
    assert not found.times and not found.words


def test_a_first_time_that_is_years_away_is_a_warning() -> None:
    (finding,) = cron("0 0 29 2 1#5").findings

    assert finding.level == "warning" and "2044-02-29" in finding.message


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 0 1 * 1", "At 00:00, on day 1 of the month or at 00:00, only on Monday"),
        (
            "0 0 29 2 1#5",
            "At 00:00, on day 29 of the month, only in February and "
            "at 00:00, on the fifth Monday of the month, only in February",
        ),
        ("0 0 ? * ?", "At 00:00"),
        ("@daily", "At 00:00"),
    ],
)
def test_days_of_month_and_week(expression: str, words: str) -> None:
    assert timing.words_of(expression) == words


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", "europe/berlin", "localtime"])
def test_a_time_zone_that_does_not_exist(zone: str) -> None:
    for kind in ("cron", "at"):
        when = When(kind=kind, cron="0 0 * * *", at="2027-04-01T06:00", zone=zone)
        (finding,) = timing.timing(when, now=NOW).findings
        assert finding.field == "when.zone"


@pytest.mark.parametrize(
    ("at", "zone", "shown_at"),
    [
        ("2027-04-01T06:00", "Europe/Berlin", "2027-04-01T06:00:00+02:00"),
        ("2027-04-01T06:00:30", "UTC", "2027-04-01T06:00:30+00:00"),
        ("2027-04-01T06:00+00:00", "Europe/Berlin", "2027-04-01T08:00:00+02:00"),
        ("2027-04-01T06:00Z", "UTC", "2027-04-01T06:00:00+00:00"),
        ("2027-10-31T02:30", "Europe/Berlin", "2027-10-31T02:30:00+02:00"),
        ("2027-10-31T02:30+01:00", "Europe/Berlin", "2027-10-31T02:30:00+01:00"),
    ],
)
def test_once_at_a_time(at: str, zone: str, shown_at: str) -> None:
    found = timing.timing(When(kind="at", at=at, zone=zone), now=NOW)

    assert [each.isoformat() for each in found.times] == [shown_at]
    assert found.words.startswith("Once, on 2027-") and not found.findings


def test_a_time_that_clocks_leave_out_is_a_warning() -> None:
    found = timing.timing(When(kind="at", at="2027-03-28T02:30", zone="Europe/Berlin"), now=NOW)

    assert [each.level for each in found.findings] == ["warning"]
    assert "2027-03-28 03:30" in found.findings[0].message


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("", "is no time"),
        ("tomorrow", "is no time"),
        ("2027-02-30T00:00", "is no time"),
        ("2027-03-27T11:00", "in the past"),
        ("9999-12-31T23:59", "too far away"),
        ("0001-01-01T00:00", "too far"),
    ],
)
def test_times_that_cannot_be(at: str, says: str) -> None:
    found = timing.timing(When(kind="at", at=at, zone="Asia/Tokyo" if at[:1] == "0" else "UTC"), now=NOW)

    assert [each.field for each in found.findings] == ["when.at"]
    assert says in found.findings[0].message


def test_once_now() -> None:
    found = timing.timing(When(kind="now"), now=NOW)

    assert found.times == (NOW,) and found.words == "Once, as soon as it is saved"
