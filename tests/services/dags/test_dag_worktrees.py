"""Folders of versions: whole or not there, made again when they are missing, swept when nobody needs them."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from couture_workflow.services.dags import imports as dag_imports
from couture_workflow.services.dags import worktrees as dag_worktrees
from couture_workflow.services.dags.worktrees import Tracking
from couture_workflow.store.home import Store

DAG = b"from airflow.sdk import DAG\n"


def save(store: Store, changes: dict[str, bytes | None]) -> str:
    return store.dags.save(changes, author="ann", message="m", base=store.dags.head()).id


def fresh(tracking: Tracking) -> set[str]:
    """Return the files that Airflow takes for changed since a minute ago."""
    root = tracking.path
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)) for path in files if path.stat().st_mtime > time.time() - 60}


def age(tracking: Tracking) -> None:
    for path in tracking.path.rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))


def test_version_is_made_once_and_what_a_killed_process_left_is_removed(store: Store, tmp_path: Path) -> None:
    commit = save(store, {"a.py": DAG, "folder/b.sql": b"select\r\n"})
    half = tmp_path / "versions" / ".tmp-killed"
    half.mkdir(parents=True)
    (half / "a.py").write_bytes(b"ha")

    made = dag_worktrees.make_version(store, tmp_path / "versions", commit)
    (made / "a.py").write_bytes(b"as a task left it")
    again = dag_worktrees.make_version(store, tmp_path / "versions", commit)

    assert again == made == tmp_path / "versions" / commit
    assert (made / "a.py").read_bytes() == b"as a task left it"
    assert (made / "folder" / "b.sql").read_bytes() == b"select\r\n"
    assert not half.exists()


def test_tracking_folder_follows_and_only_what_changed_looks_changed(store: Store, tmp_path: Path) -> None:
    tracking = Tracking(tmp_path)
    tracking.switch(store, None)
    assert (tracking.commit(), list(tracking.path.iterdir())) == (None, [])

    files: dict[str, bytes | None] = {f"d{number}.py": DAG for number in range(5)}
    first = save(store, files)
    tracking.switch(store, first)
    assert tracking.commit() == first
    age(tracking)
    second = save(store, {"d1.py": DAG + b"# new", "d2.py": None, "d9.py": DAG})
    tracking.switch(store, second)

    assert tracking.commit() == second
    assert sorted(path.name for path in tracking.path.iterdir()) == [
        "d0.py",
        "d1.py",
        "d3.py",
        "d4.py",
        "d9.py",
    ]
    assert fresh(tracking) == {"d1.py", "d9.py"}
    age(tracking)
    tracking.switch(store, first)
    assert fresh(tracking) == {"d1.py", "d2.py"}
    assert (tracking.path / "d1.py").read_bytes() == DAG


def test_files_that_need_a_changed_one_look_changed_too(store: Store, tmp_path: Path) -> None:
    tracking = Tracking(tmp_path)
    files: dict[str, bytes | None] = {
        "direct.py": DAG + b"from lib.values import X\n",
        "indirect.py": DAG + b"from lib import (\n    middle,\n)\n",
        "reads.py": DAG + b"open('tables.yaml')\n",
        "other.py": DAG + b"import json\n",
        "lib/__init__.py": b"",
        "lib/values.py": b"X = 1\n",
        "lib/middle.py": b"import lib.values as v\n",
        "config/tables.yaml": b"a: 1\n",
    }
    tracking.switch(store, save(store, files))
    age(tracking)

    tracking.switch(store, save(store, {"lib/values.py": b"X = 2\n"}))
    assert fresh(tracking) == {"direct.py", "indirect.py", "lib/middle.py", "lib/values.py"}

    age(tracking)
    tracking.switch(store, save(store, {"config/tables.yaml": b"a: 2\n"}))
    assert fresh(tracking) == {"reads.py", "config/tables.yaml"}

    age(tracking)
    tracking.switch(store, save(store, {"lib/values.py": None}))
    assert fresh(tracking) == {"direct.py", "indirect.py", "lib/middle.py"}


def test_many_changes_concern_every_file() -> None:
    changed = {f"{number}.sql" for number in range(dag_imports.MANY + 1)}

    found = dag_imports.concerned(changed, {"a.py": "1"}, {"1": frozenset()}, mentioning=lambda words: ())

    assert found == {"a.py"}


def test_earlier_tree_stays_for_parses_that_began_in_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = Tracking(tmp_path)
    tracking.switch(store, save(store, {"a.py": b"1"}))
    before = tracking.path.resolve()
    tracking.switch(store, save(store, {"a.py": b"2"}))
    assert (before / "a.py").read_bytes() == b"1"
    monkeypatch.setattr(dag_worktrees, "REPLACED", 0.0)

    tracking.switch(store, save(store, {"a.py": b"3"}))
    tracking.switch(store, save(store, {"a.py": b"4"}))

    assert len(list((tmp_path / "trees").iterdir())) == 2
    assert (tracking.path / "a.py").read_bytes() == b"4"


def test_damaged_tree_is_made_again_from_the_repository(store: Store, tmp_path: Path) -> None:
    tracking = Tracking(tmp_path)
    tracking.switch(store, save(store, {"a.py": b"1", "b.py": b"1"}))
    (tracking.path / "b.py").unlink()

    tracking.switch(store, save(store, {"a.py": b"2"}))

    assert (tracking.path / "b.py").read_bytes() == b"1"


def test_old_versions_that_nobody_uses_are_swept(tmp_path: Path) -> None:
    versions, usage = tmp_path / "versions", tmp_path / "usage"
    usage.mkdir()
    for number in range(6):
        (versions / str(number)).mkdir(parents=True)
        if number < 5:
            (usage / str(number)).write_text("2026-01-01")
            os.utime(usage / str(number), (number, number))
        os.utime(versions / str(number), (number, number))
    (usage / "gone").write_text("2026-01-01")
    os.utime(usage / "gone", (0, 0))

    with (usage / "1").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # as Airflow does while a task runs
        os.utime(versions / "0")  # in use by a task that has not got to its lock
        removed = dag_worktrees.sweep(versions, usage, keep=2, older_than=3600)

    assert sorted(removed) == ["2", "3", "4", "gone"]
    assert sorted(path.name for path in versions.iterdir()) == ["0", "1", "5"]
    assert sorted(path.name for path in usage.iterdir()) == ["0", "1"]
    assert dag_worktrees.sweep(tmp_path / "none", tmp_path / "none", keep=0, older_than=0) == ()
