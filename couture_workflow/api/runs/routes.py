"""REST API of the runs: what one try of a Spark task used and how it went."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.permissions import RUN_DETAILS
from couture_workflow.services.runs.records import Details, RunKey
from couture_workflow.web.runs import task_instances
from couture_workflow.web.state import store

router = APIRouter()


class _Model(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class KeyModel(_Model):
    """One try of a task instance."""

    dag_id: str = Field(description="Id of the DAG.")
    run_id: str = Field(description="Id of the DAG run.")
    task_id: str = Field(description="Id of the task.")
    map_index: int = Field(description="Index of a mapped task, -1 if it is not mapped.")
    try_number: int = Field(description="Number of the try, 1 for the first.")


class FileModel(_Model):
    """A stored file that the run was given."""

    role: str = Field(description='"application", "jar" or "py-file".')
    name: str = Field(description="Name of the code artifact or dependency.")
    version: int = Field(description="Number of its version.")
    sha256: str = Field(description="Hash of its content.")
    size: int = Field(description="Size in bytes.")


class RunModel(_Model):
    """The record of one try; secrets are masked in it."""

    key: KeyModel = Field(description="Which try of which task.")
    state: str = Field(description='"running", "success", "failed" or "killed".')
    started_at: datetime = Field(description="When the task started.")
    ended_at: datetime | None = Field(description="When it ended, null while it runs.")
    duration: float | None = Field(description="Seconds between the two, null while it runs.")
    dag_version: str | None = Field(description="Version of the DAG.")
    configuration_commit: str | None = Field(description="Version of the page Spark Configuration.")
    configuration: dict[str, dict[str, str]] = Field(
        description="Arguments and configurations that were used."
    )
    files: list[FileModel] = Field(description="Files that were used, with version and hash.")
    app_name: str = Field(description="Name of the Spark application.")
    application_arguments: list[str] = Field(description="What the application was given.")
    spark_version: str = Field(description="Version of Spark.")
    java_version: str = Field(description="Version of Java.")
    master: str = Field(description="Where it ran.")
    deploy_mode: str = Field(description="Where its driver ran: client or cluster.")
    command: str = Field(description="The final command, as one line for a shell.")
    application_id: str | None = Field(description="Spark's id of the application.")
    tracking_url: str | None = Field(description="Address of Spark's page on it.")
    error: str | None = Field(description="Why it failed, the root cause on the first line.")
    host: str = Field(description="Host of the task.")
    pid: int | None = Field(description="Process id of the submission.")
    user: str = Field(description="Account of the operating system that it ran as.")


class ChangeModel(_Model):
    """One difference from the last success; null means that the one run does not have it."""

    what: str = Field(description="What differs.")
    old: str | None = Field(description="In the last success.")
    new: str | None = Field(description="In this run.")


class DetailsModel(_Model):
    """A run, its tries and what changed since the last success."""

    run: RunModel = Field(description="The record itself.")
    lost: bool = Field(description="Whether Airflow says that it is over although its end was not recorded.")
    tries: list[int] = Field(description="Numbers of the tries that have a record.")
    last_success: KeyModel | None = Field(description="The success that it is compared with.")
    changes: list[ChangeModel] = Field(description="What changed since that success.")


@router.get("/{dag_id}/{run_id}/{task_id}")
def run_details(
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: Annotated[int, Query(description="Index of a mapped task.")] = -1,
    try_number: Annotated[int | None, Query(description="Number of the try; the newest if left out.")] = None,
    user: User = requires(RUN_DETAILS),  # noqa: B008
) -> DetailsModel:
    """Return one try of a Spark task."""
    key = RunKey(dag_id, run_id, task_id, map_index, try_number or 1)
    return _model(task_instances.details(store(), key, newest=try_number is None))


def _model(details: Details) -> DetailsModel:
    success = details.last_success
    return DetailsModel(
        run=RunModel.model_validate(details.run),
        lost=task_instances.is_lost(details),
        tries=[run.key.try_number for run in details.tries],
        last_success=KeyModel.model_validate(success.key) if success else None,
        changes=[ChangeModel.model_validate(change) for change in details.changes],
    )
