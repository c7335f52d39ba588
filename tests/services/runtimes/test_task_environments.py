"""Environments of tasks go when no task has used them for long, and never while one does."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest
from airflow.providers.standard.operators.python import PythonVirtualenvOperator

from couture_workflow.services.runtimes import task_environments

NOW = time.time()
OLD = NOW - 2 * task_environments.UNUSED
SINCE = NOW - task_environments.UNUSED


def made(folder: Path, name: str, *, used: float) -> Path:
    """Make an environment as Airflow leaves it."""
    path = folder / name
    (path / "bin").mkdir(parents=True)
    (path / "install_complete_marker.json").write_text("{}")
    lock = folder / f"{name}.lock"
    lock.touch()
    os.utime(lock, (used, used))
    return path


def test_what_no_task_has_used_for_long_goes(tmp_path: Path) -> None:
    old, recent = made(tmp_path, "venv-old", used=OLD), made(tmp_path, "venv-new", used=NOW)
    being_made = made(tmp_path, "venv-made", used=OLD)
    left = tmp_path / "venv-killed.going-1" / "lib"
    left.mkdir(parents=True)
    mine = tmp_path / "of a person"
    mine.mkdir()

    with (tmp_path / "venv-made.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert task_environments.sweep(tmp_path, since=SINCE) == 1

    assert sorted(path for path in tmp_path.iterdir() if path.is_dir()) == [mine, being_made, recent]
    assert not old.exists()
    assert task_environments.sweep(tmp_path / "nowhere", since=NOW) == 0


def test_a_task_dates_the_environment_that_it_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    operator = PythonVirtualenvOperator(
        task_id="t", python_callable=made, requirements=["six"], venv_cache_path=tmp_path
    )
    digest, packages = operator._calculate_cache_hash()
    used = made(tmp_path, f"venv-{digest}", used=OLD)
    (used / "install_complete_marker.json").write_text(packages)
    assert task_environments.unused(tmp_path, since=SINCE) == [used]

    assert operator._ensure_venv_cache_exists(tmp_path) == used

    assert task_environments.sweep(tmp_path, since=SINCE) == 0
    assert used.is_dir()
