"""Lists of runs: what fits, in which order, what the reader may see, and that no record is read for them."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from couture_workflow.exceptions import InvalidError, SparkError
from couture_workflow.services.runs import index, listing, recording, records
from couture_workflow.services.runs.listing import Page, Wish
from couture_workflow.services.runs.records import Run, RunKey
from couture_workflow.store.home import Store

START = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
HOSTILE = "a'b\"<&>ü/../.%2F\\ :+"


def add(store: Store, number: int, *, dag: str = "penguins", seconds: float | None = 60, **given: Any) -> Run:
    """Write the record of a run that started so many minutes after START; it took so many seconds."""
    started = START + timedelta(minutes=number)
    run = Run(
        **{
            "key": RunKey(dag, f"run_{number}", "clean"),
            "state": "success" if seconds is not None else "running",
            "started_at": started,
            "ended_at": started + timedelta(seconds=seconds) if seconds is not None else None,
            **given,
        }
    )
    records.write(store, run)
    return run


def found(
    store: Store, /, *, hidden: Collection[str] = (), lost: Collection[RunKey] = (), **wish: Any
) -> Page:
    return listing.page(
        store,
        Wish(**wish),
        may_read=lambda dag_id: dag_id not in hidden,
        lost=lambda keys: set(lost) & set(keys),
    )


def numbers(page: Page) -> list[int]:
    return [int(run.key.run_id.removeprefix("run_")) for run in page.runs]


def test_the_newest_come_first_page_by_page(store: Store) -> None:
    for number in (3, 1, 1500, 2):  # the fourth on another day
        add(store, number)

    first, second = found(store, limit=3), found(store, limit=3, offset=3)

    assert (numbers(first), first.more) == ([1500, 3, 2], True)
    assert (numbers(second), second.more) == ([1], False)
    assert numbers(found(store, limit=3, offset=9)) == []


def test_a_home_without_runs_has_an_empty_list(store: Store) -> None:
    assert found(store) == Page((), more=False, cut=False)


@pytest.mark.parametrize(
    ("wish", "fits"),
    [
        ({"state": "failed"}, [2]),
        ({"state": "running"}, [4]),
        ({"state": "lost"}, [5]),
        ({"kind": "notebook"}, [3]),
        ({"dag_id": HOSTILE}, [3]),
        ({"dag_id": "penguin"}, []),
        ({"user": "mary"}, [4, 2, 1]),
        ({"text": "APP Ü"}, [2]),
        ({"text": "run_3"}, [3]),
        ({"at_least": 100.0, "at_most": 200.0}, [2]),
        ({"since": START + timedelta(minutes=2), "until": START + timedelta(minutes=3)}, [3, 2]),
        ({"since": START + timedelta(days=2)}, []),
        ({"until": START - timedelta(days=2)}, []),
        ({"user": "mary", "state": "failed", "kind": "spark"}, [2]),
    ],
)
def test_filters(store: Store, wish: dict[str, Any], fits: list[int]) -> None:
    add(store, 1, triggered_by="mary")
    add(store, 2, seconds=150, state="failed", owner="mary", app_name="App ü")
    add(store, 3, seconds=5, dag=HOSTILE, kind="notebook", app_name="day.ipynb")
    add(store, 4, seconds=None, user="mary")
    gone = add(store, 5, seconds=None)

    assert numbers(found(store, lost=[gone.key], **wish)) == fits


@pytest.mark.parametrize(
    ("sort", "ascending"),
    [
        ("started", [1, 2, 3]),
        ("duration", [2, 3, 1]),
        ("dag", [3, 1, 2]),
        ("state", [1, 3, 2]),
        ("user", [2, 1, 3]),
    ],
)
def test_orders(store: Store, sort: Any, ascending: list[int]) -> None:
    add(store, 1, dag="b", seconds=90, owner="mary")
    add(store, 2, dag="c", seconds=10, state="failed", triggered_by="Ann")
    add(store, 3, dag="A", seconds=20, user="zoe")

    assert numbers(found(store, sort=sort, descending=False)) == ascending
    assert numbers(found(store, sort=sort)) == ascending[::-1]


def test_nobody_sees_a_run_of_a_dag_that_they_may_not_read(store: Store) -> None:
    asked = []
    for number in range(6):
        add(store, number, dag="secret" if number % 2 else "open")

    def may_read(dag_id: str) -> bool:
        asked.append(dag_id)
        return dag_id == "open"

    for sort in listing.SORTS:
        page = listing.page(store, Wish(sort=sort), may_read=may_read, lost=lambda keys: ())
        assert {run.key.dag_id for run in page.runs} == {"open"}
        assert not page.more
    assert len(asked) == 2 * len(listing.SORTS)


def test_a_run_shows_its_new_state_at_once_and_counts_once(store: Store) -> None:
    run = add(store, 1, seconds=None)
    assert [listed.state for listed in found(store).runs] == ["running"]

    records.write(store, replace(run, state="failed", ended_at=run.started_at + timedelta(seconds=3)))
    assert [(listed.state, listed.duration) for listed in found(store).runs] == [("failed", 3.0)]

    again = replace(run, started_at=run.started_at + timedelta(minutes=5))  # the same try, begun anew
    records.write(store, again)
    assert [listed.started_at for listed in found(store).runs] == [again.started_at]


def test_a_run_whose_record_was_deleted_is_left_out(store: Store) -> None:
    add(store, 1)
    add(store, 2, dag="gone")
    shutil.rmtree(next(store.runs.glob("gone")))

    assert numbers(found(store)) == [1]


def test_entries_are_made_anew_where_there_are_none(store: Store) -> None:
    for number in (1, 2):
        add(store, number, dag="x" * 250 if number == 2 else HOSTILE)
    before = found(store)
    shutil.rmtree(store.root / "cache" / "runs")

    assert found(store) == before
    assert numbers(before) == [2, 1]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"key": 5}', b"\xff", b'{"state": {}}'])
def test_a_damaged_entry_hides_its_own_run_alone(store: Store, content: bytes) -> None:
    add(store, 1)
    add(store, 2)
    found(store)
    folder = store.root / "cache" / "runs"
    path = max(path for path in folder.glob("*/*") if path.is_file())
    path.write_bytes(content)
    index._ended.clear()

    assert numbers(found(store)) == [1]


def test_the_newest_runs_need_few_entries_and_no_order_needs_records(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = index._read
    for number in range(40):
        add(store, number)
    found(store)

    def counted(path: str, parse: Any) -> Any:
        read.append(path)
        return original(path, parse)

    monkeypatch.setattr(index, "_read", counted)
    monkeypatch.setattr(records, "_load", lambda path: pytest.fail(f"{path} is read"))

    assert numbers(found(store, limit=2)) == [39, 38]
    assert len(read) <= listing._CHUNK
    assert numbers(found(store, limit=2, sort="duration", descending=False))
    assert numbers(found(store, state="failed")) == []


def test_no_more_than_the_newest_are_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST", 3)
    for number in range(5):
        add(store, number)

    page = found(store, sort="dag")

    assert (sorted(numbers(page)), page.cut) == ([2, 3, 4], True)
    assert not found(store, sort="dag", since=START + timedelta(minutes=3)).cut


@pytest.mark.parametrize(
    ("raised", "stopped", "state", "error"),
    [
        (None, False, "success", None),
        (SparkError("no pa55word"), False, "failed", "no ***"),
        (SparkError("no"), True, "killed", "no"),
        (KeyboardInterrupt(), False, "killed", "The task was ended by KeyboardInterrupt"),
    ],
)
def test_what_is_done_within_is_recorded(
    store: Store, raised: BaseException | None, stopped: bool, state: str, error: str | None
) -> None:
    run = Run(key=RunKey("d", "r", "t"), kind="notebook", state="running", started_at=START)

    def work() -> None:
        with recording.recorded(
            store, run, redact=lambda text: text.replace("pa55word", "***"), stopped=lambda: stopped
        ):
            assert records.read(store, run.key) == run
            if raised is not None:
                raise raised

    if raised is None:
        work()
    else:
        with pytest.raises(type(raised)):
            work()

    kept = records.read(store, run.key)
    assert (kept.state, kept.error, kept.kind) == (state, error, "notebook")
    assert kept.ended_at is not None


def test_a_word_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidError, match=r"state is 'x': choose one of running, success"):
        listing.checked("x", listing.STATES, field="state")
