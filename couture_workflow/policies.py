"""What Airflow asks us about every DAG that it parses, and what happens before a process forks.

Every process imports it: nothing heavy here.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from airflow.policies import hookimpl

log = logging.getLogger(__name__)

#: Folder of the notes, below the home.
NOTES = "cache/dag-triggers"


def _before_fork() -> None:
    """Get ready for a process that runs a person's code, in the processes of Airflow that fork one."""
    if "airflow.sdk.execution_time.supervisor" in sys.modules or (
        "airflow.executors.local_executor" in sys.modules
    ):
        from couture_workflow.patches import descriptors

        descriptors.before_fork()


os.register_at_fork(before=_before_fork)


@hookimpl
def dag_policy(dag: Any) -> None:
    """Refuse a DAG that would run itself, directly or through others: an import error says why."""
    if _is_no_matter():
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


def _is_no_matter() -> bool:
    """Tell whether a file is parsed for something else than to offer its DAGs.

    A task that runs belongs to a version that was accepted; the save gate looks at loops itself, in all files
    as they would be.
    """
    frame: Any = sys._getframe()
    while frame is not None:
        if str(frame.f_globals.get("__name__")).endswith((".task_runner", ".gate.inside.parse")):
            return True
        frame = frame.f_back
    return False
