"""Outputs of sources: numbers, states, retention, and what is left of runs that were killed."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import CorruptError, InUseError, InvalidNameError, NotFoundError
from couture_workflow.services.eda import outputs, progress
from couture_workflow.services.eda.outputs import Output
from couture_workflow.services.eda.progress import Teller
from couture_workflow.services.runs.records import RunKey
from couture_workflow.store.home import Store

HOSTILE = "a'b\"<&>/../ü"
NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)


def add(store: Store, source: str = "sales", **given: Any) -> Output:
    return outputs.add(store, Output(number=0, source=source, **{"started_at": NOW, **given}))


def success(store: Store, source: str = "sales", **given: Any) -> Output:
    output = add(store, source)
    own = outputs.folder(store, source, output.number)
    (own / outputs.PROFILE).write_text('{"rows": 3}')
    (own / outputs.REPORT).write_text("<p>3</p>")
    return outputs.close(store, output, "success", has_report=True, rows=3, **given)


def numbers(store: Store, source: str = "sales") -> list[int]:
    return [each.number for each in outputs.listed(store, source)]


def test_output_is_kept_as_it_ended(store: Store) -> None:
    output = add(store, by="ann", dag_id="d", run_id="r", task_id="t", try_number=2)
    (outputs.folder(store, "sales", 1) / outputs.WORK).mkdir()
    ended = NOW + timedelta(seconds=90)

    closed = outputs.close(store, output, "failed", f"No rows in {HOSTILE}.", now=ended)

    assert closed == outputs.get(store, "sales", 1)
    assert (closed.state, closed.seconds, closed.ended_at) == ("failed", 90.0, ended)
    assert (closed.message, closed.by, closed.try_number) == (f"No rows in {HOSTILE}.", "ann", 2)
    assert [path.name for path in outputs.folder(store, "sales", 1).iterdir()] == [outputs.RECORD]
    assert outputs.close(store, output, "success").state == "failed"


def test_number_is_never_given_twice(store: Store) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(add(store).number)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 9))

    for output in outputs.listed(store, "sales"):
        outputs.close(store, output, "failed", "x")
    outputs.delete(store, "sales", 8)
    assert add(store).number == 9
    outputs.close(store, outputs.get(store, "sales", 9), "failed", "x")

    outputs.delete_all(store, "sales")
    assert (numbers(store), add(store).number) == ([], 10)


def test_hostile_name_of_a_source_is_refused(store: Store) -> None:
    for act in (outputs.listed, outputs.latest, outputs.delete_all):
        with pytest.raises(InvalidNameError):
            act(store, HOSTILE)
    with pytest.raises(InvalidNameError):
        add(store, "../sales")


def test_files_are_given_of_an_output_with_a_report_alone(store: Store) -> None:
    success(store)
    failed = outputs.close(store, add(store), "failed", "The disk is full.")
    (outputs.folder(store, "sales", failed.number) / outputs.PROFILE).write_text("{}")

    assert outputs.profile(store, "sales", 1) == {"rows": 3}
    assert outputs.report(store, "sales", 1).read_text() == "<p>3</p>"
    with pytest.raises(NotFoundError, match="The disk is full"):
        outputs.profile(store, "sales", 2)
    with pytest.raises(NotFoundError, match="no output 3"):
        outputs.report(store, "sales", 3)
    outputs.report(store, "sales", 1).with_name(outputs.PROFILE).write_text("{")
    with pytest.raises(CorruptError):
        outputs.profile(store, "sales", 1)


def test_latest_of_all_sources(store: Store) -> None:
    success(store, "2024")
    success(store, "sales")
    failed = outputs.close(store, add(store, "sales"), "failed", "x")

    assert {name: each.number for name, each in outputs.latest_of_all(store).items()} == {
        "2024": 1,
        "sales": 2,
    }
    assert outputs.latest(store, "sales") == failed
    assert getattr(outputs.latest_success(store, "sales"), "number", None) == 1


def test_sweep_spares_what_runs_the_newest_success_and_what_it_is_told(store: Store) -> None:
    success(store)
    success(store)
    runs = add(store, state="running")
    for _ in range(4):
        outputs.close(store, add(store), "failed", "x")

    assert outputs.sweep(store, "sales", keep=1, spare=frozenset({5})) == (6, 4, 1)
    assert numbers(store) == [7, 5, runs.number, 2]


def test_sweep_takes_what_killed_runs_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = add(store, state="running")
    (outputs.folder(store, "sales", 9)).mkdir()
    newer = outputs.close(store, add(store), "failed", "x")
    monkeypatch.setattr(outputs, "_SILENCE", -1)

    assert outputs.sweep(store, "sales", keep=1) == (dead.number,)
    assert [path.name for path in outputs.folder(store, "sales", 1).parent.glob("[0-9]*[0-9]")] == [
        str(newer.number)
    ]


def test_running_output_is_neither_deleted_nor_lost_by_a_rename(store: Store) -> None:
    output = add(store)
    with pytest.raises(InUseError):
        outputs.delete(store, "sales", 1)
    with pytest.raises(InUseError):
        outputs.delete_all(store, "sales")

    outputs.close(store, output, "failed", "x")
    outputs.rename(store, "sales", "orders")

    assert (numbers(store), numbers(store, "orders")) == ([], [1])
    assert add(store, "orders").number == 2
    assert outputs.get(store, "orders", 1).source == "orders"


def test_damaged_record_is_left_out_and_can_be_deleted(store: Store) -> None:
    for content in (b"{", b"[]", b'{"state": "odd"}', b"\xff", b'{"started_at": 1, "state": "failed"}'):
        output = success(store)
        (outputs.folder(store, "sales", output.number) / outputs.RECORD).write_bytes(content)
        assert numbers(store) == []
        with pytest.raises(CorruptError):
            outputs.get(store, "sales", output.number)
        outputs.delete(store, "sales", output.number)
    with pytest.raises(NotFoundError):
        outputs.delete(store, "sales", 1)


def test_task_finds_the_output_that_was_promised_to_it(store: Store) -> None:
    promised = add(store, dag_id="d", run_id="r", task_id="t")
    add(store, dag_id="d", run_id="other", task_id="t")

    assert outputs.queued(store, "sales", RunKey("d", "r", "t", -1, 1)) == promised
    outputs.change(store, promised, state="running")
    assert outputs.queued(store, "sales", RunKey("d", "r", "t", -1, 2)) is None


def test_progress_is_told_while_it_runs(store: Store) -> None:
    output = add(store, state="running")
    own: Path = outputs.folder(store, "sales", 1)
    assert progress.read(store, output) is None

    teller = Teller(own)
    assert teller.hear({"stage": "reading", "share": 0.25, "rows": 10, "words": HOSTILE})
    assert not teller.hear({"warning": "3 bad lines"})
    assert not teller.hear({"stage": "reading", "share": 7, "rows": True, "words": "x"})
    assert teller.hear({"stage": "computing", "share": None})

    told = progress.read(store, output)
    assert told is not None
    assert (told.stage, told.share, told.rows, told.warnings) == ("computing", None, None, ("3 bad lines",))
    assert json.loads((own / outputs.PROGRESS).read_text())["stage"] == "computing"
    (own / outputs.PROGRESS).write_text("[")
    assert progress.read(store, output) is None
    outputs.close(store, output, "failed", "x")
    assert not (own / outputs.PROGRESS).exists()
