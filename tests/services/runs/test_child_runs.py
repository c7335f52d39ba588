"""What the next try of a task does with the child of an earlier one, and when a child is no longer wanted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from couture_workflow.services.runs import children as child_runs
from couture_workflow.services.runs.children import ChildRun, Step, after, next_step

KNOWN = ChildRun("child", "run-1", child_runs.digest({"n": 1}), try_number=1, max_tries=1)
RETRY = replace(KNOWN, run_id="run-2", try_number=2)
CLEARED = replace(RETRY, max_tries=3)


@pytest.mark.parametrize(
    ("known", "state", "wish", "expected"),
    [
        pytest.param(None, None, RETRY, Step.START, id="the first try"),
        pytest.param(KNOWN, None, RETRY, Step.START, id="the child was deleted, or never came to be"),
        pytest.param(KNOWN, "running", RETRY, Step.ADOPT, id="a retry adopts"),
        pytest.param(KNOWN, "queued", RETRY, Step.ADOPT, id="a retry adopts a queued one"),
        pytest.param(KNOWN, "success", RETRY, Step.ADOPT, id="a retry need not repeat a success"),
        pytest.param(KNOWN, "failed", RETRY, Step.CLEAR, id="a retry runs a failed child again"),
        pytest.param(KNOWN, "running", CLEARED, Step.CLEAR, id="a clear clears"),
        pytest.param(KNOWN, "success", CLEARED, Step.CLEAR, id="a clear repeats a success"),
        pytest.param(
            KNOWN, "running", replace(RETRY, try_number=3), Step.CLEAR, id="more tries than there were"
        ),
        pytest.param(
            KNOWN, "failed", replace(RETRY, digest="other"), Step.START, id="another conf, another run"
        ),
        pytest.param(
            KNOWN, "running", replace(RETRY, dag_id="other"), Step.START, id="another DAG, another run"
        ),
        pytest.param(
            replace(KNOWN, stop_at=1.0),
            "running",
            RETRY,
            Step.CLEAR,
            id="one that ran too long is no success",
        ),
    ],
)
def test_what_a_try_does(known: ChildRun | None, state: str | None, wish: ChildRun, expected: Step) -> None:
    assert next_step(known, state, wish, when_cleared="clear") is expected


def test_a_new_run_can_be_chosen() -> None:
    assert next_step(KNOWN, "success", CLEARED, when_cleared="new") is Step.START
    assert next_step(KNOWN, "running", RETRY, when_cleared="new") is Step.ADOPT


def test_a_child_that_is_replaced_while_it_runs_is_left_to_be_stopped() -> None:
    record = after(Step.START, KNOWN, "running", RETRY, now=50.0)

    assert record.unwanted_since("child", "run-1", parent_gone=None) == 50.0
    assert record.unwanted_since("child", "run-2", parent_gone=None) is None


def test_a_child_that_had_ended_is_nobodys_matter_any_more() -> None:
    record = after(Step.START, KNOWN, "failed", RETRY, now=50.0)

    assert record.unwanted_since("child", "run-1", parent_gone=60.0) is None


def test_a_killed_parent_gives_its_child_up_unless_it_is_left() -> None:
    assert KNOWN.unwanted_since("child", "run-1", parent_gone=7.0) == 7.0
    assert replace(KNOWN, when_killed="leave").unwanted_since("child", "run-1", parent_gone=7.0) is None


@pytest.mark.parametrize("step", [Step.ADOPT, Step.CLEAR])
def test_the_run_stays_the_same(step: Step) -> None:
    record = after(step, KNOWN, "running", CLEARED, now=1.0)

    assert (record.run_id, record.try_number, record.max_tries) == ("run-1", 2, 3)


@pytest.mark.parametrize("stored", [None, 7, "x", {}, {"dag_id": "a"}, {**KNOWN.json(), "more": 1}], ids=repr)
def test_what_another_version_wrote_is_not_read(stored: Any) -> None:
    assert child_runs.read(stored) is None


def test_a_record_is_read_as_it_was_written() -> None:
    record = replace(KNOWN, left=(("child", "run-0", 3.5),))

    assert child_runs.read(record.json()) == record


def test_the_conf_itself_is_not_kept() -> None:
    digest = child_runs.digest({"password": "hunter2"})

    assert "hunter2" not in digest
    assert digest == child_runs.digest({"password": "hunter2"}) != child_runs.digest({})
