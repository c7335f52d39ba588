"""Records of misses: they are kept as a whole, listed by time and for whom they are for, and swept."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from couture_workflow.exceptions import ConflictError, InvalidError, NotFoundError
from couture_workflow.services.sla import listing, message, misses, notes, telling
from couture_workflow.services.sla.judging import Late
from couture_workflow.services.sla.listing import Wish
from couture_workflow.services.sla.misses import Miss, Notice
from couture_workflow.store.home import Store

HOSTILE = "a'b\"<&>ü"
DUE = datetime(2026, 1, 31, 8, tzinfo=UTC)


def miss(dag_id: str = HOSTILE, *, run: int = 0, **others: Any) -> Miss:
    due = DUE + timedelta(hours=run)
    found = Miss(
        id=misses.identity(dag_id, f"run {run}", due, 3600),
        dag_id=dag_id,
        run_id=f"run {run}",
        logical_date=due - timedelta(hours=2),
        interval_end=due - timedelta(hours=1),
        due=due,
        seconds=3600,
        found_at=due + timedelta(seconds=7),
        tasks=(Late(HOSTILE, "running", due - timedelta(hours=1), None, 1, 1),),
        blocking=(("first", "failed"),),
        mail=Notice("waiting", ("ann@example.org",)),
    )
    return replace(found, **others)


def listed(store: Store, may_read: Any = lambda _: True, **wish: Any) -> list[str]:
    return [row.miss.run_id for row in listing.page(store, Wish(**wish), may_read=may_read).rows]


def test_a_record_is_read_as_it_was_written_and_replaced_as_a_whole(store: Store) -> None:
    first = miss()
    assert not misses.exists(store, first.id)

    misses.put(store, first)
    assert misses.exists(store, first.id)
    assert misses.get(store, first.id) == first

    told = replace(first, mail=telling.done(first.mail, DUE))
    misses.put(store, told)
    assert misses.get(store, first.id) == told
    assert told.notified
    assert not told.waits
    for name in ("../../config.git/HEAD", "2026-01-31/../x", "", "2026-01-31/080000-zz"):
        with pytest.raises(NotFoundError):
            misses.get(store, name)


def test_the_list_has_filters_pages_and_only_what_the_reader_may_see(store: Store) -> None:
    for number in range(3):
        misses.put(store, miss(run=number))
    sent = miss("other", run=30)
    misses.put(store, replace(sent, mail=telling.done(sent.mail, DUE)))
    damaged = store.root / "sla" / "misses" / "2026-01-31" / "090000-0123456789abcdef.json"
    damaged.write_text("{")

    assert listed(store) == ["run 30", "run 2", "run 1", "run 0"]
    assert listed(store, lambda dag_id: dag_id == "other") == ["run 30"]
    assert listed(store, offset=1, limit=2) == ["run 2", "run 1"]
    assert listed(store, dag_id=HOSTILE, text="RUN 1") == ["run 1"]
    assert listed(store, notified="sent") == ["run 30"]
    assert listed(store, notified="not_sent", until=DUE) == ["run 0"]
    assert listed(store, since=DUE + timedelta(hours=2)) == ["run 30", "run 2"]
    assert listed(store, documented="documented") == []

    notes.write(store, miss(run=1), text=f" {HOSTILE}\n", done=True, by="ann")
    assert listed(store, documented="documented") == ["run 1"]
    assert listed(store, documented="open") == ["run 30", "run 2", "run 0"]
    [row] = listing.page(store, Wish(documented="documented"), may_read=lambda _: True).rows
    assert row.note is not None
    assert (row.note.text, row.note.by) == (HOSTILE, "ann")
    rows = listing.page(store, Wish(offset=1), may_read=lambda _: True).rows
    assert {each.miss.run_id for each in rows if each.note} == {row.miss.run_id}
    with pytest.raises(InvalidError):
        notes.write(store, miss(run=1), text="x" * (notes.LONGEST + 1), done=True, by="ann")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("due", "2026-01-31T08:00:00"),
        ("dag_id", 1),
        ("seconds", None),
        ("tasks", [{"task_id": None}]),
        ("tasks", {}),
        ("mail", {"state": "posted"}),
        ("mail", []),
        ("more", "than there is"),
    ],
)
def test_a_damaged_record_is_left_out_and_is_found_no_second_time(
    store: Store, part: str, value: object
) -> None:
    good, bad = miss(run=0), miss(run=1)
    for each in (good, bad):
        misses.put(store, each)
    path = store.root / "sla" / "misses" / f"{bad.id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), part: value}))

    assert listed(store) == ["run 0"]
    assert misses.exists(store, bad.id)
    with pytest.raises(NotFoundError):
        misses.get(store, bad.id)
    path.write_text("[" * 100_000)
    assert listed(store) == ["run 0"]


def test_of_two_who_note_at_once_one_is_told(store: Store) -> None:
    missed = miss()
    misses.put(store, missed)

    def note(text: str, base: str | None) -> str:
        return notes.write(store, missed, text=text, done=True, by=HOSTILE, base=base).at.isoformat()

    first = note("first", "")
    with pytest.raises(ConflictError, match="has changed this note meanwhile"):
        note("second", "")
    kept = notes.read(store, missed)
    assert kept is not None
    assert kept.text == "first"
    note("third", first)
    note("whatever it is", None)


def test_a_list_that_looked_at_no_older_records_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST", 2)
    for number in range(3):
        misses.put(store, miss(run=number))

    found = listing.page(store, Wish(text="run 0"), may_read=lambda _: True)
    assert (found.rows, found.cut) == ((), True)
    assert listing.page(store, Wish(text="run 0", until=DUE), may_read=lambda _: True).cut is False
    assert listed(store, text="run 0", until=DUE) == ["run 0"]


def test_csv_has_all_columns_and_no_formula(store: Store) -> None:
    misses.put(store, miss("=1+1", tasks=(Late("a,b", "", None, None, 1, 1),)))
    found = listing.page(store, Wish(), may_read=lambda _: True).rows

    head, line = listing.as_csv(found).splitlines()
    assert head.split(",") == list(listing.COLUMNS)
    assert line.startswith('\'=1+1,"a,b",run 0,2026-01-31T06:00:00+00:00,2026-01-31T08:00:00+00:00,3600,')
    assert "not started" in line


def test_the_mail_says_who_missed_and_who_blocks() -> None:
    found = [miss(run=0), miss(run=1)]

    assert message.subject("x") == "[airflow] SLA miss on DAG=x"
    assert message.task_list(found).splitlines() == [
        f"{HOSTILE} on 2026-01-31T06:00:00+00:00",
        f"{HOSTILE} on 2026-01-31T07:00:00+00:00",
    ]
    body = message.body(found, address="https://example.org/couture/sla-misses/")
    assert "first on 2026-01-31T06:00:00+00:00" in body
    assert HOSTILE not in body
    assert "a&#x27;b&quot;&lt;&amp;&gt;ü" in body


def test_a_mail_in_vain_is_tried_later_again_and_at_last_no_more() -> None:
    notice = telling.begin(["ann@example.org"])
    assert telling.begin([]) == Notice()
    assert telling.is_due(notice, DUE)

    notice = telling.failed(notice, DUE, "nobody there")
    assert (notice.state, notice.error, notice.attempts) == ("waiting", "nobody there", 1)
    assert not telling.is_due(notice, DUE)
    assert telling.is_due(notice, DUE + timedelta(minutes=1))
    while notice.state == "waiting":
        notice = telling.failed(notice, DUE, "nobody there")
    assert (notice.state, notice.attempts) == ("failed", telling.MOST_ATTEMPTS)


def test_old_records_are_swept_with_their_notes(store: Store) -> None:
    old, new = miss(run=0), miss(run=48)
    for each in (old, new):
        misses.put(store, each)
        notes.write(store, each, text="known", done=False, by="ann")

    assert misses.sweep(store, days=1, now=DUE + timedelta(days=2)) == 1

    assert [each.id for each in misses.newest_first(store)] == [new.id]
    assert notes.read(store, old) is None
    assert notes.read(store, new) is not None
