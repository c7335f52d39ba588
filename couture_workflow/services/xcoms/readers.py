"""Which task may read a large value: those of its own DAG, and those of its owner in other DAGs.

This keeps people from each other's data by the ways of Airflow. It is no wall against code that is made to
break it: all tasks of a worker run as one account of the operating system.
"""

from __future__ import annotations

import os

from couture_workflow import settings
from couture_workflow.exceptions import XComError
from couture_workflow.services.xcoms import references

#: What Airflow tells each task about itself.
_DAG, _OWNER = "AIRFLOW_CTX_DAG_ID", "AIRFLOW_CTX_DAG_OWNER"


def owner() -> str:
    """Return the owner of the task that runs, "" where none does."""
    return _task()[1]


def check(name: str, *, owner: str) -> None:
    """Raise ``XComError`` if the task that runs may not read a value.

    :param name: of its file, which tells whose it is.
    :param owner: who made it, as the reference says, which anybody may have written: for the sentence alone.
    """
    dag_id, reader = _task()
    found = references.read_name(name)
    if not dag_id or found is None or found.dag == references.folder_of(dag_id):
        return
    if found.owner != references.digest_of(reader) and not settings.xcom_across_owners():
        known = found.owner == references.digest_of(owner)
        whose = (owner or "nobody") if known else "another owner"
        raise XComError(
            f"The value of the DAG {found.dag.partition('.')[0]} belongs to {whose}, and this "
            f"task to {reader or 'nobody'}: tasks read large values of their own DAG, and of their owner's. "
            "Give both DAGs the same owner, or let an administrator set the option xcom_across_owners."
        )


def _task() -> tuple[str, str]:
    """Return DAG and owner of the task that runs; the variables are not there before it executes."""
    from airflow.sdk import get_current_context

    try:
        task = get_current_context()["task"]
    except RuntimeError:
        return os.environ.get(_DAG, ""), os.environ.get(_OWNER, "")
    return task.dag_id, task.owner
