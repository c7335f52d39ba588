"""The DAG folder of an older home moves into the repository; nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from couture_workflow.services.dags import former as former_dags
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.store.home import Store


@pytest.fixture
def folder(store: Store) -> Path:
    made = store.root / "dags"
    (made / "team" / "__pycache__").mkdir(parents=True)
    (made / "team" / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"x")
    (made / "team" / "a.py").write_bytes(b"1\r\n")
    (made / "a b.py").write_bytes(b"2")
    return made


def test_folder_is_saved_once_and_kept_under_another_name(store: Store, folder: Path) -> None:
    told = former_dags.move(store, folder)

    assert told.startswith(
        f"Moved 1 file(s) of {folder} into {store.dags.path}; the folder is dags.imported-"
    )
    assert "1 file(s) have names that cannot be saved: a b.py." in told
    assert dag_repository.read_all(store) == {"team/a.py": b"1\r\n"}
    (kept,) = store.root.glob("dags.imported-*")
    assert (kept / "a b.py").read_bytes() == b"2"
    assert not folder.exists()
    assert former_dags.move(store, folder) == ""


def test_repository_with_a_version_is_left_alone(store: Store, folder: Path) -> None:
    store.dags.save({"new.py": b""}, author="ann", message="", base=None)

    assert "is not read" in former_dags.move(store, folder)

    assert dag_repository.read_all(store) == {"new.py": b""}
    assert (folder / "team" / "a.py").is_file()


def test_empty_folder_goes_without_a_word(store: Store) -> None:
    (store.root / "dags").mkdir()

    assert former_dags.move(store, store.root / "dags") == ""

    assert not (store.root / "dags").exists()
    assert store.dags.head() is None
