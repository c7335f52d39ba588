"""Old DAG files of every class of operator and idiom of Airflow 1.10: upgraded, run, and compared.

Each file says in its first line what its tasks return in 1.10 for the run of 2020-03-01 06:00: by its
documentation of macros, operators and the context. Lines ``# note:`` are what the upgrade tells besides.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.upgrade.upgrading import Upgrade, upgrade

FOLDER = Path(__file__).parent / "old_dags"
NAMES = sorted(path.name.removesuffix(".py.txt") for path in FOLDER.glob("*.py.txt"))
#: What the upgrade tells of nearly every old file.
USUAL = ("The date of a scheduled run", "This file uses the date of the run")
SETTINGS = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
    "AIRFLOW_CONN_FS_DEFAULT": '{"conn_type": "fs"}',
    "AIRFLOW_CONN_OLD_API": '{"conn_type": "http", "host": "example.com", "extra": {"limit": 5}}',
    "AIRFLOW_VAR_OLD_WORD": "there",
    "AIRFLOW_VAR_OLD_DICT": '{"a": "a1"}',
}


def source(name: str) -> str:
    return (FOLDER / f"{name}.py.txt").read_text("utf-8")


def told(text: str, mark: str) -> list[str]:
    return [line.removeprefix(mark) for line in text.splitlines() if line.startswith(mark)]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Upgrade all files, run them in one process, and return what their tasks returned."""
    home = tmp_path_factory.mktemp("old")
    folder = home / "dags"
    folder.mkdir()
    for path in FOLDER.glob("*.txt"):
        name = path.name.removesuffix(".txt")
        (folder / name).write_text(upgrade(path.read_text("utf-8"), path=name).source, "utf-8")
    answer = home / "answer.json"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("runner.py")), str(folder), str(answer)],
        env={**os.environ, **SETTINGS, "AIRFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.is_file(), done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_upgraded_file_returns_what_it_did(name: str, ran: dict[str, Any]) -> None:
    (line,) = told(source(name), "# 1.10: ")
    expected = json.loads(line)

    found = ran[name]

    assert "error" not in found
    states = {task: found["tasks"][task][0] for task in expected}
    assert states == dict.fromkeys(expected, "success")
    assert {task: found["tasks"][task][1] for task in expected} == expected


@pytest.mark.parametrize("name", NAMES)
def test_an_upgraded_file_is_told_of_and_stays(name: str) -> None:
    text = source(name)

    done: Upgrade = upgrade(text)

    again = upgrade(done.source)
    assert (again.source, again.changes) == (done.source, ())
    unusual = [note.message for note in done.notes if not note.message.startswith(USUAL)]
    expected = told(text, "# note: ")
    assert all(any(each in message for message in unusual) for each in expected), unusual
    assert len(unusual) == len(expected), unusual
