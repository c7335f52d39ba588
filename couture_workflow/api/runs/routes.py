"""REST API of the runs: lists across all DAGs, and what one try of a task used and how it went."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.permissions import RUN_DETAILS, RUNS
from couture_workflow.services.runs.records import Details, RunKey
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.runs import listing as runs
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

    role: str = Field(description='"application", "jar", "py-file" or "model".')
    name: str = Field(description="Name of the code artifact, dependency or model.")
    version: int = Field(description="Number of its version.")
    sha256: str = Field(description="Hash of its content.")
    size: int = Field(description="Size in bytes.")


class CellModel(_Model):
    """A code cell of a notebook that has begun."""

    number: int = Field(description="From 1, counting code cells alone.")
    first_line: str = Field(description="Of its source.")
    state: str = Field(description='"running", "success", "failed" or "not run".')
    seconds: float | None = Field(description="How long it took, null while it runs.")


class OutputModel(_Model):
    """A file that a notebook's run left."""

    name: str = Field(description="Its name in the route of outputs.")
    size: int = Field(description="Size in bytes.")


class NotebookModel(_Model):
    """What the record of a notebook's run says beside the rest."""

    path: str = Field(description="The notebook: from the top of the DAG repository, or whole.")
    sha256: str = Field(description="Hash of its file when the run began.")
    in_repository: bool = Field(description="Whether it belongs to the DAG repository.")
    parameters: dict[str, str] = Field(description="Each value as JSON.")
    kernel: str = Field(description="Name of the kernel that the task asks for.")
    language: str = Field(description="Language of its cells.")
    python: str = Field(description="Program that they ran in.")
    python_version: str = Field(description="Version of Python.")
    packages: dict[str, str] = Field(description="Packages with their versions.")
    of: int = Field(description="How many code cells there are.")
    cells: list[CellModel] = Field(description="Those that have begun.")
    failed_cell: int | None = Field(description="Number of the cell that failed.")
    output: str = Field(description="Where the notebook with its results is.")
    files: list[OutputModel] = Field(description="What the run left; some may have been swept since.")
    files_left_out: int = Field(description="How many more files there are.")


class RunModel(_Model):
    """The record of one try; secrets are masked in it."""

    key: KeyModel = Field(description="Which try of which task.")
    kind: str = Field(description='"spark" or "notebook".')
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
    hadoop_group: str = Field(description='Hadoop group that it was given, "" for none.')
    hadoop_commit: str | None = Field(description="Version of the configuration that the group is of.")
    hadoop_files: str = Field(description="SHA-256 of the group's files.")
    principal: str = Field(description='Who it was to Kerberos, "" without it.')
    notebook: NotebookModel | None = Field(description="More of a notebook's run; null for other kinds.")


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


class ListedModel(_Model):
    """What a list says of one try."""

    key: KeyModel = Field(description="Which try of which task.")
    state: str = Field(
        description='"running", "success", "failed", "killed", or "lost": over, but its end was not recorded.'
    )
    kind: str = Field(description='"spark" or "notebook".')
    app_name: str = Field(description="Name of the Spark application, or path of the notebook.")
    application_id: str | None = Field(description="Spark's id of the application.")
    started_at: datetime = Field(description="When the task started.")
    ended_at: datetime | None = Field(description="When it ended, null while it runs.")
    duration: float = Field(description="Seconds from start to end, or to now.")
    triggered_by: str = Field(description='Account that started the DAG run, "" for the schedule.')
    owner: str = Field(description="Owner of the task.")
    user: str = Field(description="Account that it ran as.")


class RunList(_Model):
    """A part of the runs that were asked for."""

    runs: list[ListedModel] = Field(description="The part.")
    more: bool = Field(description="Whether others follow; ask for them by a larger offset.")
    cut: bool = Field(description="Whether older runs were left out of the search: give since and until.")


def _filter(description: str) -> Any:
    return Query(description=description)


@router.get("/")
def list_runs(
    request: Request,
    q: Annotated[str, _filter("Part of the id of DAG, run or task, or of the application's name.")] = "",
    state: Annotated[str, _filter("running, success, failed, killed or lost.")] = "",
    kind: Annotated[str, _filter("spark or notebook.")] = "",
    dag_id: Annotated[str, _filter("Id of a DAG.")] = "",
    user: Annotated[str, _filter("Who started the DAG run, owns the task, or whose account ran it.")] = "",
    since: Annotated[str, _filter("Earliest start.")] = "",
    until: Annotated[str, _filter("Latest start.")] = "",
    at_least: Annotated[str, _filter("Least seconds that it took, or takes so far.")] = "",
    at_most: Annotated[str, _filter("Most seconds.")] = "",
    sort: Annotated[str, _filter("started (default), duration, dag, state or user.")] = "",
    order: Annotated[str, _filter("desc (default) or asc.")] = "",
    limit: Annotated[str, _filter("Most runs in the part, at most 200.")] = "",
    offset: Annotated[str, _filter("How many runs come before it.")] = "",
    caller: User = requires(RUNS),  # noqa: B008
) -> RunList:
    """List the runs of all DAGs that the caller may read, the newest first."""
    found = runs.page_for(caller, runs.wish_of(request.query_params))
    return RunList.model_validate(found)


@router.get("/{dag_id}/{run_id}/{task_id}")
def run_details(
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: Annotated[int, Query(ge=-1, le=LARGEST, description="Index of a mapped task.")] = -1,
    try_number: Annotated[
        int | None, Query(ge=1, le=LARGEST, description="Number of the try; the newest if left out.")
    ] = None,
    user: User = requires(RUN_DETAILS),  # noqa: B008
) -> DetailsModel:
    """Return one try of a task."""
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
