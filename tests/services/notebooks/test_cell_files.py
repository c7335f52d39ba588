"""Folders that cells wrote in: very deep, very wide, with links in a circle and names that are no text."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from couture_workflow.services.notebooks import cell_files, outputs, workspace
from couture_workflow.services.notebooks.cell_files import Walk
from couture_workflow.services.notebooks.outputs import Keep
from couture_workflow.services.notebooks.workspace import Limits
from couture_workflow.services.runs.records import RunKey
from couture_workflow.store.home import Store

DEEP = 5_000
KEY = RunKey("dag", "run", "task")
LIMITS = Limits(file=100, total=1_000, entries=100)


def deep(folder: Path, levels: int = DEEP, name: str = "d") -> None:
    """Make folders in each other, a file in each hundredth, deeper than any path can say."""
    number = os.open(folder, os.O_RDONLY)
    for level in range(1, levels + 1):
        os.mkdir(name, dir_fd=number)
        inner = os.open(name, os.O_RDONLY, dir_fd=number)
        os.close(number)
        number = inner
        if level % 100 == 0:
            os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=number))
    os.close(number)


def work_of(own: Path) -> Path:
    """Return the folder of cells below a run's own folder."""
    source = own.parent / "notebook"
    source.mkdir(exist_ok=True)
    (source / "n.ipynb").write_text("{}")
    return workspace.make(own, source / "n.ipynb", top=None, limits=LIMITS).folder


def kept(own: Path) -> list[str]:
    return sorted(path for path, _ in Walk(own / "files", entries=10_000))


def test_a_folder_is_removed_however_deep_it_is(tmp_path: Path) -> None:
    folder, victim = tmp_path / "folder", tmp_path / "victim"
    for each in (folder / "many", victim):
        each.mkdir(parents=True)
    (victim / "f").touch()
    deep(folder)
    deep(folder / "many", name="ü" * 100)
    (folder / os.fsdecode(b"no\xff")).mkdir()
    (folder / "many" / "round").symlink_to(folder)
    (folder / "to-victim").symlink_to(victim)
    os.mkfifo(folder / "pipe")

    cell_files.remove(folder)
    cell_files.remove(folder)

    assert not folder.exists() and (victim / "f").exists()
    (tmp_path / "link").symlink_to(victim)
    cell_files.remove(tmp_path / "link")
    assert (victim / "f").exists()


def test_a_walk_ends_somewhere_and_says_so(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}").mkdir()
        (tmp_path / f"{number:02}" / "f").touch()
    (tmp_path / "00" / "round").symlink_to(tmp_path)

    walk = Walk(tmp_path, entries=61)
    assert [path for path, _ in walk] == [f"{number:02}/f" for number in range(30)]
    assert walk.is_whole and walk.left == 0
    for entries, found in ((60, 29), (40, 9), (5, 0), (0, 0)):
        walk = Walk(tmp_path, entries=entries)
        assert (len(list(walk)), walk.is_whole) == (found, False)


def test_a_deep_folder_is_listed_as_far_as_it_is_looked_into(store: Store) -> None:
    own = outputs.begin(store, KEY, Keep())
    (own / "files").mkdir()
    deep(own / "files")

    found = outputs.listing(store, KEY)

    assert [each.name for each in found.outputs] == [f"files/{'d/' * 100}f"] and found.left_out == 1
    assert outputs.room(store, "dag") == outputs.Room(1, outputs.room(store, "dag").size, is_whole=False)
    assert outputs.begin(store, KEY, Keep()) == own and not (own / "files").exists()


