"""Which tasks missed their SLA: the semantics of Airflow 1.10, told by all tries of a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from couture_workflow.services.sla.judging import Late, Try, blocking, late

DUE = datetime(2026, 1, 31, 8, tzinfo=UTC)
BEFORE, AFTER = DUE - timedelta(minutes=5), DUE + timedelta(minutes=5)


def one(state: str, ended: datetime | None = None, *, index: int = -1, is_last: bool = True) -> Try:
    return Try("t", index, state, BEFORE if ended else None, ended, is_last)


@pytest.mark.parametrize(
    ("tries", "state"),
    [
        ([one("success", BEFORE)], None),
        ([one("success", DUE)], None),
        ([one("success", AFTER)], "success"),
        ([one("")], ""),
        ([one("running")], "running"),
        ([one("queued")], "queued"),
        ([one("up_for_retry", BEFORE)], "up_for_retry"),
        ([one("failed", BEFORE)], "failed"),
        ([one("skipped", BEFORE)], "skipped"),
        ([one("upstream_failed", BEFORE)], "upstream_failed"),
        # Somebody cleared a task that had been in time.
        ([one("success", BEFORE, is_last=False), one("running")], None),
        # The first try was in vain, the second came too late.
        ([one("failed", BEFORE, is_last=False), one("success", AFTER)], "success"),
        # Taken out of the DAG.
        ([one("removed")], None),
        ([], None),
    ],
)
def test_a_task_that_has_not_succeeded_by_then_is_late(tries: list[Try], state: str | None) -> None:
    found = late(tries, ["t"], DUE)

    assert [each.state for each in found] == ([] if state is None else [state])


def test_a_mapped_task_is_late_if_one_of_it_is() -> None:
    tries = [one("success", BEFORE, index=0), one("success", AFTER, index=1), one("failed", BEFORE, index=2)]

    assert late(tries, ["t"], DUE) == [Late("t", "failed", BEFORE, BEFORE, 2, 3)]


def test_only_tasks_with_an_sla_are_late_and_all_that_began_block() -> None:
    tries = [
        Try("load", -1, "running", BEFORE, None),
        Try("wait", -1, "upstream_failed", None, BEFORE),
        Try("report", -1, "", None, None),
        Try("done", -1, "success", BEFORE, BEFORE),
    ]

    assert [each.task_id for each in late(tries, ["report", "done", "report"], DUE)] == ["report"]
    assert blocking(tries) == [("load", "running"), ("wait", "upstream_failed")]
