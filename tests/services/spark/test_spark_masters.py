"""Where a job goes: told by the parsed master URL, never by a part of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from couture_workflow.exceptions import SparkSubmitError
from couture_workflow.services.spark import masters as spark_masters
from couture_workflow.services.spark import rest as spark_rest
from couture_workflow.services.spark.command import Job
from couture_workflow.services.spark.configuration import SparkConfiguration

HOME = Path("/opt/spark")


def target(master: str, mode: str, **configurations: str) -> spark_masters.Target:
    configuration = SparkConfiguration({"master": master, "deploy-mode": mode}, configurations)
    return spark_masters.target(configuration, spark_home=HOME, spark_version="4.2.1")


@pytest.mark.parametrize(
    ("url", "kind", "hosts"),
    [
        pytest.param("local", "local", (), id="local"),
        pytest.param("local[*]", "local", (), id="local-all"),
        pytest.param("local[2, 4]", "local", (), id="local-retries"),
        pytest.param("local-cluster[2,1,1024]", "local", (), id="local-cluster"),
        pytest.param("spark://yarn-edge01:7077", "spark", ("yarn-edge01",), id="yarn-in-a-host-name"),
        pytest.param("spark://k8s:7077,local:7078", "spark", ("k8s", "local"), id="high-availability"),
        pytest.param("spark://[::1]:7077", "spark", ("[::1]",), id="ipv6"),
        pytest.param("yarn", "yarn", (), id="yarn"),
        pytest.param("k8s://https://yarn:6443", "k8s", (), id="kubernetes"),
        pytest.param("k8s://host:6443", "k8s", (), id="kubernetes-without-scheme"),
    ],
)
def test_a_master_is_told_by_its_scheme(url: str, kind: str, hosts: tuple[str, ...]) -> None:
    assert spark_masters.parse(url) == spark_masters.Master(url, kind, hosts)


@pytest.mark.parametrize(
    "url", ["", "spork://x", "spark://", "spark://host", "spark://a:1,", "yarn-client", "k8s://", "local[x]"]
)
def test_an_unknown_master_is_refused_with_the_known_ones(url: str) -> None:
    with pytest.raises(SparkSubmitError, match=r"local\[\*\], spark://host:7077, yarn or k8s://"):
        spark_masters.parse(url)


def test_a_client_needs_no_kill_command() -> None:
    assert target("yarn", "client").kill_command("application_1_1") == []


def test_local_mode_has_no_cluster() -> None:
    with pytest.raises(SparkSubmitError, match="Set the argument deploy-mode to client"):
        target("local[*]", "cluster")


def test_standalone_cluster_mode_follows_the_driver_through_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__STATUS_POLL_INTERVAL", "0.5")
    where = target("spark://a:7077,b:7077", "cluster", **{"spark.master.rest.port": "6067"})
    job = Job("n", Path("/x.py"), None, (), SparkConfiguration({"master": "spark://a:7077,b:7077"}))

    command = where.command(job, spark_home=HOME, properties_file=None, folder=tmp_path)

    path = tmp_path / "submission.json"
    assert command == [sys.executable, "-I", "-S", spark_rest.__file__, "run", str(path)]
    assert path.stat().st_mode & 0o777 == 0o600
    description = json.loads(path.read_text())
    request = description.pop("request")
    assert request["appResource"] == (tmp_path / "start.py").as_uri()
    assert request["appArgs"][-2:] == [str(tmp_path / "start.py"), "/x.py"]
    assert description == {
        "rest": ["http://a:6067", "http://b:6067"],
        "pages": ["http://a:8080", "http://b:8080"],
        "interval": 0.5,
    }
    assert where.kill_command("driver-1")[4:] == ["kill", "driver-1", "http://a:6067", "http://b:6067"]


def test_yarn_cluster_mode_waits_and_is_killed_by_yarn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "yarn"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    where = target("yarn", "cluster")
    job = Job("n", Path("/x.py"), None, (), SparkConfiguration({"master": "yarn"}))

    command = where.command(job, spark_home=HOME, properties_file=None, folder=tmp_path)

    assert "spark.yarn.submit.waitAppCompletion=true" in command
    assert where.kill_command("application_1_2") == [str(program), "application", "-kill", "application_1_2"]


def test_kubernetes_cluster_mode_waits_and_is_killed_by_spark_submit(tmp_path: Path) -> None:
    where = target("k8s://https://host:6443", "cluster")
    job = Job("n", Path("/x.py"), None, (), SparkConfiguration({"master": "k8s://https://host:6443"}))

    command = where.command(job, spark_home=HOME, properties_file=None, folder=tmp_path)

    assert "spark.kubernetes.submission.waitAppCompletion=true" in command
    assert where.kill_command("spark:pod") == [
        *("/opt/spark/bin/spark-submit", "--kill", "spark:pod", "--master", "k8s://https://host:6443")
    ]
