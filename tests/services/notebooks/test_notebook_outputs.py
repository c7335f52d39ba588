"""What runs of notebooks leave: what is listed, what is given, and what is swept."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from couture_workflow.services.notebooks import opening, outputs, progress, workspace
from couture_workflow.services.notebooks.outputs import Keep
from couture_workflow.services.runs.records import RunKey
from couture_workflow.store.home import Store

HOSTILE = "../a'b\"<&>ü/.."
KEY = RunKey(HOSTILE, "manual__2026-01-01T00:00:00+00:00", "task")


def ran(store: Store, key: RunKey, keep: Keep | None = None, *, days_ago: float = 0) -> Path:
    """Make the outputs of a try that began some days ago."""
    own = outputs.begin(store, key, keep or Keep())
    (own / outputs.NOTEBOOK).write_text("{}")
    about = json.loads((own / "about.json").read_bytes())
    about["began_at"] = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()
    (own / "about.json").write_text(json.dumps(about))
    return own


def left(store: Store, key: RunKey, runs: list[str]) -> list[str]:
    """Return which of some runs have outputs."""
    return [run for run in runs if outputs.folder(store, replace(key, run_id=run)).exists()]


def test_the_outputs_are_listed_with_their_kinds_and_sizes(store: Store) -> None:
    own = ran(store, KEY)
    (own / outputs.HTML_WITHOUT_CODE).write_text("<p>")
    (own / "files" / "b").mkdir(parents=True)
    (own / "files" / "b" / "x ü.csv").write_text("1")
    (own / "files" / "a.csv").write_text("12")
    (own / "files" / "link").symlink_to("/etc/passwd")
    os.mkfifo(own / "files" / "pipe")
    (own / "other").write_text("not listed")

    found = outputs.listing(store, KEY)

    assert [(each.name, each.kind, each.size) for each in found.outputs] == [
        ("output.ipynb", "notebook", 2),
        ("output-no-code.html", "html without code", 3),
        ("files/a.csv", "file", 2),
        ("files/b/x ü.csv", "file", 1),
    ]
    with opening.opened(store, KEY, "files/b/x ü.csv") as file:
        assert file.read() == b"1"
    assert own.is_relative_to(store.outputs)


def test_a_list_ends_somewhere(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "MOST", 4)
    own = ran(store, KEY)
    (own / "files").mkdir()
    for number in range(9):
        (own / "files" / f"{number}").touch()

    found = outputs.listing(store, KEY)

    assert (len(found.outputs), found.left_out) == (4, 6)


def test_of_a_try_without_outputs_the_list_is_empty(store: Store) -> None:
    assert outputs.listing(store, KEY).outputs == ()
    assert progress.read(store, KEY) is None
    outputs.delete(store, KEY)
    outputs.delete_task(store, "none")
    assert outputs.sweep(store) == 0


def test_outputs_are_deleted_by_try_by_task_and_by_dag(store: Store) -> None:
    second, other = replace(KEY, try_number=2), replace(KEY, task_id="other")
    for key in (KEY, second, other):
        ran(store, key)
    assert outputs.room(store, HOSTILE).tries == 3
    assert outputs.room(store, HOSTILE, "task").tries == 2

    outputs.delete(store, KEY)
    assert [outputs.folder(store, key).exists() for key in (KEY, second, other)] == [False, True, True]
    outputs.delete_task(store, HOSTILE, "task")
    assert [outputs.folder(store, key).exists() for key in (KEY, second, other)] == [False, False, True]
    outputs.delete_task(store, HOSTILE)
    assert outputs.room(store, HOSTILE) == outputs.Room(0, 0)


def test_the_newest_runs_stay_with_all_their_tries(store: Store) -> None:
    runs = [f"run {number}" for number in range(6)]
    for number, run in enumerate(runs):
        for try_number in (1, 2):
            ran(store, replace(KEY, run_id=run, try_number=try_number), Keep(2), days_ago=10 - number)
    ran(store, replace(KEY, run_id="run 0", map_index=0), Keep(2), days_ago=50)

    assert outputs.sweep_task(store, KEY.dag_id, KEY.task_id) == 4

    assert left(store, KEY, runs) == runs[4:]
    assert outputs.folder(store, replace(KEY, run_id="run 5", try_number=2)).exists()
    assert outputs.folder(store, replace(KEY, run_id="run 0", map_index=0)).exists()


def test_what_is_old_goes_but_never_the_newest(store: Store) -> None:
    for days in (20, 30, 40):
        ran(store, replace(KEY, run_id=str(days)), Keep(0, 25), days_ago=days)
    ran(store, replace(KEY, task_id="other"), Keep(0, 25), days_ago=400)

    assert outputs.sweep(store) == 2

    assert left(store, KEY, ["20", "30", "40"]) == ["20"]
    assert outputs.folder(store, replace(KEY, task_id="other")).exists()


def test_what_runs_stays_until_it_says_nothing_any_more(store: Store) -> None:
    runs = ["old", "newer", "newest"]
    for number, run in enumerate(runs):
        ran(store, replace(KEY, run_id=run), Keep(1), days_ago=9 - number)
    old = outputs.folder(store, replace(KEY, run_id="old"))
    (old / outputs.PROGRESS).write_text("{}")

    outputs.sweep(store)
    assert left(store, KEY, runs) == ["old", "newest"]

    os.utime(old / outputs.PROGRESS, (0, 0))
    outputs.sweep(store)
    assert left(store, KEY, runs) == ["newest"]


def test_all_are_kept_on_demand_and_damage_is_no_obstacle(store: Store) -> None:
    for number in range(40):
        own = ran(store, replace(KEY, run_id=str(number)), Keep(0), days_ago=number)
    (own / "about.json").write_text("[")
    assert outputs.sweep(store) == 0

    (own.parents[2] / "keep.json").write_text("what?")
    assert outputs.sweep(store) == 10  # as without a word: 30 stay


def test_files_of_a_killed_run_are_found_by_the_sweep(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "n.ipynb"
    source.write_text("{}")
    own = ran(store, KEY)
    made = workspace.make(own, source, top=None, limits=workspace.OF_REPOSITORY)
    (made.folder / "new.csv").write_text("new")

    outputs.sweep(store)

    assert [each.name for each in outputs.listing(store, KEY).outputs] == ["output.ipynb", "files/new.csv"]
    assert not (own / "work").exists()


def test_a_try_that_begins_anew_has_nothing_of_before(store: Store) -> None:
    own = ran(store, KEY)

    assert outputs.begin(store, KEY, Keep()) == own

    assert outputs.listing(store, KEY).outputs == ()


def test_what_output_nb_named_goes_with_its_run_unless_another_run_replaced_it(store: Store) -> None:
    top = store.outputs / "notebooks"
    old, new = replace(KEY, run_id="old"), replace(KEY, run_id="new")
    (top / "day" / "deep").mkdir(parents=True)
    written = {old: ["same.ipynb", "day/deep/1.ipynb", "day/deep/1.html"], new: ["same.ipynb"]}
    for second, (key, names) in enumerate(written.items()):
        own = ran(store, key)
        for name in names:
            (top / name).write_text(key.run_id * 2)
            os.utime(top / name, (second, second))
        outputs.named(store, own, [*(top / name for name in names), top / "gone.ipynb"])

    outputs.delete(store, old)

    assert [path.name for path in top.iterdir()] == ["same.ipynb"]
    outputs.delete_task(store, KEY.dag_id)
    assert list(top.iterdir()) == []


def test_a_note_that_lies_deletes_nothing_outside(store: Store) -> None:
    own = ran(store, KEY)
    victim = store.root / "version"
    stamp = [victim.stat().st_size, victim.stat().st_mtime_ns]
    (store.outputs / "notebooks").mkdir(parents=True, exist_ok=True)
    (store.outputs / "notebooks" / "link").symlink_to(store.root)
    names = (
        "../version",
        "notebooks/../../version",
        str(victim),
        f"notebooks/{victim}",
        "link/version",
        "a\0b",
    )
    (own / "named.json").write_text(json.dumps(dict.fromkeys(names, stamp)))

    outputs.delete(store, KEY)

    assert victim.exists() and not own.exists()
