"""Private folders of runs: what a killed process left is swept, what somebody uses is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from couture_workflow.services.processes import led_command
from couture_workflow.services.processes.private_folders import (
    private_folder,
    shared_place,
    sweep_private_folders,
)
from tests.support.processes import forked


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of temporary files of this test's own."""
    folder = tmp_path / "temporary a'b"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder


def a_killed_holder(parent: Path | None = None) -> Path:
    """Return the folder that a process left when it was killed with SIGKILL."""
    reading, writing = os.pipe()

    def hold() -> None:
        with private_folder(parent) as folder:
            (folder / "etl.keytab").write_bytes(b"key")
            os.write(writing, str(folder).encode())
            time.sleep(600)

    child = forked(hold)
    folder = Path(os.read(reading, 4096).decode())
    os.close(reading)
    os.close(writing)
    assert sweep_private_folders(parent) == []  # it lives
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return folder


def test_the_next_run_removes_what_a_killed_one_left(temporary: Path) -> None:
    left = a_killed_holder()
    assert (left / "etl.keytab").exists()

    with private_folder() as mine:
        assert list(temporary.iterdir()) == [mine]
        assert sweep_private_folders() == []
        assert mine.is_dir()
    assert list(temporary.iterdir()) == []


def test_what_this_machine_left_where_others_see_it_goes_and_theirs_stays(tmp_path: Path) -> None:
    shared = shared_place(tmp_path / "home")
    theirs = shared / "couture-run-elsewhere.example.org-x"
    theirs.mkdir(parents=True)
    left = a_killed_holder(shared)
    assert left.parent == shared and (left / "etl.keytab").exists()

    assert sweep_private_folders() == []
    assert sweep_private_folders(shared) == [left]
    assert list(shared.iterdir()) == [theirs]


def test_a_sweep_spares_what_is_not_a_private_folder(temporary: Path, tmp_path: Path) -> None:
    other = temporary / "couture-check-1"
    other.mkdir()
    aim = tmp_path / "aim"
    aim.mkdir()
    (temporary / "couture-run-link").symlink_to(aim)
    (temporary / "couture-run-file").write_text("")

    assert sweep_private_folders() == []
    assert aim.is_dir() and other.is_dir()


def test_the_reaper_of_a_killed_task_keeps_the_folder_until_the_job_has_ended(temporary: Path) -> None:
    folder = temporary / "couture-run-job"
    folder.mkdir()
    command = [sys.executable, "-I", "-S", led_command.reaper.__file__, "--parent", str(os.getpid())]
    reaper = subprocess.Popen(
        [*command, "--grace", "5", "--folder", str(folder), "--", "/bin/sh", "-c", "echo up; exec sleep 600"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert reaper.stdin is not None and reaper.stdout is not None
    assert reaper.stdout.readline() == b"up\n"

    assert sweep_private_folders() == []
    reaper.kill()
    reaper.wait()
    os.killpg(reaper.pid, signal.SIGKILL)
    assert sweep_private_folders() == [folder]
