"""One try of a Spark job from what a task asks for to its result, with the record of what it used.

Files are copied out of the store with their sha256 checked, the page's configuration is merged with the
task's, the job is submitted and followed, and the run's record is written at the start and at each
change.
"""

from __future__ import annotations

import logging
import os
import shlex
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from couture_workflow import settings
from couture_workflow.exceptions import (
    CoutureError,
    SparkError,
    SparkJobError,
    SparkKilledError,
    SparkSubmitError,
    StorageError,
)
from couture_workflow.services.processes.led_command import LOG, OUTPUT, Outcome
from couture_workflow.services.processes.private_folders import private_folder, shared_place
from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.records import FileUse, Run, RunKey
from couture_workflow.services.runtimes import class_data, installed
from couture_workflow.services.runtimes.installed import SparkRuntime
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark import hadoop_access, job_requests, masters
from couture_workflow.services.spark.command import Job, display, masked, spark_submit
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.diagnosis import diagnose
from couture_workflow.services.spark.environment import LATE_COMPILER, environment
from couture_workflow.services.spark.hadoop_access import Access
from couture_workflow.services.spark.job_requests import JobRequest
from couture_workflow.services.spark.masters import Client, StandaloneCluster, Target, YarnCluster
from couture_workflow.services.spark.submit import Submission, submission
from couture_workflow.services.spark.tracebacks import Pieces
from couture_workflow.services.spark.tracking import Tracking
from couture_workflow.services.spark.yarn import APPLICATION, YarnJob, with_driver_log
from couture_workflow.store.home import Store

log = logging.getLogger(__name__)

