"""How long a trivial PySpark task takes with our operator, beside the Spark provider's with the same Spark.

Each round is a fresh process that imports the operator and executes it. Ours starts from a class-data
archive, as every job but the first ones does. Of Airflow's context both need only the task instance.
"""

from __future__ import annotations

import json
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import Result, in_fresh_process, in_turn

ROUNDS = 5
ARCHIVE_TIMEOUT = 900.0

JOB = """
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
assert spark.range(1000).count() == 1000
spark.stop()
"""

#: Prints the Python of the Spark runtime and its spark-submit, as JSON.
PREPARE = """
import json, sys
from couture_workflow.services.runtimes import installed
from couture_workflow.store.home import Store
Store.open().artifacts.put("trivial.py", [sys.argv[1].encode()], user="benchmark")
spark = installed.spark()
print(json.dumps([spark.python, str(spark.home / "bin" / "spark-submit")]))
"""

#: Starts the making of the archive if there is none; prints "yes" once it is there.
HAS_ARCHIVE = """
from couture_workflow.services.runtimes import class_data, installed
from couture_workflow.store.home import Store
archive = class_data.class_data_archive(installed.spark(), Store.open().root / "cache" / "class-data")
print("yes" if archive else "no")
"""

OURS = """
import time
start = time.perf_counter()
from couture_workflow.operators import CouturePySparkOperator
operator = CouturePySparkOperator(task_id="trivial", app_name="trivial", code_artifact="trivial.py")
"""

THEIRS = """
import time
start = time.perf_counter()
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
operator = SparkSubmitOperator(
    task_id="trivial", name="trivial", application=sys.argv[1], spark_binary=sys.argv[3],
    env_vars={"PYSPARK_PYTHON": sys.argv[2]},
)
"""

EXECUTE = """
from types import SimpleNamespace
ti = SimpleNamespace(
    dag_id="benchmark", run_id="run", task_id="trivial", map_index=-1, try_number=1,
    xcom_push=lambda **values: None,
)
operator.execute({"ti": ti})
print(time.perf_counter() - start)
"""


def run() -> list[Result]:
    """Make the archive, then run both in turn."""
    with tempfile.TemporaryDirectory(prefix="couture-benchmark-") as folder:
        home = Path(folder)
        env = {
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__COUTURE_WORKFLOW__HOME": str(home / "couture"),
            "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps({"conn_type": "spark", "host": "local[*]"}),
        }
        job = home / "trivial.py"
        job.write_text(JOB)
        python, spark_submit = json.loads(in_fresh_process(PREPARE, JOB, env=env))
        _wait_for_archive(env)
        shared = "import sys\nfrom airflow.sdk import DAG, BaseOperator\n"
        arguments = (str(job), python, spark_submit)
        ours, theirs = in_turn(
            ROUNDS,
            partial(_time, shared + OURS + EXECUTE, *arguments, env=env),
            partial(_time, shared + THEIRS + EXECUTE, *arguments, env=env),
        )
    return [
        Result(
            "trivial PySpark task (wall time)",
            f"{median(ours):.1f} s",
            f"SparkSubmitOperator {median(theirs):.1f} s",
            median(ours) / median(theirs),
            0.6,
        )
    ]


def _time(code: str, *arguments: str, env: dict[str, str]) -> float:
    return float(in_fresh_process(code, *arguments, env=env))


def _wait_for_archive(env: dict[str, str]) -> None:
    deadline = time.monotonic() + ARCHIVE_TIMEOUT
    while in_fresh_process(HAS_ARCHIVE, env=env) != "yes":
        if time.monotonic() > deadline:
            raise RuntimeError(f"There is no class-data archive after {ARCHIVE_TIMEOUT:.0f} s.")
        time.sleep(2)
