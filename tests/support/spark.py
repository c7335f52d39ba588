"""Real Spark for tests: a compiled jar, a standalone cluster, and tasks in a process of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.runtimes import installed


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


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
from couture_workflow.exceptions import SparkError
from couture_workflow.services.runs.records import RunKey
from couture_workflow.services.spark.jobs import JobRequest, Origin, SparkJob
from couture_workflow.store.home import Store
given = json.loads(sys.argv[1])
key = RunKey("dag", given.pop("run_id"), "task")
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


class Cluster:
    """A standalone master with its REST server, and one worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.master_port, self.rest_port, self.page_port, *self._worker_ports = free_ports(5)
        self.url = f"spark://127.0.0.1:{self.master_port}"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start both and wait until the worker is registered."""
        rest = f"-Dspark.master.rest.enabled=true -Dspark.master.rest.port={self.rest_port}"
        self._run(
            *("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1"),
            *("--port", str(self.master_port), "--webui-port", str(self.page_port)),
            SPARK_MASTER_OPTS=f"{rest} -Dspark.master.rest.host=127.0.0.1 -Dspark.port.maxRetries=0",
        )
        self._run(
            *("org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1"),
            *("--port", str(self._worker_ports[0]), "--webui-port", str(self._worker_ports[1])),
            *("--cores", "6", "--memory", "6g"),
            *("--work-dir", str(self.folder / "work"), self.url),
        )
        until(lambda: self.state().get("aliveworkers"), what="the worker")

    def _run(self, *words: str, **environment: str) -> None:
        runtime = runtime_or_skip()
        base = {"SPARK_HOME": str(runtime.home), "JAVA_HOME": str(runtime.java_home)}
        self._processes.append(
            subprocess.Popen(
                [str(runtime.home / "bin" / "spark-class"), *words],
                env={
                    **os.environ,
                    **base,
                    "SPARK_LOCAL_IP": "127.0.0.1",
                    "SPARK_DAEMON_MEMORY": "256m",
                    **environment,
                },
                stdout=(self.folder / f"{words[0]}.log").open("wb"),
                stderr=subprocess.STDOUT,
            )
        )

    def stop(self) -> None:
        """Stop both."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(30)

    def state(self) -> dict[str, Any]:
        """Return what the master's page tells as JSON."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.page_port}/json/", timeout=10) as answer:
                return dict(json.load(answer))
        except (OSError, ValueError):  # a master that begins to listen answers with an empty page
            return {}

    def drivers(self) -> dict[str, str]:
        """Return the state of each driver of cluster mode."""
        state = self.state()
        known = (*state["activedrivers"], *state["completeddrivers"])
        return {driver["id"]: driver["state"] for driver in known}

    def applications(self) -> list[str]:
        """Return the names of the applications that run."""
        return [application["name"] for application in self.state()["activeapps"]]

    def arguments(self, mode: str) -> dict[str, str]:
        """Return the arguments of spark-submit for a small job here."""
        return {
            "master": self.url,
            "deploy-mode": mode,
            "driver-memory": "600m",
            "executor-memory": "600m",
            "total-executor-cores": "1",
        }

    def configurations(self) -> dict[str, str]:
        """Return the configurations for a small job here."""
        own = {"spark.master.rest.port": str(self.rest_port), "spark.master.ui.port": str(self.page_port)}
        return {**SMALL, **own}
