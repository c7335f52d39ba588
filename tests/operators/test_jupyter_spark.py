"""Spark in a notebook task: what its kernel is given, and a session that reads, counts and ends with it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from couture_workflow.operators import CoutureJupyterOperator
from couture_workflow.services.notebooks import examples
from couture_workflow.services.runtimes import joined
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.store.home import Store
from tests.support.spark import runtime_or_skip

pytestmark = pytest.mark.usefixtures("jupyter")

KEY = "spark.hadoop.fs.s3a.secret.key"


def run(source: Path, **options: object) -> str:
    """Run a notebook as a task and return what its cells printed and showed."""
    task = CoutureJupyterOperator(task_id="task", input_nb=source.name, **options)
    output = task.execute(
        {
            "dag": SimpleNamespace(fileloc=str(source.with_name("dag.py"))),
            "ti": SimpleNamespace(),
        }  # type: ignore[typeddict-item]
    )
    cells = json.loads(Path(output).read_text())["cells"]
    return json.dumps([cell["outputs"] for cell in cells if cell["cell_type"] == "code"])


def notebook(path: Path, *cells: str) -> Path:
    """Write a notebook."""
    made = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {},
            "source": cell,
            "outputs": [],
            "execution_count": None,
        }
        for number, cell in enumerate(cells)
    ]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}))
    return path


@pytest.mark.slow
def test_the_kernel_is_told_where_its_session_comes_from_and_the_log_masks_its_secrets(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime_or_skip()
    hidden: list[str] = []
    monkeypatch.setattr("airflow.sdk.log.mask_secret", lambda value: hidden.append(value))
    page = SparkConfiguration(arguments={"master": "local[3]"}, configurations={KEY: "s3cr3t"})
    spark_configuration.save(store, page, user="ada", base=None)
    source = notebook(
        tmp_path / "daily report.ipynb",
        "import json, os, stat\npath = os.environ['COUTURE_SPARK_SESSION']\nfound = json.load(open(path))",
        "print(path, oct(stat.S_IMODE(os.stat(path).st_mode)), found['app_name'], found['arguments'])",
    )

    shown = run(source)

    assert "0o600 daily report {'master': 'local[3]'}" in shown
    path = shown.partition("spark-session.json")[0].rpartition('"')[2]
    assert path and not Path(path).exists()
    assert hidden == ["s3cr3t"]


@pytest.mark.spark
@pytest.mark.slow
def test_the_spark_example_runs_as_a_task_and_plots(store: Store, jupyter: str, tmp_path: Path) -> None:
    runtime_or_skip()
    packages = next(Path(jupyter).parents[1].glob("lib/python3.*/site-packages"))
    if not (packages / joined.SPARK).is_file() or not (packages / "matplotlib").is_dir():
        pytest.skip("needs a Jupyter runtime that sees Spark: type couture-workflow install")
    page = SparkConfiguration(arguments={"master": "local[1]"})
    spark_configuration.save(store, page, user="ada", base=None)
    (example,) = [path for path in examples.shipped() if path.stem == "spark_example"]
    source = tmp_path / example.name
    source.write_bytes(example.read_bytes())

    shown = run(source, parameters={"least_mass": 4000})

    assert "177 of 344 penguins weigh 4000 g or more." in shown
    assert "image/png" in shown
    assert "Spark UI" in shown
