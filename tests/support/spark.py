"""Real Spark for tests: a compiled jar, a standalone cluster, and tasks in a process of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.runtimes import installed
from tests.support.servers import free_port


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on, and that no other test is given."""
    return [free_port() for _ in range(count)]


UI_PORT = free_ports(1)[0]
#: Nothing but the loopback interface.
SMALL = {
    "spark.ui.port": str(UI_PORT),
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "1",
}

JAVA = """
import java.io.FileNotFoundException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.SparkSession;

public class Job {
    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("memory")) {
            List<byte[]> kept = new ArrayList<>();
            while (true) kept.add(new byte[10_000_000]);
        }
        if (arguments[0].equals("cause")) {
            throw new RuntimeException("cannot load", new FileNotFoundException("/data/a'b<&>.csv"));
        }
        SparkSession spark = SparkSession.builder().getOrCreate();
        System.out.println("arguments " + Arrays.toString(arguments));
        System.out.println("count " + spark.range(1000).count());
        if (arguments[0].equals("sleep")) Thread.sleep(600_000);
        spark.stop();
    }
}
"""

#: Runs one job like a task does, with what it is given as JSON, and prints its end.
TASK = """
import json, sys
from functools import partial
from couture_workflow.exceptions import SparkError
from couture_workflow.services.models import jobs as models
from couture_workflow.services.runs.records import RunKey
from couture_workflow.services.spark.jobs import JobRequest, Origin, SparkJob
from couture_workflow.store.home import Store
given = json.loads(sys.argv[1])
key = RunKey("dag", given.pop("run_id"), "task")
names = given.pop("models", ())
given["bring"] = partial(models.bring, names) if names else None
show = lambda stream, line: print(line, flush=True)
job = SparkJob(JobRequest(**given), Origin(key=key), store=Store.open(), on_line=show, on_tracking=print)
import signal
signal.signal(signal.SIGTERM, lambda *_: job.stop())
try:
    job.run()
except SparkError as error:
    print(error)
    sys.exit(1)
"""


def runtime_or_skip() -> installed.SparkRuntime:
    """Return the Spark runtime; skip where there is none."""
    from couture_workflow.exceptions import RuntimeMissingError

    try:
        return installed.spark()
    except RuntimeMissingError as error:
        pytest.skip(f"needs Spark: {error}")


def compile_job(folder: Path) -> Path:
    """Return a jar of the class ``Job``; skip where there is no JDK."""
    compiler, packer = shutil.which("javac"), shutil.which("jar")
    if not compiler or not packer:
        pytest.skip("needs a JDK (javac and jar)")
    (folder / "Job.java").write_text(JAVA)
    jars = runtime_or_skip().home / "jars" / "*"
    subprocess.run([compiler, "-cp", str(jars), "Job.java"], cwd=folder, check=True)
    subprocess.run([packer, "cf", "job.jar", "Job.class"], cwd=folder, check=True)
    return folder / "job.jar"


def until(condition: Callable[[], Any], *, seconds: float = 120, what: str = "it") -> Any:
    """Wait until a condition holds and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} takes longer than {seconds:.0f} s")
        time.sleep(0.1)
    return value


class Task:
    """A job that runs like a task, in a process of its own."""

    def __init__(self, folder: Path, **request: Any) -> None:
        self.log = folder / f"{request['run_id']}.log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", TASK, json.dumps(request)],
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
        )

    def text(self) -> str:
        """Return what was printed so far."""
        return self.log.read_text(errors="replace")

    def wait_for_line(self, pattern: str, *, seconds: float = 120) -> str:
        """Wait until a line is printed and return what matched."""

        def found() -> str:
            if match := re.search(pattern, self.text()):
                return match[0]
            assert self.process.poll() is None, f"the task ended early:\n{self.text()[-4000:]}"
            return ""

        return str(until(found, seconds=seconds, what=pattern))

    def wait(self, seconds: float = 240) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(seconds)


def processes_of(marker: str) -> list[int]:
    """Return the processes whose command line or environment has a text, zombies left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if marker.encode() in words:
            found.append(int(folder.name))
    return found
