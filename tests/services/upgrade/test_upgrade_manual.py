"""The example DAGs of the manual for Airflow 1.10, as it prints them: after the upgrade they load and run."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from couture_workflow.services.upgrade.upgrading import looks_old, upgrade, upgrade_bytes
from couture_workflow.store.home import Store
from tests.support.jupyter_runtime import jupyter_or_skip
from tests.support.spark import runtime_or_skip, until

LEGACY = Path(__file__).parent / "legacy_dags"
DAGS = {
    "a_pyspark": ("PySpark", ["Get_Ratings_Data", "Get_Ratings_History"]),
    "b_tutorial": ("dag", ["operator_task", "print_date", "sleep", "templated"]),
    "b2_tutorial_deps_once": ("dag", ["operator_task", "print_date", "sleep", "templated"]),
    "c_master": ("MasterDAG", ["SchemaGeneration"]),
    "d_jupyter": ("JupyterDAG", ["jupyter_task"]),
    "e_xcom": ("parsing_recipes", ["download_image", "parse_recipes"]),
    "f_variables": ("variables", ["x"]),
    "g_sla": ("sla_dag", ["late"]),
}


@pytest.fixture
def upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that writes an upgraded example into a folder of DAGs."""
    monkeypatch.setenv("AIRFLOW_VAR_FOO", "1")
    monkeypatch.setenv("AIRFLOW_VAR_BAR", '{"a": 1}')

    def write(name: str) -> Path:
        folder = tmp_path / "dags"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.py"
        path.write_bytes(upgrade_bytes((LEGACY / f"{name}.py.txt").read_bytes(), path=path.name)[0])
        return path

    return write


def load(path: Path) -> Any:
    """Return the bag of a DAG file."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(path)


@pytest.mark.filterwarnings("ignore:Setting email")
@pytest.mark.filterwarnings("ignore:The SLA feature is removed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", DAGS)
def test_an_example_of_the_manual_loads(name: str, upgraded: Callable[[str], Path]) -> None:
    bag = load(upgraded(name))

    dag_id, tasks = DAGS[name]
    assert bag.import_errors == {}
    assert {found: sorted(dag.task_dict) for found, dag in bag.dags.items()} == {dag_id: tasks}


@pytest.mark.parametrize("name", DAGS)
def test_a_second_upgrade_changes_nothing(name: str) -> None:
    old = (LEGACY / f"{name}.py.txt").read_text()

    once = upgrade(old)
    twice = upgrade(once.source)

    assert looks_old(old)
    assert once.changes
    assert (twice.source, twice.changes, twice.notes) == (once.source, (), ())


def test_nothing_but_what_is_old_changes() -> None:
    source = (LEGACY / "b_tutorial.py.txt").read_text()
    old, new = source.splitlines(), upgrade(source).source.splitlines()
    templated = "t3 = BashOperator(task_id='templated', bash_command='echo {{ %s }} {{ ds }}', dag=dag)"

    assert [(before, after) for before, after in zip(old, new, strict=True) if before != after] == [
        (
            "from airflow.operators.bash_operator import BashOperator",
            "from airflow.providers.standard.operators.bash import BashOperator",
        ),
        (
            "from airflow.operators import CoutureSparkOperator",
            "from couture_workflow.operators import CoutureSparkOperator",
        ),
        ("\t\t\t\t\tschedule_interval=timedelta(days=1))", "\t\t\t\t\tschedule=timedelta(days=1))"),
        ("  description = \u2018Print Date\u2019)", "  doc = 'Print Date')"),
        (templated % "execution_date", templated % "logical_date"),
    ]


RATINGS = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
ratings = spark.createDataFrame([(1, 4.5), (2, 3.0)], "movie int, rating double")
ratings.write.mode("overwrite").json("{folder}")
spark.stop()
"""
HISTORY = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("history of", spark.read.json("{folder}").count(), "ratings")
spark.stop()
"""
CHILD = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
with DAG("ExampleSchemaGeneration", schedule=None):
    BashOperator(task_id="say", bash_command="echo got {{ dag_run.conf['message'] }}")
"""
JAVA = """
package ai.couture;
import java.util.Arrays;
import org.apache.spark.sql.SparkSession;
public class MainClass {
    public static void main(String[] arguments) {
        SparkSession spark = SparkSession.builder().getOrCreate();
        System.out.println("got " + Arrays.toString(arguments) + " and counted " + spark.range(7).count());
        spark.stop();
    }
}
"""


def notebook() -> str:
    cells = [
        {"tags": ["parameters"], "source": "a = 1"},
        {"tags": [], "source": "print('a is', a)"},
    ]
    return json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"cell{number}",
                    "execution_count": None,
                    "metadata": {"tags": cell["tags"]},
                    "outputs": [],
                    "source": cell["source"],
                }
                for number, cell in enumerate(cells)
            ],
        }
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Setting email")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_of_the_manual_runs_with_its_parameters(
    store: Store, upgraded: Callable[[str], Path]
) -> None:
    jupyter_or_skip()
    path = upgraded("d_jupyter")
    path.with_name("testFile2.ipynb").write_text(notebook())
    dag = load(path).dags["JupyterDAG"]

    output = dag.task_dict["jupyter_task"].execute({"dag": dag, "ti": SimpleNamespace()})

    assert output == str(store.outputs / "notebooks" / "plotTestFile2.ipynb")
    assert "a is 10" in Path(output).read_text()


