"""What ends an application on YARN, with a ResourceManager's REST API on this machine, and a driver's log."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from couture_workflow.services.hadoop.yarn import Application
from couture_workflow.services.processes.led_command import Outcome
from couture_workflow.services.spark import masters as spark_masters
from couture_workflow.services.spark import yarn as spark_yarn
from couture_workflow.services.spark import yarn_kill
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.diagnosis import diagnose
from couture_workflow.services.spark.yarn import DriverLog, YarnJob
from tests.support.yarn import MINE, OTHER, Cluster

SPARK = "org.apache.spark."
LOG = """Container: container_e17_1700000000000_0007_01_000001 on node_1
LogAggregationType: AGGREGATED
=====================================
LogType:stderr
LogLastModifiedTime:Sun Nov 29 01:00:00 +0000 2026
LogLength:40
LogContents:
this is no header
LogType:stdout
Log Contents:
Traceback (most recent call last):
ValueError: no

End of LogType:stdout
LogType:directory.info
Log Contents:
ls -l:
End of LogType:directory.info
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Run one."""
    found = Cluster()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_the_kill_command_ends_the_application_and_no_other(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HADOOP_USER_NAME", "alice")
    command = YarnJob(cluster.access(tmp_path), tmp_path).kill_command(MINE)

    # As the reaper runs it: a process of its own, which knows no option of Airflow.
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert cluster.states == {MINE: "KILLED", OTHER: "RUNNING"}
    assert cluster.asked == [f"/ws/v1/cluster/apps/{MINE}/state?user.name=alice"]


def test_an_application_that_is_just_being_submitted_is_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    cluster.appears = 2
    job = YarnJob(cluster.access(tmp_path), tmp_path)

    assert job.make_sure_of_the_end(MINE) == ""
    assert cluster.states[MINE] == "KILLED"


def test_one_that_never_came_to_yarn_is_not_left_there(cluster: Cluster, tmp_path: Path) -> None:
    cluster.states.pop(MINE)

    assert YarnJob(cluster.access(tmp_path), tmp_path).make_sure_of_the_end(MINE) == ""
    assert cluster.asked == []


@pytest.mark.parametrize("state", ["FINISHED", "FAILED", "KILLED"])
def test_one_that_has_ended_is_left_alone(cluster: Cluster, tmp_path: Path, state: str) -> None:
    cluster.states[MINE] = state

    assert YarnJob(cluster.access(tmp_path), tmp_path).make_sure_of_the_end(MINE) == ""
    assert cluster.asked == []


def test_a_refusal_is_told_in_a_line_of_the_log(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.refuses = True
    job = YarnJob(cluster.access(tmp_path), tmp_path)

    assert yarn_kill.main([str(job.description), MINE]) == 1
    assert f"{MINE} is not killed. The ResourceManager does not end {MINE}: 403" in capsys.readouterr().err
    assert "is not known. The ResourceManager does not end" in job.make_sure_of_the_end(MINE)


def test_what_is_no_application_of_yarn_is_not_asked_for(cluster: Cluster, tmp_path: Path) -> None:
    job = YarnJob(cluster.access(tmp_path), tmp_path)

    for name in ("app-20250601100000-0003", "local-1700000000000", f"{MINE}/x", ""):
        assert job.kill_command(name) == []
        assert job.make_sure_of_the_end(name) == ""
    assert cluster.asked == []


@pytest.mark.parametrize("mode", ["client", "cluster"])
def test_both_modes_on_yarn_ask_the_resource_manager(cluster: Cluster, tmp_path: Path, mode: str) -> None:
    configuration = SparkConfiguration({"master": "yarn", "deploy-mode": mode}, {})
    where = spark_masters.target(configuration, spark_home=Path("/opt/spark"), spark_version="4.2.1")
    job = YarnJob(cluster.access(tmp_path), tmp_path)

    assert spark_masters.reaching(where, yarn=job).kill_command(MINE) == job.kill_command(MINE)


def test_a_drivers_lines_are_told_apart_by_stream() -> None:
    assert list(spark_yarn.sections(LOG.splitlines())) == [
        ("log", "this is no header"),
        ("output", "Traceback (most recent call last):"),
        ("output", "ValueError: no"),
        ("output", ""),
    ]


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        pytest.param(
            DriverLog(
                output=(
                    "Traceback (most recent call last):",
                    '  File "job.py", line 3, in <module>',
                    "ValueError: no",
                ),
                log=("26/11/29 01:00:00 ERROR ApplicationMaster: User application exited with status 1",),
            ),
            "ValueError: no",
            id="python",
        ),
        pytest.param(
            DriverLog(
                log=(
                    "26/11/29 01:00:00 ERROR ApplicationMaster: User class threw exception: ",
                    "java.lang.RuntimeException: cannot load",
                    "\tat Job.main(Job.java:12)",
                    "Caused by: java.io.FileNotFoundException: /data/a.csv",
                    "\t... 5 more",
                )
            ),
            "java.io.FileNotFoundException: /data/a.csv",
            id="java",
        ),
        pytest.param(DriverLog(), "User application exited with status 1", id="nothing-but-the-submission"),
    ],
)
def test_the_cause_is_the_drivers_and_not_the_submissions(found: DriverLog, cause: str) -> None:
    log = (
        "26/11/29 01:00:01 ERROR Client: diagnostics: User application exited with status 1",
        f'Exception in thread "main" {SPARK}SparkException: Application {MINE} finished with failed status',
        "\tat org.apache.spark.deploy.yarn.Client.run(Client.scala:1389)",
        "\tat org.apache.spark.deploy.SparkSubmit.main(SparkSubmit.scala)",
        "26/11/29 01:00:02 INFO ShutdownHookManager: Shutdown hook called",
    )

    outcome = spark_yarn.with_driver_log(Outcome(1, False, (), log), found)

    assert diagnose(outcome.output, outcome.log, exit_code=1).cause.endswith(cause)


@pytest.mark.parametrize(
    ("logs", "container"),
    [
        (
            "http://n:8042/node/containerlogs/container_e17_17_0007_02_000001/alice",
            "container_e17_17_0007_02_000001",
        ),
        ("", "container_1700000000000_0007_01_000001"),
    ],
)
def test_the_driver_ran_in_the_last_application_master(logs: str, container: str) -> None:
    found = Application(MINE, "FAILED", "FAILED", "", "", logs, "SUCCEEDED")

    assert spark_yarn.driver_container(found) == container
