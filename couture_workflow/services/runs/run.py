"""What is known of one try of a task: which it is, what it used, how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from couture_workflow.services.runs.notebook_use import NotebookUse

State = Literal["running", "success", "failed", "killed"]
Role = Literal["application", "jar", "py-file", "model"]
Kind = Literal["spark", "notebook"]


@dataclass(frozen=True)
class RunKey:
    """One try of a task instance, in Airflow's own terms."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 1


@dataclass(frozen=True)
class FileUse:
    """One version of a stored file that a run was given."""

    role: Role
    name: str
    version: int
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run used and how it went. Everything in it is masked: it is shown as it is.

    :param kind: what ran; of a notebook ``app_name`` is its path.
    :param triggered_by: the account that started the DAG run, "" for the schedule.
    :param owner: the task's owner in Airflow.
    :param configuration: ``{"arguments": {...}, "configurations": {...}}`` after the task's overrides.
    :param configuration_commit: commit of the Spark Configuration page that the run started with.
    :param command: the final command as one line for a shell, secrets masked.
    :param notebook: what else is known of a notebook's run; None for other kinds and old records.
    :param application_arguments: what the application was given, secrets masked.
    :param error: the root cause on the first line, what else is known below it.
    :param hadoop_group: the Hadoop group that the run was given, "" for none.
    :param hadoop_commit: version of the configuration repository that its files are of.
    :param hadoop_files: SHA-256 of these files.
    :param principal: who the run was to Kerberos, "" without it.
    """

    key: RunKey
    state: State
    started_at: datetime
    ended_at: datetime | None = None
    kind: Kind = "spark"
    triggered_by: str = ""
    owner: str = ""
    dag_version: str | None = None
    configuration_commit: str | None = None
    configuration: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: tuple[FileUse, ...] = ()
    app_name: str = ""
    application_arguments: tuple[str, ...] = ()
    spark_version: str = ""
    java_version: str = ""
    master: str = ""
    deploy_mode: str = ""
    command: str = ""
    application_id: str | None = None
    tracking_url: str | None = None
    error: str | None = None
    host: str = ""
    pid: int | None = None
    user: str = ""
    notebook: NotebookUse | None = None
    hadoop_group: str = ""
    hadoop_commit: str | None = None
    hadoop_files: str = ""
    principal: str = ""

    @property
    def duration(self) -> float | None:
        """Return the seconds from start to end, None while it runs."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None
