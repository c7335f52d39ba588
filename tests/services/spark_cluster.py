"""A real Spark standalone cluster on loopback: a master with its REST server, and one worker.

    with started(folder) as cluster:
        cluster.arguments("cluster")

The fixture ``spark_cluster`` gives one for a module; import it to use it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.spark import SMALL, free_ports, runtime_or_skip, until


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


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    """Run a cluster that keeps all of it in a folder."""
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def spark_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a cluster for the tests of a module."""
    with started(tmp_path_factory.mktemp("spark")) as cluster:
        yield cluster
