"""Tasks that run a Spark job: a jar, or Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from couture_workflow.operators.links import RunDetailsLink, SparkUILink

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from couture_workflow.services.spark.job_requests import Brought
    from couture_workflow.services.spark.jobs import JobRequest, Origin, SparkJob
    from couture_workflow.services.spark.tracking import Tracking
    from couture_workflow.store.home import Store

_LEVELS = {"WARN": "warning", "ERROR": "error", "FATAL": "error", "DEBUG": "debug", "TRACE": "debug"}


class CoutureSparkOperator(BaseOperator):
    """Run a jar on Spark.

    What *Developer > Spark Configuration* says when the task starts holds, the task's own settings over it.

    :param code_artifact: a jar among the code artifacts, ``name`` or ``name@version`` (templated)
    :param app_name: name of the application, the task id if it is not given (templated)
    :param class_path: main class of the jar, such as ``com.example.Main``; not needed if its manifest names
        one (templated)
    :param application_arguments: what the application is given: a list of strings, or a string that is split
        like a shell does (templated)
    :param description: what the task does; shown as its documentation
    :param python_conf: the Python of driver and executors, such as ``/usr/bin/python3.12`` (templated)
    :param spark_arguments: arguments of spark-submit, such as ``{"driver-memory": "2g"}``, over those of the
        page; None as a value removes one (templated)
    :param spark_configurations: settings such as ``{"spark.sql.shuffle.partitions": 8}``, over those of the
        page; None as a value removes one (templated)
    :param jars: uploaded dependencies in place of the page's jars (templated)
    :param py_files: uploaded dependencies in place of the page's py-files (templated)
    :param models: trained models for driver and executors, such as ``["penguins@3"]``, which they find as
        ``SparkFiles.get("penguins")`` (templated)
    :param hadoop_group: the Hadoop group that leads to the job's cluster, such as ``"reporting"``; None for
        the default group, False for none (templated)
    """

    template_fields: Sequence[str] = (
        "app_name",
        "class_path",
        "code_artifact",
        "application_arguments",
        "python_conf",
        "spark_arguments",
        "spark_configurations",
        "jars",
        "py_files",
        "models",
        "hadoop_group",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "application_arguments": "json",
        "spark_arguments": "json",
        "spark_configurations": "json",
    }
    operator_extra_links = (SparkUILink(), RunDetailsLink())
    ui_color = "#e25a1c"
    ui_fgcolor = "#ffffff"
    suffixes: ClassVar[tuple[str, ...]] = (".jar",)

    def __init__(
        self,
        *,
        code_artifact: str,
        app_name: str | None = None,
        class_path: str | None = None,
        application_arguments: Sequence[object] | str | None = None,
        description: str | None = None,
        python_conf: str | None = None,
        spark_arguments: Mapping[str, object] | None = None,
        spark_configurations: Mapping[str, object] | None = None,
        jars: Sequence[str] | str | None = None,
        py_files: Sequence[str] | str | None = None,
        models: Sequence[str] | str | None = None,
        hadoop_group: str | bool | None = None,
        **kwargs: Any,
    ) -> None:
        if description:
            kwargs.setdefault("doc", description)
        super().__init__(**kwargs)
        self.code_artifact = code_artifact
        self.app_name = app_name
        self.class_path = class_path
        self.application_arguments = application_arguments
        self.description = description
        self.python_conf = python_conf
        self.spark_arguments = spark_arguments
        self.spark_configurations = spark_configurations
        self.jars = jars
        self.py_files = py_files
        self.models = models
        self.hadoop_group = hadoop_group
        self.tracking_url = ""
        self._job: SparkJob | None = None

    def execute(self, context: Context) -> None:
        """Run the job to its end."""
        from couture_workflow.services.spark.jobs import SparkJob
        from couture_workflow.store.home import Store

        def track(tracking: Tracking) -> None:
            if tracking.tracking_url and tracking.tracking_url != self.tracking_url:
                self.tracking_url = tracking.tracking_url
                self.log.info("Spark UI: %s", self.tracking_url)
                self._push_link(context, SparkUILink())

        self.tracking_url = ""
        self._push_link(context, RunDetailsLink())
        self._job = SparkJob(
            self.job_request(),
            self._origin(context),
            store=Store.open(),
            on_line=self._show,
            on_tracking=track,
        )
        run = self._job.run()
        self.log.info("The Spark job succeeded (application %s).", run.application_id or "without an id")

    def on_kill(self) -> None:
        """End the job and everything that it started; the task ends when nothing of it is left."""
        if self._job is not None:
            self._job.stop()

    def job_request(self) -> JobRequest:
        """Return what the task asks for; its templates must be filled in."""
        from couture_workflow.services.spark.jobs import JobRequest, split_arguments

        return JobRequest(
            app_name=self.app_name or self.task_id,
            code_artifact=self.code_artifact,
            suffixes=self.suffixes,
            class_path=self.class_path or None,
            arguments=split_arguments(self.application_arguments),
            spark_arguments=_texts(self.spark_arguments),
            spark_configurations=_texts(self.spark_configurations),
            jars=_names(self.jars),
            py_files=_names(self.py_files),
            hadoop_group=_group(self.hadoop_group),
            bring=_models(self.models),
            python=self.python_conf or None,
        )

    def _origin(self, context: Context) -> Origin:
        from airflow.sdk.log import mask_secret, redact  # type: ignore[attr-defined]

        from couture_workflow.operators.origin import dag_version, run_key, system_account, triggered_by
        from couture_workflow.services.spark.jobs import Origin

        ti: Any = context["ti"]
        return Origin(
            key=run_key(ti),
            dag_version=dag_version(ti),
            user=system_account(),
            owner=self.owner,
            triggered_by=triggered_by(context),
            redact=lambda text: str(redact(text)),
            keep_secret=mask_secret,
            keep_going=_supervised(),
        )

    def _show(self, stream: str, line: str) -> None:
        """Write a line of the driver, or a whole traceback, into the task's log with its level."""
        from couture_workflow.services.spark.diagnosis import level

        getattr(self.log, _LEVELS.get(level(line), "info"))("%s", line)

    def _push_link(self, context: Context, link: SparkUILink | RunDetailsLink) -> None:
        """Offer a link now; Airflow itself does so only when the task has ended."""
        from airflow.sdk.exceptions import AirflowRuntimeError

        ti = context["ti"]
        try:
            ti.xcom_push(key=link.xcom_key, value=link.get_link(self, ti_key=ti))  # type: ignore[arg-type]
        except AirflowRuntimeError as error:
            self.log.warning("The link %s is offered when the task has ended: %s", link.name, error)


