"""What the import of our operators adds to a DAG file, beside the Spark provider's operator (CPU time)."""

from __future__ import annotations

import tempfile
from statistics import median

from benchmarks.measure import Result, in_fresh_process, in_turn

ROUNDS = 11

#: The extra time over what every DAG file imports anyway.
IMPORT = """
import sys, time
from airflow.sdk import DAG, BaseOperator
start = time.process_time()
exec(sys.argv[1])
print(time.process_time() - start)
"""
OURS = "from couture_workflow.operators import CoutureSparkOperator, CouturePySparkOperator"
THEIRS = "from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator"


def run() -> list[Result]:
    """Measure it in fresh processes."""
    with tempfile.TemporaryDirectory() as home:
        env = {"AIRFLOW_HOME": home}
        ours, theirs = in_turn(
            ROUNDS,
            lambda: float(in_fresh_process(IMPORT, OURS, env=env)),
            lambda: float(in_fresh_process(IMPORT, THEIRS, env=env)),
        )
    return [
        Result(
            "import of the operators over bare airflow.sdk (CPU)",
            f"{median(ours) * 1000:.1f} ms",
            f"SparkSubmitOperator {median(theirs) * 1000:.1f} ms",
            median(ours) / median(theirs),
            0.2,
        )
    ]
