"""What Airflow asks us about every DAG and task that it parses, and what happens before a process forks.

Every process imports it: nothing heavy here.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from airflow.policies import hookimpl

from couture_workflow.services.dags import submodule_imports

log = logging.getLogger(__name__)

#: Folder of the notes, below the home.
NOTES = "cache/dag-triggers"
#: Operators that run a function in another Python.
_OTHER_PYTHONS = frozenset({"PythonVirtualenvOperator", "ExternalPythonOperator"})


def _before_fork() -> None:
    """Get ready for a process that runs a person's code, in the processes of Airflow that fork one."""
    if "airflow.sdk.execution_time.supervisor" in sys.modules or (
        "airflow.executors.local_executor" in sys.modules
    ):
        from couture_workflow.patches import descriptors

        descriptors.before_fork()
    if "airflow.executors.local_executor" in sys.modules:
        from couture_workflow.patches import local_executor

        local_executor.keep_output_in_logs()
    if "airflow.dag_processing.manager" in sys.modules:
        from couture_workflow.patches import dag_processor

        dag_processor.before_fork()


os.register_at_fork(before=_before_fork)
submodule_imports.install()
# Airflow says so in the log of each task of a DAG with SLAs of old; here it is untrue.
warnings.filterwarnings("ignore", message="The SLA feature is removed in Airflow 3.0", category=UserWarning)


@hookimpl
def task_policy(task: Any) -> None:
    """Let a task in a Python of its own say why it failed, in the process that runs it."""
    classes = {each.__name__ for each in type(task).__mro__}
    if not classes & _OTHER_PYTHONS or not _is_parsed_by(".task_runner"):
        return
    from couture_workflow.operators import other_pythons
    from couture_workflow.patches import external_python

    if "ExternalPythonOperator" in classes:
        external_python.apply()
    task.on_failure_callback = [*(task.on_failure_callback or ()), other_pythons.explain]
    task.on_retry_callback = [*(task.on_retry_callback or ()), other_pythons.explain]


@hookimpl
def dag_policy(dag: Any) -> None:
    """Declare the SLAs of a DAG, and refuse one that would run itself: an import error says why."""
    _declare_slas(dag)
    if _is_parsed_by(".task_runner", ".gate.inside.parse"):
        return
    runs_others = any(
        hasattr(task, "trigger_dag_id") or "run_dag_id" in getattr(task, "partial_kwargs", ())
        for task in dag.tasks
    )
    if (folder := _folder()) is None or (not runs_others and not folder.is_dir()):
        return
    from couture_workflow.exceptions import CoutureError
    from couture_workflow.services.dags import triggers as dag_triggers

    try:
        loop = _loop(dag, folder)
    except (OSError, CoutureError) as error:
        log.warning("Whether the DAG %s runs itself in the end is not known: %s", dag.dag_id, error)
        return
    if loop:
        from airflow.exceptions import AirflowClusterPolicyViolation

        raise AirflowClusterPolicyViolation(dag_triggers.sentence(loop))


def _declare_slas(dag: Any) -> None:
    """Have Airflow keep the time of the SLAs of a DAG's tasks."""
    if not any(_may_have_sla(task) for task in dag.tasks):
        return
    from couture_workflow.exceptions import InvalidError
    from couture_workflow.services.sla import declaring
    from couture_workflow.web.sla.due import IntervalEnd

    try:
        if declaring.has_slas(dag):
            declaring.declare(dag, reference=IntervalEnd())
    except InvalidError as error:
        from airflow.exceptions import AirflowClusterPolicyViolation

        raise AirflowClusterPolicyViolation(str(error)) from error


def _may_have_sla(task: Any) -> bool:
    """Tell whether it is worth to look closer: most tasks have none, and this is asked of each."""
    own = getattr(task, "__dict__", {})
    given: Any = own.get("_BaseOperator__init_kwargs") or getattr(task, "partial_kwargs", ())
    return "_couture_sla" in own or "sla" in own or "sla" in given


def _loop(dag: Any, folder: Path) -> Any:
    from couture_workflow.services.dags import triggers as dag_triggers

    root, path = _place(dag)
    notes, file = dag_triggers.Notes(folder), dag_triggers.File.at(root, path)
    if calls := dag_triggers.calls_of(dag):
        return notes.admit(dag.dag_id, calls, file)
    notes.forget(file)
    return ()


def _folder() -> Path | None:
    """Return the folder of the notes, None where there is no home, such as in the save gate's sandbox."""
    from couture_workflow import settings

    home = settings.home()
    return home / NOTES if home.is_dir() else None


def _place(dag: Any) -> tuple[Path, str]:
    """Return the folder of a DAG's bundle and the path of its file below that."""
    file, relative = Path(dag.fileloc or ""), str(dag.relative_fileloc or "")
    if relative and str(file).endswith(f"/{relative}"):
        return Path(str(file)[: -len(relative) - 1]), relative
    return file.parent, file.name


def _is_parsed_by(*modules: str) -> bool:
    """Tell whether one of these parses the file, for something else than to offer its DAGs.

    A task that runs belongs to a version that was accepted; the save gate looks at loops itself, in all files
    as they would be.

    :param modules: ends of their names.
    """
    frame: Any = sys._getframe()
    while frame is not None:
        if str(frame.f_globals.get("__name__")).endswith(modules):
            return True
        frame = frame.f_back
    return False
