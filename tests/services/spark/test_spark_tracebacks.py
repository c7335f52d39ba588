"""Tracebacks among the lines of a driver: each comes as one piece, and nothing is lost or held back."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from couture_workflow.services.spark import tracebacks
from couture_workflow.services.spark.tracebacks import Pieces

HEAD = "Traceback (most recent call last):"
SIMPLE = [HEAD, '  File "job.py", line 1, in <module>', "    fail()", "ValueError: odd"]
JAVA = [
    HEAD,
    '  File "job.py", line 7, in <module>',
    "py4j.protocol.Py4JJavaError: An error occurred while calling o1.collect.",
    ": org.apache.spark.SparkException: Job aborted",
    "\tat org.apache.spark.Foo.bar(Foo.scala:1)",
    "Caused by: java.io.FileNotFoundException: /data",
    "\t... 12 more",
]
PROGRAMS = {
    "chained": "try:\n    1/0\nexcept Exception:\n    raise KeyError('x')",
    "caused": "try:\n    1/0\nexcept Exception as e:\n    raise KeyError('x') from e",
    "group": "raise ExceptionGroup('several', [ValueError(1), KeyError(2)])",
    "several lines": "raise ValueError('one')",
}


def pieces(lines: list[str]) -> list[str]:
    """Return what is handed on of lines."""
    found: list[str] = []
    pieces = Pieces(found.append)
    for line in lines:
        pieces.take(line)
    pieces.flush()
    return found


@pytest.mark.parametrize("traceback", [SIMPLE, JAVA], ids=["python", "java"])
def test_a_traceback_is_one_piece_between_the_lines_around_it(traceback: list[str]) -> None:
    assert pieces(["before", *traceback, "after", "and more"]) == [
        "before",
        "\n".join(traceback),
        "after",
        "and more",
    ]


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_what_python_prints_is_one_piece(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAMS[name]], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()

    assert pieces([*lines, "after"]) == [done.stderr.rstrip("\n"), "after"]


def test_a_worker_s_traceback_in_the_driver_s_is_one_piece() -> None:
    lines = [
        *SIMPLE[:3],
        "pyspark.errors.exceptions.captured.PythonException: An exception was thrown from the Python worker:",
        *SIMPLE,
        "",
        "JVM stacktrace:",
        "org.apache.spark.SparkException: Job aborted",
        "\tat org.apache.spark.Foo.bar(Foo.scala:1)",
    ]

    assert pieces([*lines, "after"]) == ["\n".join(lines), "after"]


def test_a_traceback_that_spark_logs_is_a_piece_of_its_own() -> None:
    logged = [f"25/06/01 10:00:00 ERROR Executor: x: {HEAD}", *SIMPLE[1:]]

    assert pieces([*SIMPLE, *logged]) == ["\n".join(SIMPLE), "\n".join(logged)]


def test_blank_lines_behind_a_traceback_are_no_part_of_it() -> None:
    assert pieces([*SIMPLE, "", "after"]) == ["\n".join(SIMPLE), "", "after"]


def test_a_line_of_spark_s_log_ends_a_traceback() -> None:
    line = "25/06/01 10:00:00 INFO SparkContext: Invoking stop()"

    assert pieces([*SIMPLE, line, HEAD, "  x"]) == ["\n".join(SIMPLE), line, f"{HEAD}\n  x"]


def test_a_traceback_without_an_end_is_handed_on_in_parts() -> None:
    lines = [HEAD, *["  line"] * 2_000]

    found = pieces(lines)

    assert "\n".join(found).splitlines() == lines
    assert max(piece.count("\n") for piece in found) < 500


def test_nothing_is_held_back_when_nothing_comes_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(tracebacks, "time", SimpleNamespace(monotonic=lambda: now))
    found: list[str] = []
    waiting = Pieces(found.append)
    for line in SIMPLE:
        waiting.take(line)
    waiting.look()
    assert found == []

    now = 2.0
    waiting.look()

    assert found == ["\n".join(SIMPLE)]
