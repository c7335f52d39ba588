"""Exploratory data analysis of files in HDFS by Spark on YARN: the numbers are those of DuckDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import EdaError
from couture_workflow.services.eda import document, spark
from couture_workflow.services.eda.document import Source
from couture_workflow.services.eda.spark_results import ON_CLUSTER
from couture_workflow.services.kerberos import tickets
from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.records import RunKey
from couture_workflow.services.spark import configuration
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.jobs import Origin
from couture_workflow.store.home import Store
from tests.cluster.conftest import PATIENCE, Secure, settings
from tests.services.hadoop import Hadoop
from tests.support.eda_spark import OTHERWISE, by_duckdb, comparable, differences, make_files

pytestmark = [pytest.mark.spark, pytest.mark.cluster, pytest.mark.timeout(2400)]

PATH = "/user/alice/table.parquet"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_files(folder)
    return folder / "table.parquet"


@pytest.fixture(scope="module")
def in_plain(plain: Hadoop, local: Path) -> Iterator[Hadoop]:
    plain.shell("-put", str(local), PATH, user="alice")
    plain.shell("-mkdir", "/user/bob/own", user="bob")
    yield plain


def choose(store: Store, mode: str) -> None:
    """Save the Spark configuration of jobs on YARN."""
    configuration.save(
        store,
        SparkConfiguration({"master": "yarn", "deploy-mode": mode}, settings(mode)),
        user="a",
        base=configuration.read(store).commit,
    )


def source(path: str, group: str) -> Source:
    place = {"path": path, "hadoop_group": group}
    return document.normal({"name": "numbers", "kind": "spark", "spark": place})


def origin(run_id: str, **more: Any) -> Origin:
    return Origin(key=RunKey("dag", run_id, "task"), **more)


def profile(store: Store, folder: Path, group: str, made_by: Origin, lines: list[str]) -> dict[str, Any]:
    folder.mkdir()
    spark.profile(
        store,
        source(PATH, group),
        made_by,
        folder=folder,
        sample_rows=100,
        about={"source": "numbers"},
        on_message=lambda message: lines.append(json.dumps(message)),
        on_line=lambda _stream, line: lines.append(line),
    )
    assert (folder / "report.html").stat().st_size > 10_000
    return dict(json.loads((folder / "profile.json").read_text(encoding="utf-8")))


def check_agreement(found: dict[str, Any], local: Path, folder: Path) -> None:
    expected = by_duckdb(local, folder)
    kept = expected.keys() - OTHERWISE - {"columns"}
    assert not differences({key: expected[key] for key in kept}, {key: found.get(key) for key in kept})
    for one, two in zip(expected["columns"], found["columns"], strict=True):
        assert not differences(comparable(one), comparable(two), one["name"])


def test_a_run_over_hdfs_agrees_with_duckdb_over_the_same_file(
    site: Store, in_plain: Hadoop, local: Path, tmp_path: Path
) -> None:
    choose(site, "client")
    lines: list[str] = []

    found = profile(site, tmp_path / "output", "plain", origin("client"), lines)

    check_agreement(found, local, tmp_path / "duckdb")
    assert found["sample"]["rows"] == 100
    stages = [json.loads(line)["stage"] for line in lines if line.startswith('{"stage"')]
    assert list(dict.fromkeys(stages)) == ["connecting", "reading", "computing", "sampling", "rendering"]
    run = run_records.read(site, RunKey("dag", "client", "task"))
    assert (run.state, run.hadoop_group) == ("success", "plain")
    assert str(in_plain.ask(f"apps/{run.application_id}")["app"]["finalStatus"]) == "SUCCEEDED"


def test_a_driver_on_a_cluster_with_kerberos_hands_its_results_back(
    site: Store, secure: Secure, local: Path, tmp_path: Path
) -> None:
    ticket = tickets.take(site, None, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ticket.variables.items():
            patch.setenv(name, value)
        secure.hadoop.shell("-put", str(local), PATH)
    choose(site, "cluster")

    found = profile(site, tmp_path / "output", "secure", origin("cluster"), [])

    check_agreement(found, local, tmp_path / "duckdb")
    run = run_records.read(site, RunKey("dag", "cluster", "task"))
    assert (run.state, run.deploy_mode, run.hadoop_group) == ("success", "cluster", "secure")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ticket.variables.items():
            patch.setenv(name, value)
        left = secure.hadoop.shell("-ls", "-R", f"/user/alice/{ON_CLUSTER}")
    assert not left.strip()


def test_a_stopped_run_ends_its_application_and_leaves_nothing(
    site: Store, in_plain: Hadoop, tmp_path: Path
) -> None:
    choose(site, "cluster")
    lines: list[str] = []

    def keep_going() -> bool:
        return not any("Submitted application" in line for line in lines)

    with pytest.raises(EdaError, match="Nothing of it is left running") as stopped:
        profile(site, tmp_path / "output", "plain", origin("stopped", keep_going=keep_going), lines)

    assert stopped.value.code == "stopped"
    run = run_records.read(site, RunKey("dag", "stopped", "task"))
    assert run.state == "killed"
    assert str(in_plain.ask(f"apps/{run.application_id}")["app"]["state"]) in {"KILLED", "FINISHED"}
    assert f"{ON_CLUSTER}/" not in in_plain.shell("-ls", "-R", "/user/alice", user="alice")


def test_a_preview_reads_hdfs_and_says_what_is_wrong(site: Store, in_plain: Hadoop) -> None:
    found = spark.preview(site, source(PATH, "plain"), seconds=PATIENCE)

    assert len(found["rows"]) == 50
    assert found["columns"][0] == {"name": "number", "type": "int", "kind": "number"}
    with pytest.raises(EdaError, match="There is nothing at /user/alice/gone") as gone:
        spark.preview(site, source("/user/alice/gone", "plain"), seconds=PATIENCE)
    with pytest.raises(EdaError, match="may not read /user/bob/own") as refused:
        spark.preview(site, source("/user/bob/own", "plain"), seconds=PATIENCE)
    assert (gone.value.code, refused.value.code) == ("missing", "refused")