def test_what_cells_write_is_moved_although_some_of_it_is_too_deep(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    folder = work_of(own)
    deep(folder)
    (folder / "result.csv").write_text("1")
    (folder / "z").mkdir()
    (folder / "z" / "last.csv").write_text("1")

    told = workspace.collect(own)

    assert kept(own) == [f"{'d/' * 100}f", "result.csv", "z/last.csv"]
    assert "100 deep" in told and "archive" in told
    assert sorted(path.name for path in own.iterdir()) == ["files"]


def test_more_than_may_be_kept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "MOST", 20)
    own = tmp_path / "own"
    own.mkdir()
    folder = work_of(own)
    for number in range(50):
        (folder / f"{number}.csv").touch()

    told = workspace.collect(own)

    assert len(kept(own)) in (19, 20) and "more than 20 files" in told
    assert not (own / "work").exists()


def test_names_that_are_no_text_are_all_kept(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    folder = work_of(own)
    names = [
        b"a\xff.csv",
        b"a\xfe.csv",
        b"\xff" * 255,
        b"\xfe" * 255,
        "ü".encode() * 127,
        b"x\xff/y\xff",
        b"x\xfe/y\xff",
    ]
    for number, name in enumerate(names):
        path = folder / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(number))

    assert workspace.collect(own) == ""

    found = kept(own)
    assert sorted((own / "files" / path).read_text() for path in found) == [str(n) for n in range(len(names))]
    assert "a\ufffd.csv" in found and not any("\udc80" <= c <= "\udcff" for path in found for c in path)


def test_what_cannot_be_moved_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    top = tmp_path / "top"
    (top / "in").mkdir(parents=True)
    (top / "in" / "n.ipynb").write_text("{}")
    made = workspace.make(own, top / "in" / "n.ipynb", top=top, limits=LIMITS)
    (made.folder / "_elsewhere").write_text("in the way")
    (made.folder / "z.csv").write_text("1")
    (made.folder.parent / "above.csv").write_text("1")
    (own / "files").mkdir()
    (own / "files" / "y").write_text("in the way")
    (made.folder / "y").mkdir()
    (made.folder / "y" / "y.csv").write_text("1")

    told = workspace.collect(own)

    *found, own_name = sorted(kept(own), key=lambda path: path.startswith("_elsewhere-"))
    assert found == ["_elsewhere/above.csv", "y", "z.csv"] and own_name.startswith("_elsewhere-")
    assert "cannot be kept: 1, such as" in told and '"in/y/y.csv"' in told


@pytest.mark.parametrize(
    "text", ["[", "[]", "1", '{"folder": 1, "files": {}}', '{"folder": ".", "files": 1}', "[" * 100_000]
)
def test_a_note_that_cells_wrote_over_is_no_obstacle(tmp_path: Path, text: str) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (work_of(own) / "x.csv").touch()
    (own / "copied.json").write_text(text)

    workspace.collect(own)

    assert [path for path in own.iterdir() if path.name != "files"] == []


def test_a_notebook_in_a_folder_that_is_very_deep_runs_all_the_same(tmp_path: Path) -> None:
    own, source = tmp_path / "own", tmp_path / "notebook"
    for each in (own, source):
        each.mkdir()
    (source / "n.ipynb").write_text("{}")
    deep(source, 3_000, "x" * 100)

    made = workspace.make(own, source / "n.ipynb", top=None, limits=workspace.OF_PERSON)
    (made.folder / "new.csv").touch()

    assert made.linked and workspace.collect(own) == ""
    assert kept(own) == ["new.csv"]
    assert next(source.iterdir()).exists()
    cell_files.remove(source)


def test_what_cells_call_a_note_deletes_nothing(store: Store) -> None:
    own = outputs.begin(store, KEY, Keep())
    victim = store.outputs / "notebooks" / "other.ipynb"
    victim.parent.mkdir(parents=True)
    victim.write_text("{}")
    stamp = [2, victim.stat().st_mtime_ns]
    (own / "files" / "5").mkdir(parents=True)
    (own / "files" / "5" / "named.json").write_text(json.dumps({"notebooks/other.ipynb": stamp}))

    outputs.delete_task(store, "dag")

    assert victim.exists() and not own.exists()
