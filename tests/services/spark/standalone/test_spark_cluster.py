"""Cluster and client mode on a real standalone master and worker, and that a killed job leaves nothing."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from couture_workflow.services.runs import records as run_records
from couture_workflow.services.spark import rest as spark_rest
from couture_workflow.store.home import Store
from tests.services.spark_cluster import Cluster, spark_cluster
from tests.support.spark import Task, compile_job, free_ports, processes_of, until

__all__ = ["spark_cluster"]

pytestmark = pytest.mark.spark

SECRET = "a'b\"<&>ü=secret"
SLEEP = """
import time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("sum", spark.range(10).selectExpr("sum(id)").first()[0])
print("asleep", flush=True)
time.sleep(600)
"""
TOTAL = """
import sys
from pyspark.sql import SparkSession
import rules
spark = SparkSession.builder.getOrCreate()
print("secret is kept:", spark.conf.get("spark.my.password") == sys.argv[1])
print("arguments", sys.argv[2:])
print("sum", spark.sparkContext.parallelize([1, 2, 3], 2).map(rules.double).sum())
spark.stop()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Return a store with the jobs, which tasks in processes of their own use as well."""
    folder = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__COUTURE_WORKFLOW__HOME", str(folder / "home"))
        patch.setenv("AIRFLOW__COUTURE_WORKFLOW__SECRET_KEY", Fernet.generate_key().decode())
        patch.setenv("AIRFLOW__COUTURE_WORKFLOW__CLASS_DATA_ARCHIVE", "False")
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        store = Store.open(folder / "home")
        store.artifacts.put("sleep.py", [SLEEP.encode()], user="a")
        store.artifacts.put("total.py", [TOTAL.encode()], user="a")
        store.artifacts.put("job.jar", [compile_job(folder).read_bytes()], user="a")
        store.dependencies.put("rules.py", [b"def double(x): return 2 * x\n"], user="a")
        yield store


def start(cluster: Cluster, folder: Path, mode: str, artifact: str, **request: Any) -> Task:
    given = {"app_name": f"{mode} {artifact}", "run_id": f"{mode}-{artifact}", **request}
    return Task(
        folder,
        code_artifact=artifact,
        suffixes=[Path(artifact).suffix],
        spark_arguments=cluster.arguments(mode),
        spark_configurations={**cluster.configurations(), **given.pop("spark_configurations", {})},
        **given,
    )


def running(cluster: Cluster) -> list[str]:
    return [driver for driver, state in cluster.drivers().items() if state == "RUNNING"]


@pytest.fixture(scope="module")
def bystander(spark_cluster: Cluster, home: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run somebody else's job in cluster mode; return its driver."""
    task = start(
        *(spark_cluster, tmp_path_factory.mktemp("bystander"), "cluster", "job.jar"),
        class_path="Job",
        arguments=["sleep"],
        app_name="bystander",
        run_id="bystander",
    )
    driver = task.wait_for_line(r"driver-\d+-\d+")
    task.wait_for_line("count 1000")
    yield driver
    task.process.send_signal(signal.SIGTERM)
    assert task.wait() == 1
    assert spark_cluster.drivers()[driver] == "KILLED"


@pytest.mark.always
def test_cluster_mode_runs_python_shows_its_output_and_keeps_secrets_off_command_lines(
    spark_cluster: Cluster, home: Store, tmp_path: Path
) -> None:
    task = start(
        *(spark_cluster, tmp_path, "cluster", "total.py"),
        arguments=[SECRET, "a'b\"<&>ü", "two words"],
        py_files=["rules.py"],
        spark_configurations={"spark.my.password": SECRET},
    )

    assert task.wait() == 0, task.text()
    lines = task.text().splitlines()
    assert {"secret is kept: True", "arguments ['a\\'b\"<&>ü', 'two words']", "sum 12"} <= set(lines)
    run = run_records.read(home, run_records.RunKey("dag", "cluster-total.py", "task"))
    assert (run.state, run.master, run.deploy_mode) == ("success", spark_cluster.url, "cluster")
    assert run.application_id is not None
    assert run.application_id.startswith("app-")
    assert re.fullmatch(r"http://127.0.0.1:\d+", run.tracking_url or "")
    launched = next(line for line in lines if line.startswith("Launch Command"))
    assert "spark.my.password" not in launched
    assert not list((home.root / "submissions").iterdir())


def test_a_failure_in_cluster_mode_ends_with_the_jobs_own_error(
    spark_cluster: Cluster, home: Store, tmp_path: Path
) -> None:
    task = start(spark_cluster, tmp_path, "cluster", "job.jar", class_path="Job", arguments=["cause"])

    assert task.wait() == 1
    assert task.text().splitlines()[-1] == "java.io.FileNotFoundException: /data/a'b<&>.csv"


@pytest.mark.parametrize("mode", ["client", "cluster"])
def test_nothing_is_left_of_a_job_whose_task_is_killed_with_sigkill(
    spark_cluster: Cluster, home: Store, tmp_path: Path, bystander: str, mode: str
) -> None:
    task = start(spark_cluster, tmp_path, mode, "sleep.py")
    task.wait_for_line("asleep")
    job = [pid for pid in processes_of("sleep.py") if pid != task.process.pid]
    assert job
    assert len(spark_cluster.applications()) == 2

    task.process.kill()
    task.process.wait()

    until(lambda: not processes_of("sleep.py"), seconds=60, what="the end of the job's processes")
    until(
        lambda: spark_cluster.applications() == ["bystander"], seconds=60, what="the end of the application"
    )
    until(lambda: running(spark_cluster) == [bystander], seconds=60, what="the end of the driver")
    until(
        lambda: not list(home.root.glob("submissions/*/application/sleep.py")), what="the end of the folder"
    )


def test_a_task_that_is_told_to_end_kills_its_driver(
    spark_cluster: Cluster, home: Store, tmp_path: Path, bystander: str
) -> None:
    task = start(spark_cluster, tmp_path, "cluster", "sleep.py", run_id="told")
    driver = task.wait_for_line(r"driver-\d+-\d+")
    task.wait_for_line("is RUNNING on")

    task.process.send_signal(signal.SIGTERM)

    assert task.wait() == 1
    assert task.text().splitlines()[-1] == (
        "The Spark job 'cluster sleep.py' was killed. Nothing of it is left running."
    )
    assert spark_cluster.drivers()[driver] == "KILLED"
    assert spark_cluster.drivers()[bystander] == "RUNNING"
    assert run_records.read(home, run_records.RunKey("dag", "told", "task")).state == "killed"


def test_of_several_masters_the_one_that_answers_is_used(spark_cluster: Cluster, bystander: str) -> None:
    alive = f"http://127.0.0.1:{spark_cluster.rest_port}"
    client = spark_rest.RestClient([f"http://127.0.0.1:{free_ports(1)[0]}", alive])

    assert client.status(bystander)["driverState"] == "RUNNING"
    assert client.addresses[0] == alive


def test_an_unknown_driver_is_no_success(spark_cluster: Cluster) -> None:
    client = spark_rest.RestClient([f"http://127.0.0.1:{spark_cluster.rest_port}"])

    with pytest.raises(spark_rest.RestError, match="driver-0"):
        client.status("driver-0")


def test_the_masters_page_is_no_rest_server(spark_cluster: Cluster) -> None:
    client = spark_rest.RestClient([f"http://127.0.0.1:{spark_cluster.page_port}"])

    with pytest.raises(spark_rest.Unreachable, match="not a Spark REST server"):
        client.create({})
