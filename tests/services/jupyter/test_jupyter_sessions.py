"""What kernels of a person's server make Spark sessions from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from couture_workflow.services.jupyter import host
from couture_workflow.services.jupyter.servers import Person
from couture_workflow.services.runtimes import installed
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.store.home import Store
from tests.support.spark import runtime_or_skip


def test_a_server_has_the_newest_configuration_and_files_that_kernels_can_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime_or_skip()
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__CLASS_DATA_ARCHIVE", "False")
    folder = tmp_path / "7"
    folder.mkdir()
    ann = Person(number=7, name="ann")
    first = host.spark_session(store.root, ann, folder, None)
    store.dependencies.put("a.jar", [b"content"], user="ann")
    page = SparkConfiguration(arguments={"master": "local[3]"}, jars=("a.jar",))
    spark_configuration.save(store, page, user="ann", base=None)

    again = host.spark_session(store.root, ann, folder, None)

    assert first == again == {"COUTURE_SPARK_SESSION": str(folder / "spark-session.json")}
    found = json.loads((folder / "spark-session.json").read_text())
    (jar,) = found["jars"]
    assert (found["error"], found["arguments"]) == ("", {"master": "local[3]"})
    assert Path(jar["path"]).is_relative_to(folder / "spark-files")
    assert Path(jar["path"]).read_bytes() == b"content"


def test_example_data_are_among_what_notebooks_read() -> None:
    folders = installed.readable_by_notebooks()

    assert any((folder / "penguins.csv").is_file() for folder in folders)
