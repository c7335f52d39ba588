"""Sources that Spark reads: a profile by a job on the cluster, a preview by a small driver on this machine.

A job runs as those of ``CouturePySparkOperator`` do: with the saved Spark configuration, the Hadoop group and
its keytab, below the reaper, with a record of the run. What it computed is rendered here, where the report's
packages are.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from couture_workflow import settings
from couture_workflow.exceptions import EdaError, InUseError, SparkError, SparkKilledError
from couture_workflow.services.eda import child, spark_job, spark_results
from couture_workflow.services.eda.document import Source
from couture_workflow.services.eda.spark_job import Ear, OnLine, OnMessage
from couture_workflow.services.processes.led_command import Outcome
from couture_workflow.services.processes.private_folders import private_folder
from couture_workflow.services.runtimes import class_data, installed
from couture_workflow.services.runtimes.installed import SparkRuntime
from couture_workflow.services.spark import diagnosis, hadoop_access, job_requests, masters, submit
from couture_workflow.services.spark.environment import LATE_COMPILER, environment
from couture_workflow.services.spark.jobs import Origin, SparkJob
from couture_workflow.services.spark.tracking import Tracking
from couture_workflow.store.home import Store

#: Seconds that a preview may take, previews at the same time by one process of the server, and seconds that a
#: further one waits for its turn.
SECONDS = 150.0
PARALLEL = 1
_WAIT = 5.0
_places = threading.BoundedSemaphore(PARALLEL)

#: A preview is for somebody who waits: it gives up sooner than a job does.
_IMPATIENT = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.hadoop.ipc.client.connect.max.retries": "2",
    "spark.hadoop.ipc.client.connect.max.retries.on.timeouts": "1",
    "spark.hadoop.ipc.client.connect.timeout": "8000",
    "spark.hadoop.dfs.client.failover.max.attempts": "3",
    "spark.hadoop.fs.s3a.attempts.maximum": "2",
    "spark.hadoop.fs.s3a.retry.limit": "2",
}


def profile(
    store: Store,
    source: Source,
    origin: Origin,
    *,
    folder: Path,
    sample_rows: int,
    about: Mapping[str, Any],
    on_message: OnMessage,
    on_line: OnLine = lambda _stream, _line: None,
    on_tracking: Callable[[Tracking], None] = lambda _tracking: None,
) -> dict[str, Any]:
    """Analyse a source with Spark and leave ``profile.json`` and ``report.html`` in the folder.

    :param origin: the try of the task that does it; once its ``keep_going`` says no, everything is ended.
    :param about: who and when, shown on top of the report.
    :param on_message: called with each ``{"stage", ...}`` and ``{"warning"}``.
    :param on_line: called with "output" or "log" and each line of the driver.
    :return: the summary; EdaError, or another CoutureError, says what went wrong.
    """
    request = spark_job.job_request(source)
    with private_folder() as own, spark_results.place(store, request) as results:
        asked = spark_job.asked(source, "profile", results=results.name, sample_rows=sample_rows)
        prepared = spark_job.with_job(store, asked, own)
        ear = Ear(on_message, on_line)
        job = SparkJob(request, origin, store=prepared, on_line=ear.hear, on_tracking=on_tracking)
        try:
            job.run()
        except SparkKilledError as error:
            raise EdaError(str(error), code="stopped") from error
        except SparkError as error:
            if (told := ear.error) is None:
                raise
            raise EdaError(origin.redact(str(told)), code=told.code, field=told.field) from error
        computed = own / "computed"
        computed.mkdir(mode=0o700)
        results.bring(computed, origin.keep_going)
        return child.run_child(
            {
                "verb": "profile",
                "source": _computed(computed),
                "sensitive": list(source.sensitive),
                "sample_rows": sample_rows,
                "folder": str(folder),
                "about": dict(about),
            },
            on_message=on_message,
            keep_going=origin.keep_going,
        )


def _computed(folder: Path) -> dict[str, Any]:
    found = {"kind": "computed"}
    for key, name in (("profile", "profile.json"), ("sample", "sample.jsonl")):
        path = folder / name
        if not path.is_file():
            raise EdaError(f"The Spark job ended well and left no {name}. Look at its log.", code="failed")
        found[key] = str(path)
    return found


def preview(
    store: Store,
    source: Source,
    *,
    on_message: OnMessage = lambda _message: None,
    seconds: float = SECONDS,
    keep_going: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """Return the first rows of a source and its columns as they will be read.

    A driver on this machine reads them, with the saved configuration and what leads to the group's cluster;
    it needs no room on the cluster. Blocks for 10 to 60 seconds.

    :param seconds: how long it may take.
    """
    with _turn(), private_folder() as folder:
        results = folder / "results"
        results.mkdir(mode=0o700)
        asked = spark_job.asked(source, "preview", results=f"file:{results}", sample_rows=0)
        ear = Ear(on_message, lambda _stream, _line: None)
        deadline = time.monotonic() + seconds
        outcome = _run_here(
            spark_job.with_job(store, asked, folder),
            source,
            folder,
            ear,
            lambda: keep_going() and time.monotonic() < deadline,
        )
        late = outcome.stopped and time.monotonic() >= deadline
        _judge(outcome, ear, seconds if late else 0.0)
        result: dict[str, Any] = json.loads((results / "preview.json").read_text(encoding="utf-8"))
        return result


@contextmanager
def _turn() -> Iterator[None]:
    if not _places.acquire(timeout=_WAIT):
        raise InUseError(
            "Spark reads another preview already, and this machine has room for one driver. Wait for its "
            "end, then try again."
        )
    try:
        yield
    finally:
        _places.release()


def _run_here(
    store: Store, source: Source, folder: Path, ear: Ear, keep_going: Callable[[], bool]
) -> Outcome:
    runtime = installed.spark()
    request = spark_job.job_request(
        source,
        spark_arguments={"master": "local[2]", "deploy-mode": "client", "driver-memory": "1g"},
        spark_configurations=_IMPATIENT,
        python=runtime.python,
    )
    configuration = job_requests.configuration(store, request)
    group = hadoop_access.chosen(store, request.hadoop_group)
    access = hadoop_access.take(store, group, folder) if group else None
    if access is not None:
        configuration = hadoop_access.configured(configuration, access, kind="local", mode="client")
    job, _ = job_requests.collected(store, request, configuration, folder)
    variables = environment(
        runtime,
        loopback=True,
        scratch=folder / "scratch",
        java_options=(*_java_options(store, runtime), *(access.java_options() if access else ())),
    )
    return submit.submission(
        job,
        masters.Client(),
        runtime=runtime,
        folder=folder,
        grace=settings.termination_grace_period(),
        environment=variables | (access.variables() if access else {}),
        on_line=ear.hear,
        on_tracking=lambda _tracking: None,
        keep_going=keep_going,
    ).run()


def _java_options(store: Store, runtime: SparkRuntime) -> tuple[str, ...]:
    """Return what makes a driver start soon."""
    if not settings.class_data_archive():
        return LATE_COMPILER
    archive = class_data.class_data_archive(runtime, store.root / "cache" / "class-data", build=False)
    return (*LATE_COMPILER, *(class_data.class_data_options(archive) if archive else ()))


def _judge(outcome: Outcome, ear: Ear, late: float) -> None:
    """Raise what the outcome of a preview means, if it is not success."""
    if late:
        raise EdaError(
            f"The preview took longer than {late:g} seconds and was ended. The cluster may be slow or not "
            "answer: test its Hadoop group, or run the analysis without a preview.",
            code="time",
        )
    if outcome.stopped:
        raise EdaError("The preview was stopped. Nothing of it is left running.", code="stopped")
    if ear.error is not None:
        raise ear.error
    if outcome.exit_code:
        found = diagnosis.diagnose(outcome.output, outcome.log, exit_code=outcome.exit_code)
        raise EdaError(" ".join(filter(None, (f"Spark failed: {found.cause}.", found.remedy))), code="failed")
