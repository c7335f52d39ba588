"""Sessions of notebooks in a real Spark: what they have and hide, and that none outlives its kernel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from couture_workflow.runtimes.lib import couture
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark import notebook_session
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.store.home import Store
from tests.support.spark import runtime_or_skip, until

pytestmark = [pytest.mark.spark, pytest.mark.slow]

LIBRARY = Path(couture.__file__).parents[1]
HEAD = f"""
import json, os, sys, warnings
sys.path.append({str(LIBRARY)!r})
from couture import SparkSessionError, spark_report, spark_session
warnings.simplefilter("ignore", ResourceWarning)
said = {{}}
"""
TAIL = "\nprint(json.dumps(said), flush=True)\n"
SECRETS = {
    "spark.hadoop.fs.s3a.secret.key": "s3cr3t-hadoop",
    "spark.authenticate.secret": "s3cr3t-spark",
    "spark.ssl.keyPassword": "s3cr3t-ssl",
}

#: What a cell, a page or another account may look at.
LOOK = """
import urllib.request
context = spark.sparkContext
page = context.uiWebUrl
shown = [
    dict(spark.sparkContext.getConf().getAll()), spark.conf.getAll, repr(spark), spark._repr_html_(),
    repr(spark_report()), spark_report()._repr_html_(), dict(os.environ),
    [row.asDict() for row in spark.sql("SET").collect()],
    [row.asDict() for row in spark.sql("SET -v").collect()],
]
for path in ("/environment/", f"/api/v1/applications/{context.applicationId}/environment"):
    with urllib.request.urlopen(page + path) as answer:
        shown.append(answer.read().decode())
