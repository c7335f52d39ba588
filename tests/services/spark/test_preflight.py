"""The check before a run: what is told of each thing, and that nothing is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import HadoopError
from couture_workflow.services.hadoop import files as hadoop_files
from couture_workflow.services.hadoop import groups
from couture_workflow.services.hadoop.yarn import ResourceManager
from couture_workflow.services.runtimes import installed
from couture_workflow.services.runtimes.installed import SparkRuntime
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark import preflight, sizes
from couture_workflow.services.spark.document import Document
from couture_workflow.services.spark.job_requests import JobRequest
from couture_workflow.services.spark.preflight import Report
from couture_workflow.store.home import Store
from tests.support.spark import runtime_or_skip
from tests.support.yarn import FAIR, Cluster

SECRET = "a'b\"<&>ü=secret"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Run a ResourceManager."""
    found = Cluster()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a Spark runtime, as far as its versions are concerned."""
    found = SparkRuntime(Path("/opt/spark"), "/usr/bin/python3", "4.2.1", "/opt/jdk/bin/java", "17.0.1")
    monkeypatch.setattr(installed, "spark", lambda: found)


def request(**more: Any) -> JobRequest:
    return JobRequest(**{"app_name": "n", "code_artifact": "job.py", "suffixes": (".py",), **more})


def results(report: Report) -> dict[str, str]:
    return {check.what: check.result for check in report.checks}


def said(report: Report, what: str) -> str:
    return next(f"{check.said} {check.remedy}" for check in report.checks if check.what == what)


def manager(cluster: Cluster, folder: Path) -> ResourceManager:
    return ResourceManager(cluster.access(folder).properties, ticket=None, user="alice", seconds=120)


@pytest.mark.usefixtures("spark")
def test_a_task_is_checked_with_its_files_and_its_command_masked(store: Store) -> None:
    version = store.artifacts.put("job.py", [b"pass"], user="a").versions[-1]
    store.dependencies.put("rules.py", [b"pass"], user="a")

    report = preflight.check(
        store, request(py_files=["rules.py"], spark_configurations={"spark.my.password": SECRET})
    )

    assert report.passed
    assert results(report)["Hadoop group"] == "skipped"
    assert f"job.py@1 ({version.sha256[:12]})" in said(report, "Files")
    assert "--py-files $RUN/py-files/rules.py" in report.command
    assert "$RUN/application/job.py" in report.command
    assert SECRET not in report.command


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    ("more", "what", "words"),
    [
        ({"code_artifact": "none.py"}, "Files", "none.py"),
        ({"jars": ["none.jar"]}, "Spark configuration", "none.jar"),
        ({"spark_arguments": {"master": "spork://x"}}, "Spark configuration", "spork://x"),
        ({"hadoop_group": "nowhere"}, "Hadoop group", 'no Hadoop group "nowhere"'),
    ],
)
def test_what_is_wrong_is_told_and_the_rest_is_looked_at(
    store: Store, more: dict[str, Any], what: str, words: str
) -> None:
    store.artifacts.put("job.py", [b"pass"], user="a")

    report = preflight.check(store, request(**more))

    assert not report.passed
    assert results(report)[what] == "failed"
    assert words in said(report, what)
    assert results(report)["Spark"] == "passed"


@pytest.mark.usefixtures("spark")
def test_the_saved_configuration_is_checked_without_a_task(store: Store) -> None:
    store.dependencies.put("a.jar", [b"PK\x05\x06" + bytes(18)], user="a")
    saved = Document(arguments={"driver-memory": "2g"}, configurations={}, jars=("a.jar",), py_files=())
    spark_configuration.write(store, saved, user="a", base=None, message="")

    report = preflight.check(store)

    assert report.passed, report
    assert results(report)["File a.jar"] == "passed"
    assert report.command.endswith(" APPLICATION")


@pytest.mark.usefixtures("spark")
def test_a_cluster_with_kerberos_and_no_keytab_says_what_to_do(store: Store) -> None:
    groups.add(store, "safe", user="a")
    content = (
        b"<configuration><property><name>hadoop.security.authentication</name><value>kerberos</value>"
        b"</property></configuration>"
    )
    hadoop_files.save(store, "safe", {"core-site.xml": content}, user="a")
    store.artifacts.put("job.py", [b"pass"], user="a")

    report = preflight.check(store, request())

    assert (results(report)["Keytab"], results(report)["Kerberos ticket"]) == ("failed", "failed")
    assert "Upload one in Admin > Kerberos Configuration." in said(report, "Keytab")


@pytest.mark.spark
def test_a_job_on_yarn_is_checked_against_the_cluster(store: Store, cluster: Cluster) -> None:
    runtime_or_skip()
    groups.add(store, "lab", user="a")
    address = f"127.0.0.1:{cluster.server.server_port}"
    site = f"<property><name>yarn.resourcemanager.webapp.address</name><value>{address}</value></property>"
    sent = {
        "core-site.xml": b"<configuration><property><name>fs.defaultFS</name><value>file:///</value></property>"
        b"</configuration>",
        "yarn-site.xml": f"<configuration>{site}</configuration>".encode(),
    }
    hadoop_files.save(store, "lab", sent, user="a")
    store.artifacts.put("job.py", [b"pass"], user="a")
    on_yarn = {"master": "yarn", "deploy-mode": "cluster", "executor-memory": "8g", "queue": "none"}

    report = preflight.check(store, request(spark_arguments=on_yarn))

    found = results(report)
    assert (found["Hadoop files"], found["File system"], found["Keytab"]) == ("passed", "passed", "skipped")
    assert (found["Queue"], found["Memory"]) == ("failed", "failed")
    assert 'no queue "none". There is: default' in said(report, "Queue")
    assert "The executor asks for 9011 MiB with its overhead" in said(report, "Memory")
    assert cluster.asked == []


def test_queues_are_known_by_both_their_names(cluster: Cluster, tmp_path: Path) -> None:
    assert manager(cluster, tmp_path).queues() >= {"default", "root.etl", "night", "root.etl.night"}
    cluster.scheduler = FAIR
    assert manager(cluster, tmp_path).queues() == {"root", "root.default"}


def test_queues_that_lie_deep_in_each_other_are_followed_so_far(cluster: Cluster, tmp_path: Path) -> None:
    for _ in range(300):
        cluster.scheduler = {"queueName": "q", "queues": {"queue": [cluster.scheduler]}}

    assert manager(cluster, tmp_path).queues() == {"q"}


def test_the_largest_container_is_asked_for(cluster: Cluster, tmp_path: Path) -> None:
    assert manager(cluster, tmp_path).largest_container() == 4096
    cluster.largest = "much"  # type: ignore[assignment]
    with pytest.raises(HadoopError, match="does not say how large a container may be"):
        manager(cluster, tmp_path).largest_container()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512m", 512),
        ("2g", 2048),
        ("2G", 2048),
        ("1gb", 1024),
        ("1t", 1048576),
        ("700", 700),
        ("x", 0),
        ("", 0),
    ],
)
def test_amounts_of_memory(text: str, expected: int) -> None:
    assert sizes.mebibytes(text) == expected


@pytest.mark.parametrize(
    ("arguments", "settings", "mode", "expected"),
    [
        ({}, {}, "client", {"application master": 896, "executor": 1408}),
        ({}, {}, "cluster", {"driver": 1408, "executor": 1408}),
        (
            {"executor-memory": "10g", "driver-memory": "2g"},
            {"spark.driver.memoryOverhead": "1g", "spark.executor.memory": "1g"},
            "cluster",
            {"driver": 3072, "executor": 11264},
        ),
        (
            {},
            {
                "spark.executor.memory": "4g",
                "spark.executor.memoryOverheadFactor": "0.5",
                "spark.executor.pyspark.memory": "1g",
                "spark.memory.offHeap.enabled": "true",
                "spark.memory.offHeap.size": "1073741824",
                "spark.yarn.am.memory": "1g",
            },
            "client",
            {"application master": 1408, "executor": 8192},
        ),
    ],
)
def test_containers_are_as_large_as_spark_makes_them(
    arguments: dict[str, str], settings: dict[str, str], mode: str, expected: dict[str, int]
) -> None:
    assert sizes.containers(arguments, settings, mode=mode) == expected
