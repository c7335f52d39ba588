"""`couture-workflow spark check`: what a Spark job would meet, looked at without running it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couture_workflow.cli.commands import HOME, Command, Option, existing_store, report
from couture_workflow.exceptions import InvalidError, NotFoundError

if TYPE_CHECKING:
    from couture_workflow.services.spark.job_requests import JobRequest
    from couture_workflow.store.home import Store

_MARKS = {"passed": "ok  ", "failed": "FAIL", "skipped": "-   "}


def check(arguments: argparse.Namespace) -> int:
    """Check everything that a Spark job needs, of one task or of the saved configuration, and run nothing."""
    from couture_workflow.services.spark import preflight

    if bool(arguments.dag) != bool(arguments.task):
        sys.stderr.write("couture-workflow: Give --dag and --task together, or neither.\n")
        return 2
    store = existing_store(arguments.home)
    if arguments.dag:
        with tempfile.TemporaryDirectory(prefix="couture-dags-") as folder:
            request = _request(store, arguments.dag, arguments.task, folder=Path(folder))
        found = preflight.check(store, request)
    else:
        found = preflight.check(store, hadoop_group=arguments.hadoop_group)
    for each in found.checks:
        report(f"{_MARKS[each.result]}  {each.what}: {' '.join([each.said, each.remedy]).strip()}")
    if found.command:
        report(f"\n{found.command}")
    return 0 if found.passed else 1


def _request(store: Store, dag_id: str, task_id: str, *, folder: Path) -> JobRequest:
    """Return what a task of the newest DAG files asks for, its templates filled in for a run of now."""
    from airflow.dag_processing.dagbag import BundleDagBag

    from couture_workflow.services.dags import repository as dag_repository

    if head := store.dags.head():
        dag_repository.materialize(store, folder, commit=head)
    bag = BundleDagBag(dag_folder=str(folder), bundle_path=folder, bundle_name=dag_repository.BUNDLE)
    dag: Any = bag.dags.get(dag_id)
    if dag is None:
        broken = ", ".join(str(Path(file).relative_to(folder)) for file in bag.import_errors)
        why = f" These files cannot be read: {broken}." if broken else ""
        raise NotFoundError(
            f"There is no DAG {dag_id!r} in the DAG repository.{why} Correct --dag, or save the DAG first."
        )
    if not dag.has_task(task_id):
        known = ", ".join(sorted(dag.task_ids))
        raise NotFoundError(
            f"The DAG {dag_id!r} has no task {task_id!r}; it has {known or 'none'}. Correct --task."
        )
    task = dag.get_task(task_id)
    if not hasattr(task, "job_request"):
        raise InvalidError(
            f"The task {task_id!r} of the DAG {dag_id!r} runs no Spark job. Name one that does."
        )
    _fill(task, dag)
    request: JobRequest = task.job_request()
    return request


def _fill(task: Any, dag: Any) -> None:
    """Fill in the templates of a task, as for a run that begins now."""
    from jinja2 import TemplateError

    now = datetime.now(UTC)
    context = {
        "dag": dag,
        "task": task,
        "params": dag.params.dump(),
        "run_id": f"manual__{now.isoformat()}",
        "ds": f"{now:%Y-%m-%d}",
        "ds_nodash": f"{now:%Y%m%d}",
        "ts": now.isoformat(),
        "ts_nodash": f"{now:%Y%m%dT%H%M%S}",
        "logical_date": now,
        "data_interval_start": now,
        "data_interval_end": now,
    }
    try:
        task.render_template_fields(context)
    except TemplateError as error:
        raise InvalidError(
            f"A template of the task {task.task_id!r} has no value outside of a run ({error}), so its job "
            "cannot be checked. Look at the log of a run instead."
        ) from error


COMMANDS: dict[str, Command] = {
    "spark check": Command(
        check,
        (
            HOME,
            Option(("--dag",), {"metavar": "DAG", "default": "", "help": "DAG of the task"}),
            Option(("--task",), {"metavar": "TASK", "default": "", "help": "a task that runs a Spark job"}),
            Option(
                ("--hadoop-group",),
                {"metavar": "GROUP", "help": "without a task: the Hadoop group (default: the default group)"},
            ),
        ),
    )
}
