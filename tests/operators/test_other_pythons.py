"""Why a task in another Python failed: its log says what to do, where that is known."""

from __future__ import annotations

import copyreg
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.python import ExternalPythonOperator, PythonVirtualenvOperator
from airflow.sdk import DAG

from couture_workflow import policies
from couture_workflow.operators.other_pythons import explain
from couture_workflow.services.xcoms import other_pythons

#: How the process of a task parses the file that the task is in.
PARSE = "policy(task)"
RUNNER = "airflow.sdk.execution_time.task_runner"


def failure(*command: object) -> subprocess.CalledProcessError:
    """Run what fails, and return how."""
    with pytest.raises(subprocess.CalledProcessError) as error:
        subprocess.run([str(each) for each in command], check=True, capture_output=True)
    return error.value


def told(caplog: pytest.LogCaptureFixture, error: BaseException, **task: Any) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.ERROR, logger="airflow.task"):
        explain({"exception": error, "task": SimpleNamespace(**task)})
    return [record.getMessage() for record in caplog.records]


def test_packages_that_pip_does_not_get(caplog: pytest.LogCaptureFixture) -> None:
    error = failure(sys.executable, "-m", "pip", "install", "--no-index", "nothing-like-this==1")

    (sentence,) = told(caplog, error)

    assert "--find-links" in sentence and "docs/install-offline.md" in sentence


@pytest.mark.slow
def test_a_frame_for_a_python_that_cannot_read_it(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pandas = pytest.importorskip("pandas")
    bare, gone = tmp_path / "bin" / "python", tmp_path / "gone" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)
    errors = {
        python: failure(sys.executable, "-c", "raise SystemExit(1)")
        for python in (bare, gone, sys.executable)
    }
    for python, error in errors.items():
        error.cmd = [str(python), "script.py"]
    # Without a frame, the fault is the task's own.
    assert told(caplog, errors[bare]) == []
    monkeypatch.setitem(copyreg.dispatch_table, pandas.DataFrame, other_pythons.as_parquet)

    assert (
        "(ModuleNotFoundError: No module named 'pandas'). Add pandas and pyarrow"
        in told(caplog, errors[bare])[0]
    )
    assert told(caplog, errors[sys.executable]) == []
    # An environment that went with its task is known by what it was made from.
    assert (
        "pyarrow is none of its requirements" in told(caplog, errors[gone], requirements=["pandas==2.2.3"])[0]
    )
    assert told(caplog, errors[gone], requirements=["pandas==2.2.3", "pyarrow>=18"]) == []
    assert told(caplog, ValueError("the task's own")) == []


def test_tasks_in_another_python_explain_themselves_where_they_run() -> None:
    def own(context: Any) -> None: ...

    def work() -> None: ...

    with DAG("x", schedule=None):
        tasks: list[Any] = [
            PythonVirtualenvOperator(task_id="a", python_callable=work, on_failure_callback=own),
            ExternalPythonOperator(task_id="b", python_callable=work, python=sys.executable),
        ]
    for task in tasks:
        policies.task_policy(task)
    assert [[*task.on_failure_callback] for task in tasks] == [[own], []]

    for task in tasks:
        exec(PARSE, {"__name__": RUNNER, "policy": policies.task_policy, "task": task})

    assert [[*task.on_failure_callback] for task in tasks] == [[own, explain], [explain]]
    assert [[*task.on_retry_callback] for task in tasks] == [[explain], [explain]]
