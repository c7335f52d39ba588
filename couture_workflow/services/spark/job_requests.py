"""What a task asks for, and what it comes to: the configuration after merging, the files at hand, the job."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from couture_workflow.exceptions import SparkSubmitError
from couture_workflow.services.runs.records import FileUse
from couture_workflow.services.runtimes.installed import SparkRuntime
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark import job_files, masters
from couture_workflow.services.spark.command import Job
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.masters import Client, Target
from couture_workflow.services.spark.rules import errors
from couture_workflow.store.home import Store

_PYTHON, _DRIVER_PYTHON = "spark.pyspark.python", "spark.pyspark.driver.python"


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What else is brought to driver and executors, such as trained models: see ``command.Job``."""

    files: tuple[Path, ...] = ()
    archives: tuple[Path, ...] = ()
    uses: tuple[FileUse, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What a task asks for.

    :param code_artifact: reference to a code artifact, ``name`` or ``name@version``.
    :param suffixes: what the artifact's name may end in.
    :param arguments: what the application is given.
    :param spark_arguments: over the page's arguments of spark-submit; None removes one.
    :param spark_configurations: over the page's ``spark.*`` settings; None removes one.
    :param jars: references to dependencies in place of the page's, None: the page's.
    :param py_files: likewise.
    :param python: the Python of driver and executors, None: the configured one.
    :param hadoop_group: which leads to the cluster, None: the default one, "": none.
    :param bring: puts what else the job needs into a folder that is given; None: there is nothing.
    """

    app_name: str
    code_artifact: str
    suffixes: tuple[str, ...]
    class_path: str | None = None
    arguments: tuple[str, ...] = ()
    spark_arguments: Mapping[str, str | None] = field(default_factory=dict)
    spark_configurations: Mapping[str, str | None] = field(default_factory=dict)
    jars: Sequence[str] | None = None
    py_files: Sequence[str] | None = None
    python: str | None = None
    hadoop_group: str | None = None
    bring: Callable[[Store, Path], Brought] | None = None


def configuration(store: Store, request: JobRequest) -> SparkConfiguration:
    """Return the page's configuration with the task's over it."""
    merged = spark_configuration.merge(
        spark_configuration.load(store),
        arguments=request.spark_arguments,
        configurations=request.spark_configurations,
        jars=request.jars,
        py_files=request.py_files,
    )
    if wrong := errors(spark_configuration.validate(merged, store)):
        raise SparkSubmitError(
            "\n".join(f"The Spark configuration is wrong in {each.field}: {each.message}" for each in wrong)
        )
    return merged


def with_python(
    configuration: SparkConfiguration, request: JobRequest, runtime: SparkRuntime, target: Target
) -> SparkConfiguration:
    """Set the Python of a Python job where nobody did: this runtime's, for machines that share it."""
    given = configuration.configurations
    if ".py" not in request.suffixes or request.python or _PYTHON in given:
        return configuration
    kind = masters.master(configuration).kind
    if kind in {"local", "spark"}:
        return spark_configuration.merge(configuration, configurations={_PYTHON: runtime.python})
    if isinstance(target, Client) and _DRIVER_PYTHON not in given:
        return spark_configuration.merge(configuration, configurations={_DRIVER_PYTHON: runtime.python})
    return configuration


def collected(
    store: Store, request: JobRequest, configuration: SparkConfiguration, folder: Path
) -> tuple[Job, tuple[FileUse, ...]]:
    """Copy every file into the folder, with its sha256 checked; return the job and what it uses."""
    python = request.python
    if python and Path(python).is_absolute() and masters.master(configuration).kind == "local":
        if not os.access(python, os.X_OK):
            raise SparkSubmitError(f"There is no Python {python} to run here. Correct python_conf.")
    artifacts, dependencies = store.artifacts, store.dependencies
    application = job_files.fetch(artifacts, request.code_artifact, "application", folder / "application")
    if application[0].suffix.lower() not in request.suffixes:
        raise SparkSubmitError(
            f"The code artifact {application[1].name!r} cannot be run by this operator, which takes "
            f"{' or '.join(request.suffixes)}. Use CouturePySparkOperator for .py, CoutureSparkOperator for "
            ".jar."
        )
    jars = [job_files.fetch(dependencies, name, "jar", folder / "jars") for name in configuration.jars]
    py_files = [
        job_files.fetch(dependencies, name, "py-file", folder / "py-files") for name in configuration.py_files
    ]
    brought = request.bring(store, folder / "models") if request.bring else Brought()
    job = Job(
        app_name=request.app_name,
        application=application[0],
        class_path=request.class_path,
        arguments=request.arguments,
        configuration=configuration,
        jars=tuple(path for path, _ in jars),
        py_files=tuple(path for path, _ in py_files),
        python=python,
        files=brought.files,
        archives=brought.archives,
    )
    return job, (*(use for _, use in (application, *jars, *py_files)), *brought.uses)
