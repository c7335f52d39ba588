"""`couture-workflow dags upgrade`: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couture_workflow.cli import main

OLD = "from airflow import DAG\ndag = DAG('x', schedule_interval='@daily', catchup=False)\n"
NEW = "from airflow import DAG\ndag = DAG('x', schedule='@daily', catchup=False)\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of DAGs, which is the current one."""
    (tmp_path / "team a'b").mkdir()
    (tmp_path / "team a'b" / "old.py").write_text(OLD)
    (tmp_path / "new.py").write_text(NEW)
    (tmp_path / ".airflowignore").write_text("etl/.*\n")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "old.py").write_text(OLD)
    (tmp_path / "words.txt").write_text(OLD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_changes_and_notes_are_listed_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dags", "upgrade", "."]) == 0

    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == ".airflowignore:1: regular expression 'etl/.*' is now *etl/"
    assert shown[1] == "team a'b/old.py:2: DAG: schedule_interval= is now schedule="
    assert shown[2].startswith("team a'b/old.py:2: NOTE: The date of a scheduled run")
    assert shown[3:] == [
        "3 file(s) read, 2 to be changed, 1 note(s). Type it with --write to change them.",
    ]
    assert (folder / "team a'b" / "old.py").read_text() == OLD


def test_the_difference_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dags", "upgrade", "--diff", "team a'b"]) == 0

    shown = capsys.readouterr().out
    assert "--- a/team a'b/old.py\n+++ b/team a'b/old.py\n" in shown
    assert "-dag = DAG('x', schedule_interval='@daily', catchup=False)\n" in shown


def test_a_form_feed_ends_no_line_of_the_difference(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "page.py").write_text(OLD.replace("\n", "\n\f\n", 1))

    assert main(["dags", "upgrade", "--diff", "page.py"]) == 0

    shown = capsys.readouterr().out
    assert "\n@@ -1,3 +1,3 @@\n from airflow import DAG\n \f\n-dag = DAG(" in shown


def test_what_cannot_be_read_is_said_or_passed_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "gone.py").symlink_to("nowhere.py")
    os.mkfifo(folder / "pipe.py")
    (folder / "loop.py").symlink_to("loop.py")

    assert main(["dags", "upgrade", "."]) == 0
    assert "3 file(s) read" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_does_not_keep_from_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "new.py":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)

    assert main(["dags", "upgrade", "--write", "."]) == 1

    shown = capsys.readouterr().out
    assert "new.py:1: NOTE: The file cannot be read: Permission denied." in shown
    assert "3 file(s) read, 2 changed" in shown


def test_files_are_written_once_and_the_old_ones_stay(folder: Path) -> None:
    path = folder / "team a'b" / "old.py"
    path.chmod(0o750)

    assert main(["dags", "upgrade", "--write", "."]) == 0
    assert main(["dags", "upgrade", "--write", "--check", "."]) == 0

    assert path.read_text() == NEW
    assert path.stat().st_mode & 0o777 == 0o750
    assert path.with_name("old.py.orig").read_text() == OLD
    assert (folder / ".venv" / "old.py").read_text() == OLD
    assert not (folder / "new.py.orig").exists()


def test_no_copy_is_kept_if_that_is_asked(folder: Path) -> None:
    main(["dags", "upgrade", "--write", "--no-backup", "."])

    assert (folder / "team a'b" / "old.py").read_text() == NEW
    assert not list(folder.rglob("*.orig"))


def test_check_fails_while_something_is_to_be_changed(folder: Path) -> None:
    assert main(["dags", "upgrade", "--check", "."]) == 1
    assert main(["dags", "upgrade", "--check", "new.py"]) == 0


def test_python_2_that_is_not_mechanical_fails_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "two.py").write_text("print 'a'\ndef f((a, b)): pass\n")

    assert main(["dags", "upgrade", "--write", "two.py"]) == 1

    shown = capsys.readouterr().out
    assert "two.py:1: NOTE: This file was written for Python 2" in shown
    assert "two.py:2: NOTE: This is not Python 3: Function parameters cannot be parenthesized" in shown
    assert "1 could not be read" in shown
    assert (folder / "two.py").read_text() == "print 'a'\ndef f((a, b)): pass\n"


def test_a_path_that_is_not_there_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dags", "upgrade", "nothing.py"]) == 1

    assert "There is no" in capsys.readouterr().err
