"""The digest of what a copy would be: right after each change, and what is the same is read once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.notebooks import document, folders
from couture_workflow.services.processes import apart
from tests.support.people_notebooks import notebook, write


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths that are read in another process."""
    found: list[str] = []
    each = apart.each

    def counted(function: str, common: Any, items: Any, **more: Any) -> Any:
        found.extend(items)
        return each(function, common, items, **more)

    monkeypatch.setattr(apart, "each", counted)
    return found


def old(path: Path) -> Path:
    """Make a file one that was changed long ago, as far as its time of change can say it."""
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def test_file_that_is_the_same_is_read_once(
    tmp_path: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_SETTLED", 0.0)
    top = tmp_path / "notebooks"
    for path in ("ann/a.ipynb", "ann/b.ipynb"):
        old(write(tmp_path, path, notebook("1")))

    first = document.copy_digests(top, ["ann/a.ipynb", "ann/b.ipynb", "ann/gone.ipynb"])
    write(tmp_path, "ann/b.ipynb", notebook("2"))
    second = document.copy_digests(top, ["ann/b.ipynb", "ann/a.ipynb", "ann/gone.ipynb"])

    assert first[0] == first[1] == second[1] != second[0]
    assert (first[2], second[2]) == ("", "")
    assert looks == ["ann/a.ipynb", "ann/b.ipynb", "ann/gone.ipynb", "ann/b.ipynb", "ann/gone.ipynb"]


def test_file_that_was_changed_only_just_is_read_again(tmp_path: Path, looks: list[str]) -> None:
    top = tmp_path / "notebooks"
    write(tmp_path, "ann/a.ipynb", notebook("1"))

    before = document.copy_digests(top, ["ann/a.ipynb"])
    write(tmp_path, "ann/a.ipynb", notebook("2"))  # as long as before, and in the same moment
    after = document.copy_digests(top, ["ann/a.ipynb"])

    assert before != after
    assert looks == ["ann/a.ipynb", "ann/a.ipynb"]


def test_more_notebooks_than_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_SETTLED", 0.0)
    monkeypatch.setattr(document, "_MOST_DIGESTS", 2)
    paths = [f"ann/{number}.ipynb" for number in range(3)]
    for number, path in enumerate(paths):
        old(write(tmp_path, path, notebook(str(number))))
    first = document.copy_digests(tmp_path / "notebooks", paths[:2])

    both = document.copy_digests(tmp_path / "notebooks", paths)

    assert both[:2] == first
    assert len(set(both)) == 3


def test_link_in_the_place_of_a_notebook_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_SETTLED", 0.0)
    top = tmp_path / "notebooks"
    other = old(write(tmp_path, "bob/b.ipynb", notebook("secret")))
    mine = old(write(tmp_path, "ann/a.ipynb", notebook("1")))
    assert document.copy_digests(top, ["bob/b.ipynb", "ann/a.ipynb"]) != ["", ""]
    mine.unlink()
    mine.symlink_to(other)

    assert document.copy_digests(top, ["ann/a.ipynb"]) == [""]
