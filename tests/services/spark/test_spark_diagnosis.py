"""The root cause, from what a real Spark 4.2.1 printed (``spark_output``, with shorter stack traces)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from couture_workflow.services.spark.diagnosis import Diagnosis, diagnose, level

PRINTED = Path(__file__).parent / "spark_output"
LOST = (
    "ExecutorLostFailure (executor 1 exited caused by one of the running tasks) "
    "Reason: Command exited with code 137"
)
CAUSES = {
    "analysis_error": (
        "pyspark.errors.exceptions.captured.AnalysisException: "
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name "
        "`missing_column` cannot be resolved. Did you mean one of the following? [`id`]. "
        "SQLSTATE: 42703"
    ),
    "bad_configuration": (
        "org.apache.spark.SparkIllegalArgumentException: [INVALID_CONF_VALUE.TYPE_MISMATCH] The "
        "value 'abc' in the config \"spark.sql.shuffle.partitions\" is invalid. It should be a/an "
        "'int' value. SQLSTATE: 22022"
    ),
    "bad_memory": "Invalid maximum heap size: -Xmxlots",
    "bad_timeout": (
        "org.apache.spark.SparkIllegalArgumentException: "
        "[INVALID_SPARK_CONFIG.INVALID_EXECUTOR_HEARTBEAT_INTERVAL] Invalid Spark config: The "
        "value of spark.network.timeout=5000ms must be greater than the value of "
        "spark.executor.heartbeatInterval=10000ms. SQLSTATE: 42616"
    ),
    "exit_code": "The application exited with code 3 and printed no error.",
    "java_causes": "java.io.FileNotFoundException: /data/in.csv",
    "missing_application": "can't open file '/jobs/absent.py': [Errno 2] No such file or directory",
    "missing_class": "Error: Failed to load class com.example.Nope.",
    "module_not_found": "ModuleNotFoundError: No module named 'not_there'",
    "no_main_class": (
        "org.apache.spark.SparkException: No main class set in JAR; please specify one with --class."
    ),
    "out_of_memory": "java.lang.OutOfMemoryError: Java heap space",
    "python_error": "KeyError: 'no such key'",
    "python_worker_error": "ValueError: the value 'a<b>&c' is odd",
    "syntax_error": "SyntaxError: invalid syntax",
    "udf_error": "ZeroDivisionError: integer division or modulo by zero",
    "unknown_master": (
        "org.apache.spark.SparkException: Master must either be yarn or start with spark, k8s, or local"
    ),
}


def test_every_captured_output_has_its_cause() -> None:
    assert {path.stem for path in PRINTED.iterdir()} == set(CAUSES)


@pytest.mark.parametrize("name", sorted(CAUSES))
def test_the_cause_is_found_in_real_output(name: str) -> None:
    lines = (PRINTED / f"{name}.txt").read_text().splitlines()

    both = [diagnose(lines, [], exit_code=3), diagnose([], lines, exit_code=3)]

    assert [found.cause for found in both] == [CAUSES[name]] * 2


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        pytest.param("java.lang.OutOfMemoryError: Java heap space", "driver-memory", id="memory"),
        pytest.param("Error: Failed to load class a.B.", "class_path", id="class"),
        pytest.param('java.io.IOException: Cannot run program "/no/python"', "python_conf", id="python"),
    ],
)
def test_a_known_cause_comes_with_a_remedy(line: str, remedy: str) -> None:
    assert remedy in diagnose([], [line], exit_code=1).remedy


def test_a_python_error_goes_before_the_noise_of_the_jvm_around_it() -> None:
    output = ["Traceback (most recent call last):", '  File "job.py", line 1, in <module>', "ValueError: odd"]
    log = [
        'Exception in thread "main" java.lang.reflect.InvocationTargetException',
        "\tat org.apache.spark.deploy.worker.DriverWrapper$.main(DriverWrapper.scala:63)",
        "Caused by: org.apache.spark.SparkUserAppException: User application exited with 1",
    ]

    assert diagnose(output, log, exit_code=1) == Diagnosis("ValueError: odd")


USAGE = ["usage: job.py [-h] --day DAY", "job.py: error: the following arguments are required: --day"]
NOISE = [
    "WARNING: Using incubator modules: jdk.incubator.vector",
    "25/06/01 10:00:00 ERROR TaskSchedulerImpl: Lost executor 1",
    "25/06/01 10:00:01 INFO ShutdownHookManager: Shutdown hook called",
]


@pytest.mark.parametrize("streams", [lambda said: (said, NOISE), lambda said: ([], [*said, *NOISE])])
@pytest.mark.parametrize(
    ("said", "code", "cause"),
    [
        pytest.param(
            ["rows: 0", "the input folder is empty"],
            1,
            "The application exited with code 1. The last that it printed: the input folder is empty",
            id="sys.exit",
        ),
        pytest.param(
            ["a'b\"<&>ü", ""],
            3,
            "The application exited with code 3. The last that it printed: a'b\"<&>ü",
            id="hostile",
        ),
        pytest.param(USAGE, 2, USAGE[1], id="argparse"),
        pytest.param(
            ["java.net.ConnectException: refused", *USAGE], 2, USAGE[1], id="argparse-after-a-logged-error"
        ),
    ],
)
def test_what_a_program_says_before_it_exits_is_the_reason(
    said: list[str], code: int, cause: str, streams: Callable[[list[str]], tuple[list[str], list[str]]]
) -> None:
    output, log = streams(said)

    assert diagnose(output, log, exit_code=code).cause == cause


def test_a_lost_executor_is_named_with_its_reason() -> None:
    log = [
        'Exception in thread "main" org.apache.spark.SparkException: Job aborted due to stage failure: '
        "Task 0 in stage 0.0 failed 4 times, most recent failure: Lost task 0.3 in stage 0.0 (TID 3) "
        f"(10.0.0.7 executor 1): {LOST}",
        "Driver stacktrace:",
    ]

    assert diagnose([], log, exit_code=1).cause == LOST


def test_a_kill_by_the_system_is_told_as_one() -> None:
    assert diagnose([], [], exit_code=137).cause.startswith("The driver was killed with SIGKILL")


def test_structured_logs_are_read_like_plain_ones() -> None:
    log = [
        '{"ts":"2025-06-01T10:00:00.000Z","level":"ERROR","msg":"Error initializing SparkContext.",'
        '"exception":{"class":"java.net.BindException","msg":"Address already in use","stacktrace":[]},'
        '"logger":"SparkContext"}'
    ]

    assert diagnose([], log, exit_code=1).cause == "java.net.BindException: Address already in use"
    assert level(log[0]) == "ERROR"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("25/06/01 10:00:00 WARN Utils: x", "WARN", id="spark-4"),
        pytest.param("2025-06-01 10:00:00,123 ERROR Utils: x", "ERROR", id="iso"),
        pytest.param("10 ERROR in my own text", "", id="output"),
        pytest.param('{"ts" no json', "", id="broken-json"),
        pytest.param("Traceback (most recent call last):\n  File\nKeyError: 1", "ERROR", id="traceback"),
        pytest.param(
            "25/06/01 10:00:00 WARN Task: Traceback (most recent call last):\n x", "WARN", id="logged"
        ),
        pytest.param("Traceback (most recent call last):", "", id="one-line"),
    ],
)
def test_level_of_a_line(line: str, expected: str) -> None:
    assert level(line) == expected
