from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.runtimes import installed

EXAMPLES = Path(__file__).parent.parent / "examples"


def submit(*arguments: object) -> str:
    """Run spark-submit and return what the driver printed."""
    runtime = installed.spark()
    done = subprocess.run(
        [str(runtime.home / "bin" / "spark-submit"), "--master", "local[1]", *map(str, arguments)],
        env={**os.environ, "JAVA_HOME": str(runtime.java_home), "PYSPARK_PYTHON": runtime.python},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def rows(path: Path) -> list[dict[str, object]]:
    """Return the rows of a JSON file, or of all parts in a folder."""
    files = sorted(path.glob("part-*")) if path.is_dir() else [path]
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def table(output: str) -> list[str]:
    """Return the lines between the two lines that mark a printed table."""
    lines = output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("-----"))
    return lines[start + 1 : lines.index("----- end of the table -----")]


def test_the_dags_are_parsed_without_an_error() -> None:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(EXAMPLES / "dags")

    assert bag.import_errors == {}
    assert {name: list(dag.task_dict) for name, dag in bag.dags.items()} == {
        "model_pipeline": ["prepare", "train_forest", "train_trees", "pick", "register", "ask"],
        "penguin_containers": [
            "engine",
            "alone",
            "transform",
            "train",
            "read",
            "load_species",
            "load_islands",
            "sound",
        ],
        "penguin_containers_training": ["train"],
        "penguin_model": [
            "prepare",
            "train_logistic_regression",
            "train_random_forest",
            "pick",
            "register",
            "ask",
        ],
        "penguin_notebook": ["report"],
        "penguins": ["clean", "summarize"],
        "stock_delivery": ["pack", "drive"],
        "stock_master": ["order_north", "order_east", "order_south", "report"],
        "stock_order": ["deliver", "place"],
        "word_count": ["count"],
    }


def test_the_example_with_containers_says_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk.exceptions import AirflowFailException

    monkeypatch.setitem(sys.modules, "airflow.providers.docker.operators.docker", None)
    bag = DagBag(EXAMPLES / "dags" / "penguin_containers.py")

    assert bag.import_errors == {}
    assert list(bag.dags) == ["penguin_containers"]
    engine: Any = bag.dags["penguin_containers"].get_task("engine")
    with pytest.raises(AirflowFailException, match=r"pip install 'couture-workflow\[containers\]'"):
        engine.python_callable()


def test_a_path_that_is_not_there_is_named() -> None:
    spec = importlib.util.spec_from_file_location("shipped_examples", EXAMPLES / "__init__.py")
    assert spec is not None and spec.loader is not None
    examples = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(examples)

    assert examples.path("jobs/penguins.py").is_file()
    with pytest.raises(FileNotFoundError, match="no example 'jobs/nothing.py'"):
        examples.path("jobs/nothing.py")


@pytest.mark.spark
def test_the_penguins_pipeline_computes_what_was_computed_before(tmp_path: Path) -> None:
    job = ("--py-files", EXAMPLES / "jobs" / "penguin_rules.py", EXAMPLES / "jobs" / "penguins.py")

    cleaned = submit(*job, "clean", EXAMPLES / "data" / "penguins.csv", tmp_path / "cleaned")
    output = submit(*job, "summarize", tmp_path / "cleaned", tmp_path / "summary")

    expected = rows(EXAMPLES / "expected" / "penguins.json")
    assert "Kept 333 of 344 penguins." in cleaned
    assert rows(tmp_path / "summary") == expected
    assert [line.split() for line in table(output)] == [
        list(expected[0]),
        *([str(value) for value in row.values()] for row in expected),
    ]


@pytest.mark.spark
@pytest.mark.skipif(not shutil.which("javac"), reason="needs a JDK")
def test_the_java_job_is_built_and_counts_words(tmp_path: Path) -> None:
    subprocess.run(
        [str(EXAMPLES / "jobs" / "java" / "build.sh"), str(tmp_path)],
        env={**os.environ, "SPARK_HOME": str(installed.spark().home)},
        check=True,
        capture_output=True,
    )

    output = submit(
        *("--class", "examples.WordCount", tmp_path / "word-count.jar"),
        *(EXAMPLES / "data" / "jackass-penguin.txt", tmp_path / "words"),
    )

    counted = {row["word"]: row["count"] for row in rows(tmp_path / "words")}
    text = (EXAMPLES / "data" / "jackass-penguin.txt").read_text().lower()
    words = "".join(letter if letter.isalpha() or letter == "'" else " " for letter in text).split()
    assert counted == {word: words.count(word) for word in words}
    assert [line.split() for line in table(output)][:2] == [["12", "the"], ["11", "and"]]