#: Stands for the folder of a run where it is shown.
FOLDER = "$RUN"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Who runs a job: the try of a task.

    :param redact: masks what is secret in a text, such as the password of a connection.
    :param keep_secret: told each secret value, so that ``redact`` and the task's log mask it.
    :param keep_going: asked often; once it says no, the job is stopped.
    """

    key: RunKey
    dag_version: str | None = None
    user: str = ""
    owner: str = ""
    triggered_by: str = ""
    redact: Callable[[str], str] = str
    keep_secret: Callable[[str], object] = str
    keep_going: Callable[[], bool] = lambda: True


class SparkJob:
    """One try of a job.

    :param on_line: called with "output" or "log" and each line of the driver.
    :param on_tracking: called whenever more is known of the application.
    """

    def __init__(
        self,
        request: JobRequest,
        origin: Origin,
        *,
        store: Store,
        on_line: Callable[[str, str], None],
        on_tracking: Callable[[Tracking], None],
    ) -> None:
        self.request = request
        self.origin = origin
        self.store = store
        self.on_line = on_line
        self.on_tracking = on_tracking
        self._stopped = False
        self._submission: Submission | None = None
        self._run = Run(
            key=origin.key,
            state="running",
            started_at=datetime.now(UTC),
            dag_version=origin.dag_version,
            app_name=origin.redact(request.app_name),
            application_arguments=tuple(map(origin.redact, masked(request.arguments))),
            host=socket.gethostname(),
            pid=os.getpid(),
            user=origin.user,
            owner=origin.owner,
            triggered_by=origin.triggered_by,
        )

    def run(self) -> Run:
        """Run the job; return the record of a success or raise a ``CoutureError`` with the root cause."""
        self._record()
        try:
            self._submit()
        except SparkKilledError as error:
            self._end("killed", str(error))
            raise
        except CoutureError as error:
            if self._run.state == "running":
                self._end("failed", str(error))
            raise
        except BaseException as error:
            self._end("killed", f"The task was ended by {type(error).__name__}: {error}".rstrip(": "))
            raise
        self._end("success", None)
        return self._run

    def stop(self) -> None:
        """Ask for the end of the job; ``run`` raises ``SparkKilledError`` when nothing of it is left."""
        self._stopped = True
        if self._submission is not None:
            self._submission.stop()

    def _submit(self) -> None:
        runtime = installed.spark()
        configuration = job_requests.configuration(self.store, self.request)
        target = masters.target(configuration, spark_home=runtime.home, spark_version=runtime.version)
        shared = shared_place(self.store.root) if isinstance(target, StandaloneCluster) else None
        with private_folder(shared) as folder:
            configuration = job_requests.with_python(configuration, self.request, runtime, target)
            access = self._access(folder)
            if access is not None:
                configuration = hadoop_access.configured(
                    configuration,
                    access,
                    kind=masters.master(configuration).kind,
                    mode=masters.deploy_mode(configuration),
                )
                target = masters.reaching(target, yarn=YarnJob(access, folder))
            job, uses = job_requests.collected(self.store, self.request, configuration, folder)
            self._describe(job, uses, runtime, folder)
            variables = self._environment(configuration, runtime, target, folder, access)
            self._submission = submission(
                job,
                target,
                runtime=runtime,
                folder=folder,
                grace=settings.termination_grace_period(),
                environment=variables,
                on_line=self.on_line,
                on_tracking=self._track,
                keep_going=self.origin.keep_going,
            )
            if self._stopped:
                raise SparkKilledError(f"The Spark job {job.app_name!r} was killed before it started.")
            outcome = self._submission.run()
            if isinstance(target, YarnCluster) and outcome.exit_code and not outcome.stopped:
                outcome = self._with_driver_log(outcome, target.yarn, runtime, variables)
        self._judge(outcome, access)

    def _access(self, folder: Path) -> Access | None:
        """Put what leads to the run's cluster into its folder; None if there is no Hadoop group."""
        group = hadoop_access.chosen(self.store, self.request.hadoop_group)
        if group is None:
            return None
        self._record(hadoop_group=group.name, hadoop_commit=group.commit)
        access = hadoop_access.take(self.store, group, folder)
        self._record(principal=access.principal, hadoop_files=access.digest)
        return access

    def _with_driver_log(
        self, outcome: Outcome, job: YarnJob | None, runtime: SparkRuntime, variables: Mapping[str, str]
    ) -> Outcome:
        """Show what the driver of a failed application printed on the cluster, and add it to the outcome."""
        application = self._run.application_id
        if job is None or not application:
            return outcome
        found = job.driver_log(
            application,
            runtime,
            environment=variables,
            keep_going=lambda: not self._stopped and self.origin.keep_going(),
        )
        if not (found.remark or found.log or found.output):
            return outcome
        self.on_line(LOG, found.remark or f"What the driver of {application} printed on the cluster:")
        for stream, lines in ((LOG, found.log), (OUTPUT, found.output)):
            pieces = Pieces(partial(self.on_line, stream))
            for line in lines:
                pieces.take(line)
            pieces.flush()
        return with_driver_log(outcome, found)

    def _environment(
        self,
        configuration: SparkConfiguration,
        runtime: SparkRuntime,
        target: Target,
        folder: Path,
        access: Access | None,
    ) -> dict[str, str]:
        options = LATE_COMPILER if isinstance(target, Client) else ()
        if isinstance(target, Client) and settings.class_data_archive():
            archive = class_data.class_data_archive(runtime, self.store.root / "cache" / "class-data")
            options += class_data.class_data_options(archive) if archive else ()
        local = masters.master(configuration).kind == "local"
        own_place = local and "spark.local.dir" not in configuration.configurations
        options += access.java_options() if access else ()
        result = environment(
            runtime,
            loopback=local,
            scratch=folder / "scratch" if own_place else None,
            java_options=options,
        )
        return result | access.variables() if access else result

    def _describe(self, job: Job, uses: tuple[FileUse, ...], runtime: SparkRuntime, folder: Path) -> None:
        """Write what the job will use into its record; that each has another folder is no difference."""

        def redact(text: str) -> str:
            return self.origin.redact(text).replace(str(folder), FOLDER)

        configuration = job.configuration
        for name, value in configuration.configurations.items():
            if spark_configuration.is_secret(name):
                self.origin.keep_secret(value)
        arguments = {name: redact(masked([value])[0]) for name, value in configuration.arguments.items()}
        shown = {name: redact(value) for name, value in configuration.masked().items()}
        line = masked(spark_submit(job, spark_home=runtime.home, properties_file=None))
        self._record(
            configuration_commit=configuration.commit,
            configuration={"arguments": arguments, "configurations": shown},
            files=uses,
            spark_version=runtime.version,
            java_version=runtime.java_version,
            master=masters.master(configuration).url,
            deploy_mode=masters.deploy_mode(configuration),
            command=display(map(self.origin.redact, line)),
        )

    def _track(self, tracking: Tracking) -> None:
        self._record(application_id=tracking.application_id, tracking_url=tracking.tracking_url)
        self.on_tracking(tracking)

    def _judge(self, outcome: Outcome, access: Access | None) -> None:
        """Raise what the outcome means, if it is not success."""
        name = self.request.app_name
        if outcome.stopped:
            left = self._left_on_yarn(access) or "Nothing of it is left running."
            raise SparkKilledError(f"The Spark job {name!r} was killed. {left}")
        if not outcome.exit_code:
            return
        found = diagnose(outcome.output, outcome.log, exit_code=outcome.exit_code)
        cause, remedy = self.origin.redact(found.cause), found.remedy
        self._end("failed", "\n".join(filter(None, (cause, remedy))))
        application = f", application {self._run.application_id}" if self._run.application_id else ""
        head = f"The Spark job {name!r} failed (exit code {outcome.exit_code}{application})."
        raise SparkJobError("\n".join(filter(None, (head, remedy, cause))))

    def _left_on_yarn(self, access: Access | None) -> str:
        """Look at YARN after a stop, and end what still runs; return what is left, in words."""
        application = self._run.application_id or ""
        if access is None or not APPLICATION.fullmatch(application):
            return ""
        try:
            group = hadoop_access.chosen(self.store, access.group)
            with private_folder() as folder:  # that of the run went with its processes
                again = hadoop_access.take(self.store, group, folder) if group else access
                return YarnJob(again, folder).make_sure_of_the_end(application)
        except CoutureError as error:
            return f"Whether {application} has ended on YARN is not known. {error}"

    def _end(self, state: run_records.State, error: str | None) -> None:
        self._record(state=state, ended_at=datetime.now(UTC), error=error and self.origin.redact(error))

    def _record(self, **news: object) -> None:
        """Write the record; a job does not fail because it cannot be written."""
        self._run = replace(self._run, **news)  # type: ignore[arg-type]
        try:
            run_records.write(self.store, self._run)
        except (StorageError, OSError) as error:
            log.warning("The run's details cannot be kept: %s", error)


def split_arguments(arguments: object) -> tuple[str, ...]:
    """Return application arguments as strings; a string is split like a shell does."""
    if arguments is None:
        return ()
    if isinstance(arguments, str):
        try:
            return tuple(shlex.split(arguments))
        except ValueError as error:
            raise SparkSubmitError(
                f"The application_arguments {arguments!r} cannot be split ({error}). Give a list of strings."
            ) from None
    if isinstance(arguments, Sequence):
        return tuple(str(argument) for argument in arguments)
    return (str(arguments),)


__all__ = ["JobRequest", "Origin", "SparkError", "SparkJob", "split_arguments"]
