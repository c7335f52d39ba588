"""The notebooks that an account may choose from: its own and the shared ones, and no way out of them."""

from __future__ import annotations

from pathlib import Path

from couture_workflow.services.notebooks import folders
from tests.support.people_notebooks import write

HOSTILE = "a'b\"<&>ü"


def test_own_notebooks_come_first_and_nobody_elses(tmp_path: Path) -> None:
    for path in (
        "shared/all.ipynb",
        "ann/deep/er/x.ipynb",
        f"ann/{HOSTILE}.ipynb",
        "ann/rows.csv",
        "ann/.hidden/y.ipynb",
        "bob/his.ipynb",
        "examples/first.ipynb",
    ):
        write(tmp_path, path, "{}")
    (tmp_path / "notebooks/ann/link.ipynb").symlink_to(tmp_path / "notebooks/bob/his.ipynb")
    (tmp_path / "notebooks/ann/out").symlink_to(tmp_path / "notebooks/bob")

    found = folders.notebooks(tmp_path / "notebooks", "ann")

    assert found == (f"ann/{HOSTILE}.ipynb", "ann/deep/er/x.ipynb", "shared/all.ipynb")


def test_many_other_files_hide_no_notebook(tmp_path: Path) -> None:
    for number in range(folders.MOST_FILES + 50):
        write(tmp_path, f"ann/a{number}.csv", "")
    write(tmp_path, "ann/z.ipynb", "{}")

    assert folders.notebooks(tmp_path / "notebooks", "ann") == ("ann/z.ipynb",)
    assert len(folders.beside(tmp_path / "notebooks", "ann/z.ipynb")) == folders.MOST_FILES


def test_account_without_a_folder_has_none(tmp_path: Path) -> None:
    assert folders.notebooks(tmp_path / "notebooks", "a/../b") == ()
