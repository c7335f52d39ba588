"""The spark-submit line: whole argument lists, and no secret on any of them."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import pytest

from couture_workflow.services.spark.command import (
    Job,
    display,
    masked,
    secret_properties,
    spark_submit,
    standalone_request,
)
from couture_workflow.services.spark.configuration import SparkConfiguration

HOSTILE = "a'b\"<&>ü $(id) `id` \\ \n ;"
HOME = Path("/opt/spark")


def job(**changes: object) -> Job:
    given: dict[str, object] = {
        "app_name": "daily totals",
        "application": Path("/run/application/totals.py"),
        "class_path": None,
        "arguments": ("2024-01-01", HOSTILE),
        "configuration": SparkConfiguration(arguments={"master": "local[*]"}),
        **changes,
    }
    return Job(**given)  # type: ignore[arg-type]


def test_the_least_job_is_the_least_line() -> None:
    command = spark_submit(
        job(configuration=SparkConfiguration(), arguments=()), spark_home=HOME, properties_file=None
    )

    assert command == ["/opt/spark/bin/spark-submit", "--name", "daily totals", "/run/application/totals.py"]


def test_everything_stands_on_the_line_in_a_fixed_order() -> None:
    configuration = SparkConfiguration(
        arguments={
            "verbose": "true",
            "supervise": "false",
            "queue": "night",
            "master": "spark://host:7077",
            "deploy-mode": "client",
            "driver-memory": "2g",
            "name": "of the page",
        },
        configurations={"spark.sql.shuffle.partitions": "8", "spark.eventLog.dir": HOSTILE},
        jars=("lib.jar",),
    )

    command = spark_submit(
        job(
            application=Path("/run/application/totals.jar"),
            class_path="com.example.Totals",
            configuration=configuration,
            jars=(Path("/run/jars/lib.jar"), Path("/run/jars/more.jar")),
            py_files=(Path("/run/py-files/rules.py"),),
        ),
        spark_home=HOME,
        properties_file=None,
    )

    assert command == [
        "/opt/spark/bin/spark-submit",
        *("--master", "spark://host:7077", "--deploy-mode", "client", "--name", "daily totals"),
        *("--class", "com.example.Totals", "--driver-memory", "2g", "--queue", "night", "--verbose"),
        *("--jars", "/run/jars/lib.jar,/run/jars/more.jar", "--py-files", "/run/py-files/rules.py"),
        *("--conf", f"spark.eventLog.dir={HOSTILE}", "--conf", "spark.sql.shuffle.partitions=8"),
        *("/run/application/totals.jar", "2024-01-01", HOSTILE),
    ]


def test_secrets_go_to_the_properties_file_alone() -> None:
    secret = " p=w:#!\\ü\n"
    configuration = SparkConfiguration(
        arguments={"load-spark-defaults": "true"},
        configurations={"spark.hadoop.fs.s3a.secret.key": secret, "spark.ui.port": "4050"},
    )

    command = spark_submit(
        job(configuration=configuration, arguments=()), spark_home=HOME, properties_file=Path("/run/s.conf")
    )

    assert command == [
        "/opt/spark/bin/spark-submit",
        *("--name", "daily totals", "--properties-file", "/run/s.conf", "--conf", "spark.ui.port=4050"),
        "/run/application/totals.py",
    ]
    assert secret_properties(job(configuration=configuration)) == (
        "spark.hadoop.fs.s3a.secret.key=\\ p=w:#!\\\\ü\\n\n"
    )


def test_the_tasks_python_is_that_of_driver_and_executors() -> None:
    configuration = SparkConfiguration(
        configurations={"spark.pyspark.python": "/page", "spark.pyspark.driver.python": "/page/driver"}
    )

    command = spark_submit(
        job(configuration=configuration, arguments=(), python="/task"), spark_home=HOME, properties_file=None
    )

    assert command[3:-1] == [
        *("--conf", "spark.pyspark.driver.python=/task", "--conf", "spark.pyspark.python=/task")
    ]


def test_cluster_mode_asks_the_master_to_run_spark_submit_itself() -> None:
    configuration = SparkConfiguration(
        arguments={
            "master": "spark://host:7077",
            "deploy-mode": "cluster",
            "driver-memory": "2g",
            "supervise": "true",
        },
        configurations={"spark.ui.port": "4050", "spark.my.password": "hidden"},
    )

    request = standalone_request(
        job(configuration=configuration),
        spark_home=HOME,
        properties_file=Path("/run/secrets.conf"),
        spark_version="4.2.1",
    )

    assert request == {
        "action": "CreateSubmissionRequest",
        "clientSparkVersion": "4.2.1",
        "appResource": "file:///run/application/totals.py",
        "mainClass": "org.apache.spark.deploy.SparkSubmit",
        "appArgs": [
            *("--master", "spark://host:7077", "--deploy-mode", "client", "--name", "daily totals"),
            *("--driver-memory", "2g", "--properties-file", "/run/secrets.conf"),
            *("--conf", "spark.ui.port=4050", "/run/application/totals.py", "2024-01-01", HOSTILE),
        ],
        "sparkProperties": {
            "spark.ui.port": "4050",
            "spark.driver.memory": "2g",
            "spark.driver.supervise": "true",
            "spark.app.name": "daily totals",
            "spark.master": "spark://host:7077",
        },
        "environmentVariables": {},
    }


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        pytest.param(
            ["--conf", "spark.x.token=abc"], ["--conf", "spark.x.token=*********(redacted)"], id="conf"
        ),
        pytest.param(
            ["--db-password", "abc", "x"], ["--db-password", "*********(redacted)", "x"], id="option"
        ),
        pytest.param(["--password=abc"], ["--password=*********(redacted)"], id="option-with-value"),
        pytest.param(["--token", "--verbose"], ["--token", "--verbose"], id="option-without-value"),
        pytest.param(
            ["-Da=b -Dtls.password='x y' -Xmx1g"],
            ["-Da=b -Dtls.password=*********(redacted) -Xmx1g"],
            id="java-options",
        ),
        pytest.param(
            ["jdbc:postgresql://me:abc@host/db"],
            ["jdbc:postgresql://me:*********(redacted)@host/db"],
            id="url",
        ),
        pytest.param(["spark://host:7077", HOSTILE], ["spark://host:7077", HOSTILE], id="nothing-secret"),
    ],
)
def test_masked_replaces_what_its_name_tells_to_be_secret(words: list[str], shown: list[str]) -> None:
    assert masked(words) == shown


def test_the_displayed_line_reads_back_as_the_same_arguments() -> None:
    command = spark_submit(job(app_name=HOSTILE), spark_home=HOME, properties_file=None)

    assert shlex.split(display(command)) == command


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        (
            "spark.driver.extraJavaOptions=-Dmy.password=x -Db=c",
            "spark.driver.extraJavaOptions=-Dmy.password={} -Db=c",
        ),
        ("x \"-Dmy.secret='a b'\"", 'x "-Dmy.secret={}"'),
        ("-Da=-Dmy.token=x", "-Da=-Dmy.token={}"),
        ("see 1jdbc://me:x@host and https://u:p@h/?a", "see 1jdbc://me:{}@host and https://u:{}@h/?a"),
    ],
)
def test_secrets_inside_of_a_word_are_masked(word: str, shown: str) -> None:
    assert masked([word]) == [shown.replace("{}", "*********(redacted)")]


@pytest.mark.parametrize("text", ["-D" * 500_000, "a" * 1_000_000, "a://" * 250_000, "-Dsecret='" * 100_000])
def test_masking_takes_time_that_grows_with_the_text_and_no_faster(text: str) -> None:
    began = time.process_time()

    masked([text])

    assert time.process_time() - began < 10  # it was minutes
