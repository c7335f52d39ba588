"""How the results of a job come back: from a folder here, or of the cluster if the driver runs there."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError, EdaError
from couture_workflow.services.hadoop import groups
from couture_workflow.services.processes.led_command import LedCommand, Outcome
from couture_workflow.services.processes.private_folders import private_folder, shared_place
from couture_workflow.services.runtimes import installed
from couture_workflow.services.spark import diagnosis, hadoop_access, job_requests, masters
from couture_workflow.services.spark.hadoop_access import Access
from couture_workflow.services.spark.job_requests import JobRequest
from couture_workflow.services.spark.masters import KubernetesCluster, StandaloneCluster, YarnCluster
from couture_workflow.store.home import Store

#: Folder of results on the cluster, below the staging folder that is configured or the account's home there.
ON_CLUSTER = ".couture-eda"
#: Seconds that fetching results may take; seconds that removing them may take.
_FETCHING, _REMOVING = 600.0, 30.0
_JARS = ("hadoop-client-api-*.jar", "hadoop-client-runtime-*.jar", "slf4j-api-*.jar")
_JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Results(Protocol):
    """Where a job puts its files."""

    @property
    def name(self) -> str:
        """Return the place as the job is told it."""

    def bring(self, folder: Path, keep_going: Callable[[], bool]) -> None:
        """Put the files into a folder of this machine."""


class _Here:
    """The driver sees a folder that this machine sees, too."""

    def __init__(self, place: Path) -> None:
        self._place = place

    @property
    def name(self) -> str:
        return f"file:{self._place}"

    def bring(self, folder: Path, keep_going: Callable[[], bool]) -> None:
        for path in sorted(self._place.iterdir()):
            shutil.copyfile(path, folder / path.name)


class _OnCluster:
    """The driver runs on the cluster, so results wait on its file system."""

    def __init__(self, store: Store, request: JobRequest, staging: str) -> None:
        self._store, self._request = store, request
        base = f"{staging.rstrip('/')}/" if staging else ""
        self.name = f"{base}{ON_CLUSTER}/{secrets.token_hex(16)}"

    def bring(self, folder: Path, keep_going: Callable[[], bool]) -> None:
        outcome = self._run(["-get", f"{self.name}/*", str(folder)], _FETCHING, keep_going)
        if outcome.exit_code:
            found = diagnosis.diagnose(outcome.output, outcome.log, exit_code=outcome.exit_code)
            raise EdaError(
                f"The results of the analysis could not be fetched from {self.name} on the cluster: "
                f"{found.cause}",
                code="stopped" if outcome.stopped else "connection",
            )

    def remove(self) -> None:
        """Remove what is there; a job that was killed may have left nothing."""
        with suppress(CoutureError):  # the next job on this cluster sweeps
            self._run(["-rm", "-r", "-f", "-skipTrash", self.name], _REMOVING, lambda: True)

    def _run(self, words: list[str], seconds: float, keep_going: Callable[[], bool]) -> Outcome:
        runtime = installed.spark()
        deadline = time.monotonic() + seconds
        with private_folder() as folder:
            group = hadoop_access.chosen(self._store, self._request.hadoop_group)
            access = hadoop_access.take(self._store, group, folder) if group else None
            conf = str(access.conf) if access else os.environ.get("HADOOP_CONF_DIR", "")
            jars = [str(jar) for pattern in _JARS for jar in sorted((runtime.home / "jars").glob(pattern))]
            return LedCommand(
                [
                    *(runtime.java, *_JVM, f"-Djava.io.tmpdir={folder}"),
                    *(access.java_options() if access else ()),
                    *("-cp", os.pathsep.join([conf, *jars]), "org.apache.hadoop.fs.FsShell", *words),
                ],
                environment=_environment(runtime.java_home, folder, access),
                folder=folder,
                grace=settings.termination_grace_period(),
                on_line=lambda _stream, _line: None,
                keep_going=lambda: keep_going() and time.monotonic() < deadline,
            ).run()


@contextmanager
def place(store: Store, request: JobRequest) -> Iterator[Results]:
    """Choose where a job's results go, by where its driver runs; nothing of them is left behind."""
    runtime = installed.spark()
    configuration = job_requests.configuration(store, request)
    target = masters.target(configuration, spark_home=runtime.home, spark_version=runtime.version)
    if not isinstance(target, YarnCluster | KubernetesCluster):
        shared = shared_place(store.root) if isinstance(target, StandaloneCluster) else None
        with private_folder(shared) as folder:
            yield _Here(folder)
        return
    group = hadoop_access.chosen(store, request.hadoop_group)
    if isinstance(target, KubernetesCluster) and not (group and groups.properties(store, group.name)):
        raise EdaError(
            "In the deploy mode cluster on Kubernetes the results come back through the cluster's file "
            "system, and no Hadoop group says where that is. Choose one for the source, or set the argument "
            "deploy-mode to client in Spark Configuration.",
            code="invalid",
            field="spark.hadoop_group",
        )
    found = _OnCluster(store, request, configuration.configurations.get("spark.yarn.stagingDir", ""))
    try:
        yield found
    finally:
        found.remove()


def _environment(java_home: Path, folder: Path, access: Access | None) -> dict[str, str]:
    """Return what the client needs of this process's environment, which has secrets of Airflow in it."""
    found = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "JAVA_HOME": str(java_home), "HOME": str(folder)}
    found["HADOOP_USER_NAME"] = hadoop_access.user()
    return found | (access.variables() if access else {})