class Runs:
    """Runs the upgraded examples in a workbench."""

    def __init__(self, workbench: Any, folder: Path) -> None:
        self.store = Store.open(workbench.home)
        self.client = workbench.client("admin")
        self.folder = folder

    def prepare(self) -> None:
        """Upload what the examples need, and save them."""
        self.store.artifacts.put("Ratings.py", [self._job(RATINGS)], user="admin")
        self.store.artifacts.put("History.py", [self._job(HISTORY)], user="admin")
        self.store.artifacts.put("couture.jar", [self._jar()], user="admin")
        for key, value in (("foo", "1"), ("bar", '{"a": 1}')):
            self.client.post("/api/v2/variables", json={"key": key, "value": value}).raise_for_status()
        changes = {
            f"legacy/{name}.py": upgrade_bytes((LEGACY / f"{name}.py.txt").read_bytes())[0]
            for name in DAGS
            if name != "b2_tutorial_deps_once"  # has the same DAG as b_tutorial
        }
        # What is late in the manual need not be late here.
        late = changes["legacy/g_sla.py"]
        changes["legacy/g_sla.py"] = late.replace(b"sleep 90", b"sleep 1")
        assert changes["legacy/g_sla.py"] != late
        changes["legacy/child.py"] = CHILD.encode()
        changes["legacy/testFile2.ipynb"] = notebook().encode()
        self.store.dags.save(changes, message="Add the examples", author="admin", base=self.store.dags.head())

    def _job(self, text: str) -> bytes:
        return text.replace("{folder}", str(self.folder / "ratings")).encode()

    def _jar(self) -> bytes:
        source = self.folder / "MainClass.java"
        source.write_text(JAVA)
        jars = runtime_or_skip().home / "jars" / "*"
        subprocess.run(["javac", "-d", "classes", "-cp", str(jars), source.name], cwd=self.folder, check=True)
        subprocess.run(["jar", "cf", "couture.jar", "-C", "classes", "."], cwd=self.folder, check=True)
        return (self.folder / "couture.jar").read_bytes()

    def unpause(self, dag_id: str) -> str:
        """Unpause a DAG, once it is parsed; return its address."""
        path = f"/api/v2/dags/{dag_id}"

        def done() -> bool:
            return self.client.patch(path, json={"is_paused": False}).status_code == 200

        until(done, seconds=200, what=dag_id)
        return path

    def trigger(self, dag_id: str) -> str:
        """Unpause and trigger a DAG, once it is parsed; return the id of its run."""
        path = self.unpause(dag_id)
        body = {"logical_date": datetime.now(UTC).isoformat(), "dag_run_id": "by-test"}

        def made() -> bool:  # SQLite may be busy with the scheduler's own
            return self.client.post(f"{path}/dagRuns", json=body).status_code in {200, 409}

        until(made, what=f"the run of {dag_id}")
        return f"{path}/dagRuns/by-test"

    def ended(self, run: str) -> str:
        """Wait for the end of a run and return its state."""

        def state() -> str:
            found = self.client.get(run).json()["state"]
            return found if found in {"success", "failed"} else ""

        return str(until(state, seconds=400, what=run))

    def log(self, run: str, task: str) -> str:
        """Return the log of a task."""
        return str(self.client.get(f"{run}/taskInstances/{task}/logs/1").text)


@pytest.mark.workbench
@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("javac"), reason="needs a JDK")
def test_the_examples_of_the_manual_run(workbench: Any, tmp_path: Path) -> None:
    runs = Runs(workbench, tmp_path)
    runs.prepare()

    runs.unpause("ExampleSchemaGeneration")  # MasterDAG runs it: it must be there, and must not wait
    started = {dag_id: runs.trigger(dag_id) for dag_id, _ in DAGS.values()}
    states = {dag_id: runs.ended(run) for dag_id, run in started.items()}

    assert states == dict.fromkeys(started, "success")
    assert "history of 2 ratings" in runs.log(started["PySpark"], "Get_Ratings_History")
    assert "got [inputData, /outputData] and counted 7" in runs.log(started["dag"], "operator_task")
    assert "RETURNS parse_recipes" in runs.log(started["parsing_recipes"], "download_image")
    assert "a is 10" in runs.log(started["JupyterDAG"], "jupyter_task")
    children = runs.client.get("/api/v2/dags/ExampleSchemaGeneration/dagRuns").json()["dag_runs"]
    assert [child["conf"] for child in children] == [{"message": "Hii there!!"}]
    assert (runs.store.outputs / "notebooks" / "plotTestFile2.ipynb").is_file()
