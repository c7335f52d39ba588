"""The folder that cells run in: what they see beside the notebook, and what becomes of what they write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couture_workflow.services.notebooks import workspace
from couture_workflow.services.notebooks.workspace import Limits, Made

LIMITS = Limits(file=100, total=1_000, entries=100)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Return a repository with a notebook in it."""
    files = {
        "data/table.csv": "1",
        "notebooks/report/n.ipynb": "{}",
        "notebooks/report/helper ü.py": "x = 1",
        "notebooks/report/sub/deep.csv": "2",
        "notebooks/other.csv": "3",
        "notebooks/report/.hidden": "h",
        "notebooks/report/.ipynb_checkpoints/n.ipynb": "{}",
        ".git/config": "",
    }
    for name, text in files.items():
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "top" / "notebooks" / "report" / "to-data").symlink_to("../../data")
    (tmp_path / "top" / "notebooks" / "report" / "broken").symlink_to("nowhere")
    (tmp_path / "outside.csv").write_text("outside")
    (tmp_path / "top" / "out").symlink_to(tmp_path / "outside.csv")
    return tmp_path / "top"


def made_in(tmp_path: Path, top: Path, limits: Limits = LIMITS) -> tuple[Path, Made]:
    """Return the run's own folder, and what was made in it."""
    own = tmp_path / "own"
    own.mkdir()
    source = top / "notebooks" / "report" / "n.ipynb"
    return own, workspace.make(own, source, top=top, limits=limits)


def state(folder: Path) -> dict[str, str]:
    """Return every file of a folder with its text."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def test_cells_see_what_lies_beside_and_above(tmp_path: Path, top: Path) -> None:
    _, made = made_in(tmp_path, top)

    def text(name: str) -> str:
        return (made.folder / name).read_text()

    assert text("helper ü.py") == "x = 1" and text("sub/deep.csv") == "2" and text(".hidden") == "h"
    assert text("../../data/table.csv") == "1" and text("../other.csv") == "3"
    assert text("to-data/table.csv") == "1" and text("../../out") == "outside"
    assert not (made.folder / ".ipynb_checkpoints").exists() and not (made.folder / "../../.git").exists()
    assert made.linked == []


def test_what_cells_write_is_collected_and_the_originals_stay(tmp_path: Path, top: Path) -> None:
    before = state(top)
    own, made = made_in(tmp_path, top)
    folder = made.folder

    (folder / "result.csv").write_text("new")
    (folder / "sub" / "deep.csv").write_text("changed")
    (folder / "new folder").mkdir()
    (folder / "new folder" / "plot ü.png").write_text("png")
    (folder / "../../data/table.csv").write_text("changed too")
    (folder / "to-data" / "more.csv").write_text("more")
    (folder / "helper ü.py").unlink()
    (folder / os.fsdecode(b"no\xff.text")).write_text("bytes")
    (folder / "stolen").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("")
    workspace.collect(own)

    assert state(own) == {
        "files/no\ufffd.text": "bytes",
        "files/result.csv": "new",
        "files/sub/deep.csv": "changed",
        "files/new folder/plot ü.png": "png",
        "files/_elsewhere/data/table.csv": "changed too",
        "files/_elsewhere/data/more.csv": "more",
    }
    assert not (own / "files" / "stolen").is_symlink()
    assert state(top) == before


def test_a_rewrite_with_the_same_length_counts_as_written(tmp_path: Path, top: Path) -> None:
    own, made = made_in(tmp_path, top)
    path = made.folder / "sub" / "deep.csv"
    os.utime(path, ns=(1, 1))

    workspace.collect(own)

    assert state(own) == {"files/sub/deep.csv": "2"}


def test_too_much_is_linked_the_notebooks_folder_last(tmp_path: Path, top: Path) -> None:
    (top / "notebooks" / "report" / "large.bin").write_text("x" * 101)
    for number in range(30):
        (top / f"many{number}").mkdir()
        (top / f"many{number}" / "f").write_text(str(number))
    own, made = made_in(tmp_path, top, Limits(file=100, total=1_000, entries=30))

    assert "notebooks/report/large.bin" in made.linked
    assert not [each for each in made.linked if each.startswith("notebooks/report/sub")]
    assert [(made.folder / f"../../many{number}/f").read_text() for number in range(30)] == [
        str(number) for number in range(30)
    ]
    before = state(top)
    workspace.collect(own)
    assert state(top) == before and state(own) == {}


def test_a_notebook_outside_of_the_top_sees_its_own_folder(tmp_path: Path, top: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "n.ipynb").write_text("{}")
    (other / "data.csv").write_text("here")

    made = workspace.make(own, other / "n.ipynb", top=top, limits=LIMITS)

    assert state(made.folder) == {"n.ipynb": "{}", "data.csv": "here"}


def test_a_run_that_was_killed_while_it_copied_leaves_nothing(tmp_path: Path, top: Path) -> None:
    own, _ = made_in(tmp_path, top)
    (own / "copied.json").unlink()

    workspace.collect(own)
    workspace.collect(own)

    assert list(own.iterdir()) == []


def test_folders_of_others_are_linked_and_the_own_folder_is_left_out(tmp_path: Path, top: Path) -> None:
    own = top / "home" / "outputs" / "1"
    own.mkdir(parents=True)
    (top / "home" / "secrets").write_text("secret")
    (top / "n.ipynb").write_text("{}")

    made = workspace.make(own, top / "n.ipynb", top=None, limits=workspace.OF_ALL)

    assert sorted(path.name for path in made.folder.iterdir()) == ["data", "n.ipynb", "notebooks", "out"]
    assert (made.folder / "data").is_symlink() and made.linked == []
    assert (made.folder / "data" / "table.csv").read_text() == "1"