class CouturePySparkOperator(CoutureSparkOperator):
    """Run a Python file on Spark.

    Takes the same as :class:`CoutureSparkOperator`; the code artifact is a ``.py``.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".py",)


def _texts(given: Mapping[str, object] | None) -> dict[str, str | None]:
    """Return settings as Spark reads them: True as "true", numbers as digits, None kept."""
    return {name.removeprefix("--"): _text(value) for name, value in (given or {}).items()}


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _names(given: Sequence[str] | str | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(name for part in parts if (name := str(part).strip()))


def _models(given: Sequence[str] | str | None) -> Callable[[Store, Path], Brought] | None:
    if not (references := _names(given)):
        return None
    from couture_workflow.services.models import jobs

    return partial(jobs.bring, references)


def _group(given: object) -> str | None:
    """Return the name of a Hadoop group, None for the default one, "" for none."""
    if given is False:
        return ""
    # A template that gives nothing names none, so it means the default one.
    return None if given is None or given is True else str(given).strip() or None


def _supervised() -> Callable[[], bool]:
    """Return what tells whether the supervisor of this task still lives, if it is a process of its own."""
    from airflow.sdk.execution_time import task_runner

    if not hasattr(getattr(task_runner, "SUPERVISOR_COMMS", None), "socket"):
        return lambda: True
    supervisor = os.getppid()
    return lambda: os.getppid() == supervisor
