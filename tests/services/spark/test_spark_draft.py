from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.draft import as_rows, preview, read_draft

SECRET = "spark.hadoop.fs.s3a.secret.key"


@pytest.fixture
def store(tmp_path):
    from couture_workflow.store.home import Store

    return Store.open(tmp_path / "home", secret_key=Fernet.generate_key().decode())


def told(draft):
    return [(remark.section, remark.row, remark.part, remark.level) for remark in draft.remarks]


def test_each_problem_is_told_at_its_row(store):
    draft = read_draft(
        store,
        {
            "arguments": [
                {"name": "--master", "value": " local[2] "},
                {"name": "driver-memory", "value": "lots"},
                {"name": "master", "value": "yarn"},
                {"name": "", "value": "x"},
                {"name": "", "value": ""},
            ],
            "configurations": [{"name": "spark.my.own", "value": ""}, {"name": "no", "value": "1"}],
            "jars": ["missing.jar"],
        },
    )

    assert not draft.is_valid
    assert draft.document.arguments == {"master": "local[2]", "driver-memory": "lots"}
    assert sorted(told(draft)) == [
        ("arguments", 1, "value", "error"),
        ("arguments", 2, "name", "error"),
        ("arguments", 3, "name", "error"),
        ("configurations", 0, "name", "warning"),
        ("configurations", 0, "value", "error"),
        ("configurations", 1, "name", "error"),
        ("jars", 0, "value", "error"),
    ]


def test_a_document_becomes_rows_and_rows_the_document(store):
    configuration = SparkConfiguration({"master": "yarn"}, {"spark.a": "1", SECRET: "s3cr3t"})
    saved = spark_configuration.save(store, configuration, user="ada", base=None)

    rows = as_rows(spark_configuration.read(store))

    assert "s3cr3t" not in str(rows)
    assert rows["configurations"] == [
        {"name": "spark.a", "value": "1"},
        {"name": SECRET, "kept": saved.commit},
    ]
    draft = read_draft(store, rows)
    assert draft.document == spark_configuration.read(store)


@pytest.mark.parametrize(
    "row",
    [
        {"name": "spark.other.secret", "kept": "COMMIT"},
        {"name": "spark.plain", "kept": "COMMIT"},
        {"name": SECRET, "kept": "0" * 40},
        {"name": SECRET, "kept": None},
        {"name": SECRET, "kept": "--output=/tmp/x"},
    ],
    ids=["other name", "open name", "other commit", "no commit", "option as commit"],
)
def test_a_kept_secret_that_is_not_there_must_be_typed_again(store, row):
    saved = spark_configuration.save(store, SparkConfiguration({}, {SECRET: "s"}), user="ada", base=None)
    kept = saved.commit if row["kept"] == "COMMIT" else row["kept"]

    draft = read_draft(store, {"configurations": [{**row, "kept": kept}]})

    assert draft.document.configurations == {}
    assert told(draft) == [("configurations", 0, "value", "error")]


@pytest.mark.parametrize(
    "payload",
    [{"arguments": {}}, {"configurations": ["x"]}, {"jars": [1]}],
    ids=["mapping", "text", "number"],
)
def test_a_draft_of_another_form_is_refused(store, payload):
    with pytest.raises(InvalidError):
        read_draft(store, payload)


def test_the_preview_is_the_line_that_would_run_with_secrets_masked(store, monkeypatch, tmp_path):
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "none"))
    payload = {
        "arguments": [{"name": "master", "value": "local[*]"}, {"name": "verbose", "value": "true"}],
        "configurations": [{"name": "spark.hadoop.x", "value": "a'b"}, {"name": SECRET, "value": "s3cr3t"}],
        "jars": ["a.jar@1"],
    }

    shown = preview(read_draft(store, payload).document)

    assert shown.splitlines() == [
        "$SPARK_HOME/bin/spark-submit \\",
        "  --master 'local[*]' \\",
        "  --name <app_name> \\",
        "  --properties-file <secrets> \\",
        "  --verbose \\",
        "  --jars a.jar@1 \\",
        "  --conf 'spark.hadoop.x=a'\"'\"'b' \\",
        "  <code_artifact> \\",
        "  <application_arguments>",
    ]