jvm = context._gateway.proc.pid
shown.append(open(f"/proc/{jvm}/cmdline").read())
said["shown"] = repr(shown)
said["names"] = sorted(dict(context.getConf().getAll()))
"""


@pytest.fixture
def kernel(store: Store, tmp_path: Path) -> Iterator[Any]:
    """Return a function that starts the Spark runtime's Python like a kernel, with what the page says."""
    runtime = runtime_or_skip()
    started: list[subprocess.Popen[str]] = []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPARK")}

    def start(script: str, **parts: Any) -> subprocess.Popen[str]:
        if parts:
            parts.setdefault("arguments", {"master": "local[2]", "driver-memory": "600m"})
            base = spark_configuration.read(store).commit
            spark_configuration.save(store, SparkConfiguration(**parts), user="ada", base=base)
        more = notebook_session.write(store, tmp_path / "session.json", scratch=tmp_path / "scratch")
        words = [runtime.python, "-u", "-c", HEAD + script + TAIL]
        process = subprocess.Popen(
            words,
            env={**environment, **more},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def said_by(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the end of a kernel and return what it said, its warnings beside."""
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, out + err
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return {**found, "stderr": err}


@pytest.mark.always
def test_a_session_has_what_the_page_says_and_its_secrets_are_nowhere_to_be_seen(
    store: Store, kernel: Any, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "words.jar", "w") as jar:
        jar.writestr("word.txt", "from the jar")
    store.dependencies.put("words.jar", [(tmp_path / "words.jar").read_bytes()], user="ada")
    store.dependencies.put("rules.py", [b"def twice(number):\n    return 2 * number\n"], user="ada")
    script = (
        """
mine = {"spark.sql.session.timeZone": "Asia/Tokyo", "spark.hadoop.x.password": "s3cr3t-cell"}
spark = spark_session("mine", conf=mine)
import rules
from pyspark.sql import functions as F, types as T
twice = F.udf(rules.twice, T.LongType())
said["sum"] = spark.range(10).select(F.sum(twice("id"))).first()[0]
loader = spark._jvm.java.lang.Thread.currentThread().getContextClassLoader()
said["jar"] = loader.getResource("word.txt") is not None
said["partitions"] = spark.conf.get("spark.sql.shuffle.partitions")
said["zone"] = spark.conf.get("spark.sql.session.timeZone")
said["master"], said["name"] = spark.sparkContext.master, spark.sparkContext.appName
said["heap"] = spark._jvm.java.lang.Runtime.getRuntime().maxMemory() >> 20
hadoop = spark._jsparkSession.sessionState().newHadoopConf()
said["hadoop"] = [hadoop.get("fs.s3a.secret.key"), hadoop.get("x.password")]
names = ("JAVA_HOME", "SPARK_HOME", "PYSPARK_PYTHON", "PYSPARK_SUBMIT_ARGS")
said["environment"] = {name: os.environ.get(name) for name in names}
"""
        + LOOK
    )

    found = said_by(
        kernel(
            script,
            configurations={"spark.sql.shuffle.partitions": "7", **SECRETS},
            jars=("words.jar",),
            py_files=("rules.py",),
        )
    )

    runtime = runtime_or_skip()
    assert (found["sum"], found["jar"], found["partitions"], found["zone"]) == (90, True, "7", "Asia/Tokyo")
    assert (found["master"], found["name"]) == ("local[2]", "mine")
    assert 400 < found["heap"] <= 600
    assert found["hadoop"] == ["s3cr3t-hadoop", "s3cr3t-cell"]
    assert "s3cr3t" not in found["shown"] + found["stderr"]
    assert "spark.ssl.keyPassword of Spark Configuration is left out: it is a secret" in found["stderr"]
    assert "spark.ssl.keyPassword" not in found["names"]
    assert found["environment"] == {
        "JAVA_HOME": str(runtime.java_home),
        "SPARK_HOME": str(runtime.home),
        "PYSPARK_PYTHON": runtime.python,
        "PYSPARK_SUBMIT_ARGS": None,
    }
    assert not [*(tmp_path / "scratch").rglob("*.jar")]


def test_a_second_call_is_the_same_session_and_a_stopped_one_is_made_anew(kernel: Any) -> None:
    script = """
first = spark_session(driver_memory="700m")
said["same"] = spark_session() is first and spark_session(driver_memory="700m") is first
with warnings.catch_warnings(record=True) as caught:
    more = {"spark.sql.shuffle.partitions": 3, "spark.executor.cores": 1}
    again = spark_session(driver_memory="900m", conf=more)
said["still"] = again is first
said["warned"] = [str(each.message) for each in caught if "session is there" in str(each.message)]
said["partitions"] = first.conf.get("spark.sql.shuffle.partitions")
old = first.sparkContext._gateway.proc
first.stop()
second = spark_session("other")
said["ended"] = old.poll() is not None
said["other"] = [second.sparkContext.appName, second.range(5).count(), second is first]
second.sparkContext._gateway.proc.kill()
second.sparkContext._gateway.proc.wait()
third = spark_session()
said["after its death"] = third.range(6).count()
third.stop()
from pyspark.sql import SparkSession
foreign = SparkSession.builder.master("local[1]").getOrCreate()
with warnings.catch_warnings(record=True) as caught:
    same = spark_session().sparkContext is foreign.sparkContext
said["foreign"] = [same, any("another way" in str(each.message) for each in caught)]
"""

    found = said_by(kernel(script))

    assert (found["same"], found["still"], found["partitions"]) == (True, True, "3")
    (warning,) = found["warned"]
    assert "driver-memory, executor-cores cannot be changed" in warning
    assert found["ended"]
    assert found["other"] == ["other", 5, False]
    assert found["after its death"] == 6
    assert found["foreign"] == [True, True]


def test_what_does_not_start_is_told_and_leaves_nothing(kernel: Any, tmp_path: Path) -> None:
    script = """
try:
    spark_session(master="nonsense")
except SparkSessionError as error:
    said["told"] = str(error)
said["then"] = spark_session(master="local[1]").range(3).count()
"""

    found = said_by(kernel(script))

    assert "Spark did not start with master nonsense" in found["told"]
    assert found["then"] == 3


@pytest.mark.parametrize("when", ["at work", "while it starts"])
def test_a_kernel_that_is_killed_leaves_no_jvm_and_no_files(kernel: Any, tmp_path: Path, when: str) -> None:
    work = 'print("ready", flush=True); spark.range(1 << 40).selectExpr("sum(id % 7)").collect()'
    script = f'print("begin", flush=True)\nspark = spark_session()\n{work if when == "at work" else ""}'
    process = kernel(script)
    for line in process.stdout:
        if line.strip() == ("ready" if when == "at work" else "begin"):
            break
    below = until(
        lambda: [
            each for each in psutil.Process(process.pid).children(recursive=True) if "java" in each.name()
        ],
        what="the JVM",
    )

    os.kill(process.pid, signal.SIGKILL)

    until(lambda: not any(each.is_running() for each in below), seconds=200, what="the end of the JVM")
    until(lambda: not left(tmp_path), seconds=200, what="the end of everything")
    until(lambda: not [*(tmp_path / "scratch").glob("*")], seconds=60, what="an empty scratch folder")


def left(folder: Path) -> list[str]:
    """Return the command lines of processes that name a folder."""
    lines = (" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(folder) in line]
