"""`couture-workflow dags test`: a whole run without a workbench, its reasons, and nothing that it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from couture_workflow import cli
from tests.support import homes
from tests.support.workbench import command

DAGS = """
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task
from shared.rows import read

with DAG("t_fails", schedule=None):
    @task
    def twice(number, **context):
        return f"{context['ds']} {number * context['dag_run'].conf['by']}"

    @task(retries=3)
    def count(found):
        return read(found)

    count(twice.expand(number=[1, 2])) >> BashOperator(task_id="after", bash_command="true")

with DAG("t_endless", schedule=None):
    BashOperator(task_id="sleep", bash_command="setsid sleep SECONDS")
"""
#: Of this process alone: other tests may run on this machine.
SECONDS = f"4712.{os.getpid()}"
ROWS = """
from airflow.sdk import BaseHook


def read(found):
    password = BaseHook.get_connection("place").password
    print("read with", password)
    raise ValueError(f"no rows in {sorted(found)}: 'ümlaut' {password}")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with DAGs and code beside them."""
    root = tmp_path / "a 'team' ü"
    (root / "dags").mkdir(parents=True)
    (root / "shared").mkdir()
    (root / "dags" / "runs.py").write_text(DAGS.replace("SECONDS", SECONDS))
    (root / "shared" / "rows.py").write_text(ROWS)
    return root


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    place = folder.parent / "temporary"
    place.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*command(), "dags", "test", *arguments],
        cwd=folder,
        env=homes.plain_environment(
            HOME=str(folder.parent), TMPDIR=str(place), AIRFLOW_CONN_PLACE="http://ann:swordfish@example.org"
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(folder: Path) -> list[str]:
    """Return what a run has left: files beside the DAGs, temporary ones, a home of Airflow."""
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return sorted(files - {"dags/runs.py", "shared/rows.py"}) + [
        path.name for path in [*(folder.parent / "temporary").iterdir(), *folder.parent.glob("airflow")]
    ]


@pytest.mark.slow
def test_a_failure_is_told_with_its_reason_and_its_line(folder: Path) -> None:
    process = start(folder, "t_fails", "--date=2026-01-31", "--conf", '{"by": 10}', "--verbose")
    said, log = process.communicate(timeout=280)

    assert process.returncode == 1, log
    lines = said.splitlines()
    ended = [line.partition(" (")[0] for line in lines[:3]]
    assert {*ended[:2]} == {"twice [0]: success", "twice [1]: success"}
    assert ended[2] == "count: failed"
    reason = "ValueError: no rows in ['2026-01-31 10', '2026-01-31 20']: 'ümlaut' ***"
    assert lines[3:] == [
        f"    shared/rows.py:8: {reason}",
        "after: upstream_failed",
        "t_fails: failed because of count, 4 task(s).",
    ]
    assert reason in log and "read with ***" in log and "swordfish" not in said + log
    assert left(folder) == []


def sleepers() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", SECONDS]]


@pytest.mark.slow
def test_ctrl_c_leaves_no_process_and_no_file(folder: Path) -> None:
    process = start(folder, "t_endless")
    deadline = time.monotonic() + 200
    while not sleepers():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.2)

    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)

    assert (process.returncode, said) == (130, "")
    assert sleepers() == []
    assert left(folder) == []


@pytest.mark.slow
def test_a_dag_that_is_not_there_is_told_with_what_cannot_be_loaded(folder: Path) -> None:
    (folder / "dags" / "broken.py").write_text("from airflow.sdk import DAG\nimport nowhere\n")
    process = start(folder, "t_nothing")
    said, log = process.communicate(timeout=280)

    assert (process.returncode, said) == (1, "")
    assert log == (
        "couture-workflow: There is no DAG 't_nothing', and dags/broken.py cannot be loaded: "
        "ModuleNotFoundError: No module named 'nowhere'\n"
    )


@pytest.mark.slow
def test_a_file_that_ends_the_process_is_named(folder: Path) -> None:
    (folder / "dags" / "ender.py").write_text("# airflow DAG\nimport os\n\nos._exit(0)\n")
    said, log = (process := start(folder, "t_nothing")).communicate(timeout=280)

    assert (process.returncode, said) == (1, "")
    assert "ended with exit code 0. What it began last is the file dags/ender.py: look there" in log
    assert f"{folder.resolve()}" in log and "couture-run" not in log


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--date", "yesterday"), "is no date"),
        (("--conf", "[1]"), "is no JSON object"),
        (("--timeout", "0"), "is no number of seconds"),
        (("--timeout", "nan"), "is no number of seconds"),
    ],
)
def test_wrong_usage_is_told(
    arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["dags", "test", "any", *arguments])

    assert ended.value.code == 2
    assert why in capsys.readouterr().err
