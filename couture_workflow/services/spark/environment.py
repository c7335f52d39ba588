"""What surrounds a Spark job on this machine: its environment variables, its private folder, its secrets'
file.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from couture_workflow.services.runtimes.installed import SparkRuntime
from couture_workflow.services.spark.command import Job, secret_properties

#: The JVM's optimising compiler begins ten times later. A driver's start is thousands of methods that are
#: called some thousand times each, and compiling them takes longer than it saves. A hot loop still gets to
#: the compiler within milliseconds. What a person sets stands after these and so holds.
LATE_COMPILER: tuple[str, ...] = (
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)

#: Left out of a job's environment: Airflow's secrets, and what would turn spark-submit into something else.
_HIDDEN = ("AIRFLOW__", "AIRFLOW_CONN_", "_AIRFLOW_")
_MISLEADING = {
    "SPARK_REMOTE",
    "SPARK_CONNECT_MODE",
    "SPARK_LOCAL_REMOTE",
    "PYSPARK_SUBMIT_ARGS",
    "PYTHONHOME",
}


def write_properties(job: Job, folder: Path, *, spark_home: Path) -> Path | None:
    """Write the job's secrets to a file that only its owner may read; return it, None when there are none.

    It takes the place of Spark's defaults or of the job's own properties file, so these stand in it first.
    """
    secrets = secret_properties(job)
    if not secrets:
        return None
    arguments = job.configuration.arguments
    given = arguments.get("properties-file")
    before = [Path(given).read_text()] if given else []
    if not given or arguments.get("load-spark-defaults", "").lower() == "true":
        defaults = Path(os.environ.get("SPARK_CONF_DIR") or spark_home / "conf") / "spark-defaults.conf"
        if defaults.is_file():
            before.insert(0, defaults.read_text())
    path = folder / "secrets.conf"
    path.touch(mode=0o600)
    path.write_text("\n".join([*before, secrets]))
    return path


def environment(
    runtime: SparkRuntime,
    *,
    loopback: bool = False,
    scratch: Path | None = None,
    java_options: Sequence[str] = (),
) -> dict[str, str]:
    """Return this process's environment without Airflow's secrets, with the runtime's Spark and Java.

    :param loopback: for jobs that run on this machine alone: their servers, the web page among them,
        listen on the loopback address unless ``SPARK_LOCAL_IP`` says otherwise.
    :param scratch: where Spark's temporary files go unless the machine says otherwise; None: as Spark does.
    :param java_options: options for the driver's JVM, which go before the user's own.
    """
    result = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_HIDDEN) and name not in _MISLEADING
    }
    result["SPARK_HOME"] = str(runtime.home)
    result["JAVA_HOME"] = str(Path(runtime.java).parent.parent)
    result["PYTHONUNBUFFERED"] = "1"
    result.setdefault("SPARK_LAUNCHER_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    if loopback:
        result.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    if scratch is not None:
        result.setdefault("SPARK_LOCAL_DIRS", str(scratch))
    if java_options:
        given = result.get("SPARK_SUBMIT_OPTS", "")
        result["SPARK_SUBMIT_OPTS"] = f"{shlex.join(java_options)} {given}".strip()
    return result
