"""``couture-workflow spark check``: of a task, of what is saved, and of what is not there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from couture_workflow.store.home import Store
from tests.support.spark import runtime_or_skip

DAG = b"""
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
from couture_workflow.operators import CouturePySparkOperator

with DAG("reports", schedule=None, params={"name": "job"}):
    CouturePySparkOperator(
        task_id="report",
        code_artifact="{{ params.name }}.py",
        application_arguments=["--day", "{{ ds_nodash }}"],
        spark_configurations={"spark.my.password": "s3cr3t"},
    )
    CouturePySparkOperator(task_id="needs-a-run", code_artifact="{{ ti.xcom_pull('x') }}.py")
    EmptyOperator(task_id="nothing")
"""

pytestmark = [pytest.mark.slow, pytest.mark.spark]


def spark_check(*words: str) -> subprocess.CompletedProcess[str]:
    """Type the command."""
    command = [sys.executable, "-m", "couture_workflow.cli", "spark", "check", *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def reports(store: Store) -> Store:
    """Return a store with a DAG of Spark tasks and its code."""
    runtime_or_skip()
    store.dags.save({"reports.py": DAG}, author="a", message="Add", base=None)
    store.artifacts.put("job.py", [b"pass"], user="a")
    return store


@pytest.mark.usefixtures("reports")
def test_a_task_is_checked_as_it_is_in_the_repository() -> None:
    done = spark_check("--dag", "reports", "--task", "report")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok    Files: job.py@1" in done.stdout
    assert "-     Hadoop group: The job has none" in done.stdout
    line = done.stdout.splitlines()[-1]
    assert "/bin/spark-submit --master 'local[*]'" in line or "/bin/spark-submit --name report" in line
    assert "$RUN/application/job.py" in line
    assert "s3cr3t" not in done.stdout + done.stderr


@pytest.mark.usefixtures("reports")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--dag", "none", "--task", "x"), 1, "There is no DAG 'none' in the DAG repository."),
        (("--dag", "reports", "--task", "x"), 1, "it has needs-a-run, nothing, report. Correct --task."),
        (("--dag", "reports", "--task", "nothing"), 1, "runs no Spark job"),
        (("--dag", "reports", "--task", "needs-a-run"), 1, "has no value outside of a run"),
        (("--dag", "reports"), 2, "Give --dag and --task together"),
    ],
)
def test_what_cannot_be_checked_is_told_in_a_sentence(words: tuple[str, ...], code: int, said: str) -> None:
    done = spark_check(*words)

    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_saved_is_checked_without_a_task(store: Store) -> None:
    runtime_or_skip()

    done = spark_check("--hadoop-group", "nowhere")

    assert done.returncode == 1
    assert 'FAIL  Hadoop group: There is no Hadoop group "nowhere"' in done.stdout
