"""How a job is submitted and killed, by the kind of its master and its deploy mode.

In client mode the driver runs here, so ending its processes ends the application. In cluster mode it runs
elsewhere: each kind then says what kills it. Standalone clusters are followed through their REST server;
YARN and Kubernetes through a ``spark-submit`` that waits for the end. (Kubernetes follows Spark's documents
and source; it is not part of the tests.)
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from couture_workflow import settings
from couture_workflow.exceptions import SparkSubmitError
from couture_workflow.services.spark import driver
from couture_workflow.services.spark import rest as spark_rest
from couture_workflow.services.spark.command import Job, spark_submit, standalone_request
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.yarn import YarnJob

_LOCAL = re.compile(r"local(\[(\d+|\*)(, *\d+)?\])?|local-cluster\[ *\d+ *, *\d+ *, *\d+ *\]")
_API_SERVER = re.compile(r"(https?://)?[^\s/]\S*")
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[^\s:/,\[\]]+):(?P<port>\d+)")


@dataclass(frozen=True)
class Master:
    """A parsed master URL.

    :param kind: "local", "spark" (standalone), "yarn" or "k8s".
    :param hosts: hosts of a standalone cluster's masters; several when it is highly available.
    """

    url: str
    kind: str
    hosts: tuple[str, ...] = ()


def parse(url: str) -> Master:
    """Return the kind of a master URL, told by its scheme; SparkSubmitError if Spark knows none such."""
    if _LOCAL.fullmatch(url):
        return Master(url, "local")
    if url == "yarn":
        return Master(url, "yarn")
    if url.startswith("k8s://") and _API_SERVER.fullmatch(url.removeprefix("k8s://")):
        return Master(url, "k8s")
    if url.startswith("spark://"):
        found = [_HOST.fullmatch(part) for part in url.removeprefix("spark://").split(",")]
        if all(found):
            return Master(url, "spark", tuple(match["host"] for match in found if match))
    raise SparkSubmitError(
        f"The master {url!r} is none that Spark knows. Set the argument master to local[*], "
        "spark://host:7077, yarn or k8s://https://host:port."
    )


class Target(Protocol):
    """Where a job goes."""

    def command(self, job: Job, *, spark_home: Path, properties_file: Path | None, folder: Path) -> list[str]:
        """Return the command that submits the job and lives as long as it does."""

    def kill_command(self, identifier: str) -> list[str]:
        """Return the command that kills what runs on the cluster, [] if ending our processes is enough.

        :param identifier: what the cluster calls it: a driver, an application or a submission.
        """


@dataclass(frozen=True)
class Client:
    """The driver runs here."""

    def command(self, job: Job, *, spark_home: Path, properties_file: Path | None, folder: Path) -> list[str]:
        """Return the ``spark-submit`` line."""
        return spark_submit(job, spark_home=spark_home, properties_file=properties_file)

    def kill_command(self, identifier: str) -> list[str]:
        """Return nothing: the application ends with its driver."""
        return []


@dataclass(frozen=True)
class YarnClient(Client):
    """The driver runs here, its executors on YARN.

    :param yarn: what reaches the ResourceManager, None where the job has no Hadoop group.
    """

    yarn: YarnJob | None = None

    def kill_command(self, identifier: str) -> list[str]:
        """Return the command that asks the ResourceManager, also while the driver cannot hear a signal."""
        return self.yarn.kill_command(identifier) if self.yarn else []


@dataclass(frozen=True)
class StandaloneCluster:
    """A worker of a standalone cluster runs the driver."""

    rest: tuple[str, ...]
    pages: tuple[str, ...]
    spark_version: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def command(self, job: Job, *, spark_home: Path, properties_file: Path | None, folder: Path) -> list[str]:
        """Write what the cluster needs into the folder; return the command that follows the driver."""
        starter = None
        if job.application.suffix.lower() == ".py":
            starter = Path(shutil.copy(driver.__file__, folder / "start.py"))
        request = standalone_request(
            job,
            spark_home=spark_home,
            properties_file=properties_file,
            spark_version=self.spark_version,
            python_starter=starter,
            variables=self.variables,
        )
        description = {
            "rest": self.rest,
            "pages": self.pages,
            "request": request,
            "interval": settings.status_poll_interval(),
        }
        path = folder / "submission.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(description))
        return [sys.executable, "-I", "-S", spark_rest.__file__, "run", str(path)]

    def kill_command(self, identifier: str) -> list[str]:
        """Return the command that asks the master to kill the driver."""
        return [sys.executable, "-I", "-S", spark_rest.__file__, "kill", identifier, *self.rest]


@dataclass(frozen=True)
class YarnCluster:
    """The application master of a YARN application runs the driver.

    :param yarn: what reaches the ResourceManager, None where the job has no Hadoop group.
    """

    yarn: YarnJob | None = None

    def command(self, job: Job, *, spark_home: Path, properties_file: Path | None, folder: Path) -> list[str]:
        """Return a ``spark-submit`` line that waits for the end."""
        waiting = _with(job, "spark.yarn.submit.waitAppCompletion", "true")
        return spark_submit(waiting, spark_home=spark_home, properties_file=properties_file)

    def kill_command(self, identifier: str) -> list[str]:
        """Return the command that asks the ResourceManager; without a group ``yarn``, if it is here."""
        if self.yarn is not None:
            return self.yarn.kill_command(identifier)
        program = shutil.which("yarn")
        return [program, "application", "-kill", identifier] if program else []


@dataclass(frozen=True)
class KubernetesCluster:
    """A pod runs the driver."""

    url: str
    spark_home: Path

    def command(self, job: Job, *, spark_home: Path, properties_file: Path | None, folder: Path) -> list[str]:
        """Return a ``spark-submit`` line that waits for the end."""
        waiting = _with(job, "spark.kubernetes.submission.waitAppCompletion", "true")
        return spark_submit(waiting, spark_home=spark_home, properties_file=properties_file)

    def kill_command(self, identifier: str) -> list[str]:
        """Return ``spark-submit --kill`` of the submission, ``namespace:pod``."""
        return [str(self.spark_home / "bin" / "spark-submit"), "--kill", identifier, "--master", self.url]


def deploy_mode(configuration: SparkConfiguration) -> str:
    """Return "client" or "cluster", as ``spark-submit`` will take it."""
    given = configuration.arguments.get("deploy-mode")
    return given or configuration.configurations.get("spark.submit.deployMode") or "client"


def master(configuration: SparkConfiguration) -> Master:
    """Return the master, as ``spark-submit`` will take it."""
    given = configuration.arguments.get("master") or configuration.configurations.get("spark.master")
    return parse(given or "local[*]")


def target(configuration: SparkConfiguration, *, spark_home: Path, spark_version: str) -> Target:
    """Return where a job with this configuration goes."""
    where = master(configuration)
    if deploy_mode(configuration) != "cluster":
        return YarnClient() if where.kind == "yarn" else Client()
    if where.kind == "local":
        raise SparkSubmitError(
            f"The master {where.url} has no cluster for the deploy mode cluster. "
            "Set the argument deploy-mode to client."
        )
    if where.kind == "yarn":
        return YarnCluster()
    if where.kind == "k8s":
        return KubernetesCluster(where.url, spark_home)
    settings_ = configuration.configurations
    rest, page = (
        settings_.get("spark.master.rest.port", "6066"),
        settings_.get("spark.master.ui.port", "8080"),
    )
    return StandaloneCluster(
        rest=tuple(f"http://{host}:{rest}" for host in where.hosts),
        pages=tuple(f"http://{host}:{page}" for host in where.hosts),
        spark_version=spark_version,
    )


def reaching(where: Target, *, yarn: YarnJob) -> Target:
    """Return a target that knows the cluster of a job's Hadoop group."""
    if isinstance(where, YarnClient | YarnCluster):
        return replace(where, yarn=yarn)
    if isinstance(where, StandaloneCluster):
        return replace(where, variables=yarn.access.variables())
    return where


def _with(job: Job, key: str, value: str) -> Job:
    configurations = {**job.configuration.configurations, key: value}
    return replace(job, configuration=replace(job.configuration, configurations=configurations))
