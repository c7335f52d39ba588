"""What is known of the task that runs: its key, its version, who started it, whether it is still wanted."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from couture_workflow.services.runs.records import RunKey


def run_key(ti: Any) -> RunKey:
    """Return which try of which task this is."""
    from couture_workflow.services.runs.records import RunKey

    return RunKey(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        try_number=ti.try_number,
    )


def dag_version(ti: Any) -> str | None:
    """Return the commit that the DAG was read from, else the id of Airflow's version of it."""
    bundle = getattr(ti, "bundle_instance", None)
    version = getattr(bundle, "version", None) or getattr(ti, "dag_version_id", None)
    return str(version) if version else None


def triggered_by(context: Context) -> str:
    """Return the account that started the DAG run, "" for the schedule."""
    return str(getattr(context.get("dag_run"), "triggering_user_name", None) or "")


def system_account() -> str:
    """Return the account of the operating system that this process runs as: its name, else its number."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def supervised() -> Callable[[], bool]:
    """Return what tells whether the supervisor of this task still lives, if it is a process of its own."""
    from airflow.sdk.execution_time import task_runner

    if not hasattr(getattr(task_runner, "SUPERVISOR_COMMS", None), "socket"):
        return lambda: True
    supervisor = os.getppid()
    return lambda: os.getppid() == supervisor
