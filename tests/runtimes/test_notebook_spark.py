from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from couture_workflow.runtimes.lib.couture import errors, example_data, machine, plan
from couture_workflow.runtimes.lib.couture.errors import SparkSessionError, SparkSessionWarning
from couture_workflow.runtimes.lib.couture.report import report_of
from couture_workflow.services.spark.document import SECRET

LIBRARY = Path(plan.__file__).parents[1]
KEY = "spark.hadoop.fs.s3a.secret.key"


@pytest.fixture
def described() -> dict[str, object]:
    return {
        "error": "",
        "app_name": "",
        "scratch": "",
        "secret_names": SECRET.pattern,
        "argument_names": ["deploy-mode", "driver-memory", "executor-memory", "master", "packages", "remote"],
        "flags": ["verbose"],
        "commit": "0123456789abcdef",
        "arguments": {"master": "spark://h:7077", "driver-memory": "1g", "verbose": "false"},
        "configurations": {"spark.sql.shuffle.partitions": "7", "spark.executor.memory": "3g"},
        "hadoop_secrets": {"fs.s3a.secret.key": "s3cr3t-hadoop"},
        "authentication_secret": "s3cr3t-spark",
        "left_out": {"spark.ssl.keyPassword": "it is a secret"},
        "jars": [{"name": "a.jar", "path": "/store/blobs/abc", "sha256": "abc"}],
        "py_files": [],
    }


def make(described, app_name=None, conf=None, **keywords):
    return plan.planned(described, plan.overrides(described, conf, keywords), app_name=app_name)


def words(made):
    return made.words(["verbose"], {"jars": ["/tmp/a.jar"]})


def test_a_session_is_submitted_with_what_the_page_says(described, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "/notebooks/ann/daily report.ipynb")

    assert words(make(described)) == [
        *("--name", "daily report", "--driver-memory", "1g", "--master", "spark://h:7077"),
        *("--jars", "/tmp/a.jar"),
        *("--conf", f"spark.authenticate.secret={plan.HIDDEN}"),
        *("--conf", "spark.executor.memory=3g"),
        *("--conf", "spark.sql.shuffle.partitions=7"),
        *("--conf", "spark.ui.port=0"),
        *("--conf", "spark.ui.showConsoleProgress=false"),
        "pyspark-shell",
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"executor_memory": "5g"},
        {"conf": {"spark.executor.memory": "5g"}},
        {"conf": {"executor-memory": "5g"}},
        {"conf": {"--executor-memory": "5g"}},
    ],
)
def test_an_override_goes_over_the_page_in_whatever_form_either_is(described, given):
    line = " ".join(words(make(described, **given)))

    assert "--executor-memory 5g" in line
    assert "3g" not in line


def test_none_removes_and_true_is_true(described):
    made = make(
        described,
        "mine",
        conf={"spark.sql.shuffle.partitions": None, "spark.x": True, "spark.ui.port": 4050},
        driver_memory=None,
        master="local[2]",
    )

    assert (made.app_name, made.arguments) == ("mine", {"master": "local[2]", "verbose": "false"})
    assert made.is_local
    assert made.configurations == {
        "spark.executor.memory": "3g",
        "spark.x": "true",
        "spark.ui.port": "4050",
        "spark.ui.showConsoleProgress": "false",
    }


def test_no_secret_is_among_the_words_or_in_a_repr(described):
    made = make(described, conf={"spark.hadoop.fs.s3a.access.key": "s3cr3t-cell"})

    report = report_of(made, application="app-1", ui="http://h:1", spark_version="4.2.1", commit="0123")
    assert "s3cr3t" not in " ".join([*words(made), repr(made), repr(report), report._repr_html_()])
    assert made.hadoop_secrets == {
        "fs.s3a.secret.key": "s3cr3t-hadoop",
        "fs.s3a.access.key": "s3cr3t-cell",
    }
    assert f"{KEY}: set, a secret" in repr(report)
    assert "spark.ssl.keyPassword: left out: it is a secret" in repr(report)
    assert '<a href="http://h:1"' in report._repr_html_()


def test_a_cell_takes_secrets_away_and_cannot_add_one_that_spark_would_show(described):
    made = make(described, conf={KEY: None, "spark.authenticate.secret": None})
    assert (made.hadoop_secrets, made.authentication_secret) == ({}, "")
    with pytest.raises(SparkSessionError, match="spark.ssl.keyPassword is a secret"):
        make(described, conf={"spark.ssl.keyPassword": "x"})


