"""How long a trivial notebook task takes with our operator, beside papermill's own command in its runtime.

Each round is a fresh process that imports what the task needs and runs it. Of Airflow's context both need
only the task instance.
"""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import Result, in_fresh_process, in_turn

ROUNDS = 9

NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "cells": [
        {
            "cell_type": "code",
            "id": name,
            "metadata": {"tags": tags},
            "source": source,
            "execution_count": None,
            "outputs": [],
        }
        for name, tags, source in (
            ("parameters", ["parameters"], "a = 1"),
            ("work", [], "print(a + 1)"),
        )
    ],
}

#: Prints the Python of the Jupyter runtime.
PYTHON = "from couture_workflow.services.runtimes import installed; print(installed.jupyter())"

SHARED = """
import sys
from airflow.sdk import DAG, BaseOperator
import time
start = time.perf_counter()
"""

OURS = """
from types import SimpleNamespace
from couture_workflow.operators import CoutureJupyterOperator
operator = CoutureJupyterOperator(
    task_id="trivial", input_nb=sys.argv[1], output_nb="out", parameters={"a": 6}
)
ti = SimpleNamespace(
    dag_id="benchmark", run_id="run", task_id="trivial", map_index=-1, try_number=1,
    xcom_push=lambda **values: None,
)
operator.execute({"ti": ti, "dag": SimpleNamespace(fileloc=sys.argv[2])})
print(time.perf_counter() - start)
"""

THEIRS = """
import os, subprocess
words = [sys.argv[3], "-m", "papermill", sys.argv[1], sys.argv[4], "-p", "a", "6", "--log-output"]
subprocess.run([*words, "--no-progress-bar"], check=True, capture_output=True, cwd=sys.argv[5])
print(time.perf_counter() - start)
"""


def run() -> list[Result]:
    """Run both in turn."""
    with tempfile.TemporaryDirectory(prefix="couture-benchmark-") as folder:
        home = Path(folder)
        env = {
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__COUTURE_WORKFLOW__HOME": str(home / "couture"),
        }
        notebook = home / "dags" / "trivial.ipynb"
        notebook.parent.mkdir()
        notebook.write_text(json.dumps(NOTEBOOK))
        python = in_fresh_process(PYTHON, env=env)
        dag_file = str(notebook.with_name("dag.py"))
        ours, theirs = in_turn(
            ROUNDS,
            partial(_time, SHARED + OURS, "trivial", dag_file, env=env),
            partial(
                _time,
                SHARED + THEIRS,
                *(str(notebook), dag_file, python, str(home / "out.ipynb"), str(notebook.parent)),
                env=env,
            ),
        )
        check = json.loads((home / "couture" / "outputs" / "notebooks" / "out.ipynb").read_text())
    if not any("7" in str(cell.get("outputs")) for cell in check["cells"]):
        raise RuntimeError("The notebook did not print what it should.")
    return [
        Result(
            "trivial notebook task (wall time)",
            f"{median(ours):.2f} s",
            f"papermill {median(theirs):.2f} s",
            median(mine / other for mine, other in zip(ours, theirs, strict=True)),
            1.15,
        )
    ]


def _time(code: str, *arguments: str, env: dict[str, str]) -> float:
    return float(in_fresh_process(code, *arguments, env=env))