def test_a_display_escapes_what_people_type(described):
    made = make(described, "a'b\"<&>ü")

    shown = report_of(made, application="x", ui="", spark_version="4", commit="")._repr_html_()

    assert "a&#x27;b&quot;&lt;&amp;&gt;ü" in shown


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"driver_memry": "1g"}, "Did you mean driver_memory?"),
        ({"driver_memory": "1 gb"}, "driver_memory is '1 gb'"),
        ({"conf": {"spark.driver.memory": "2"}}, "driver_memory is '2'"),
        ({"deploy_mode": "cluster"}, "deploy mode is client"),
        ({"name": "x"}, "app_name"),
        ({"conf": {"spark.app.name": "x"}}, "app_name"),
        ({"jars": ["/nowhere/a.jar"]}, "no file '/nowhere/a.jar'"),
        ({"remote": "sc://h"}, "Spark Connect"),
    ],
)
def test_what_cannot_be_asked_for_is_told(described, given, told):
    with pytest.raises(SparkSessionError, match=told.replace("?", r"\?")):
        make(described, **given)


def test_files_of_a_cell_take_the_place_of_the_pages(described, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("b.jar").write_text("")

    made = make(described, jars="b.jar,hdfs://h/c.jar")

    assert made.paths("jars") == [str(tmp_path / "b.jar"), "hdfs://h/c.jar"]
    assert make(described).paths("jars") == ["/store/blobs/abc"]


def test_the_deploy_mode_of_the_page_is_left_out_with_a_word(described):
    described["arguments"] = {"master": "yarn", "deploy-mode": "cluster"}

    made = make(described)

    assert made.arguments == {"master": "yarn"}
    assert "deploy-mode" in made.left_out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "not started by the workbench"),
        ("", "cannot be read"),
        ("{", "cannot be read"),
        (json.dumps({"error": "Spark needs Java"}), "Spark needs Java"),
    ],
)
def test_why_there_can_be_no_session_is_told(tmp_path, monkeypatch, content, told):
    monkeypatch.delenv(plan.VARIABLE, raising=False)
    if content is not None:
        (tmp_path / "session.json").write_text(content)
        monkeypatch.setenv(plan.VARIABLE, str(tmp_path / "session.json"))
    with pytest.raises(SparkSessionError, match=told):
        plan.described()


def test_java_that_is_gone_is_told_before_anything_starts(described, tmp_path):
    described |= {"spark_home": str(tmp_path), "java": str(tmp_path / "java"), "spark_version": "4.2.1"}
    with pytest.raises(SparkSessionError, match="Spark needs Java"):
        machine.use_spark_of(described)


def test_a_file_of_the_store_is_copied_under_its_own_name_and_checked(tmp_path):
    import hashlib

    blob = tmp_path / "blob"
    blob.write_bytes(b"content")
    file = {"name": "a.jar", "path": str(blob), "sha256": hashlib.sha256(b"content").hexdigest()}

    assert machine._at_hand(file, tmp_path / "new") == tmp_path / "new" / "a.jar"
    assert (tmp_path / "new" / "a.jar").read_bytes() == b"content"
    with pytest.raises(SparkSessionError, match="damaged"):
        machine._at_hand({**file, "sha256": "0"}, tmp_path / "new")
    blob.unlink()
    with pytest.raises(SparkSessionError, match="cannot be read"):
        machine._at_hand(file, tmp_path / "new")


def test_a_warning_is_shown_each_time():
    for _ in range(2):
        with pytest.warns(SparkSessionWarning, match="left out"):
            errors.warn("x is left out")


def test_the_package_needs_nothing_but_the_standard_library():
    script = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "from couture import spark_session, spark_report, example_data\n"
        "assert not {'pyspark', 'couture_workflow', 'airflow'} & set(sys.modules)\n"
        "print(example_data('penguins.csv'))"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(LIBRARY)], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.strip()).is_file()


def test_example_data_is_named_or_told_of():
    assert example_data("penguins.csv").name == "penguins.csv"
    for wrong in ("nothing.csv", "../data/penguins.csv", ""):
        with pytest.raises(FileNotFoundError, match="penguins.csv"):
            example_data(wrong)
