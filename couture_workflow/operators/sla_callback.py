"""The call of a DAG's ``sla_miss_callback`` on a worker, with the arguments that Airflow 1.10 gave it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import NotFoundError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SlaMiss:
    """A task that missed its SLA, with the attributes of Airflow 1.10's object of that name."""

    task_id: str
    dag_id: str
    execution_date: datetime | None
    timestamp: datetime
    email_sent: bool
    run_id: str
    notification_sent: bool = False
    description: str | None = None


@dataclass(frozen=True)
class BlockingTask:
    """A task of the run that had begun and not succeeded, with the attributes most used of a TaskInstance."""

    task_id: str
    dag_id: str
    run_id: str
    execution_date: datetime | None
    state: str
    task: Any


def call(dag_id: str, file: str, misses: Sequence[Mapping[str, Any]]) -> None:
    """Call the function of a DAG about misses of its tasks.

    :param file: that has the DAG, below the folder of its bundle.
    """
    dag = _dag(dag_id, file)
    function = getattr(dag, "sla_miss_callback", None)
    functions = function if isinstance(function, list | tuple) else [function]
    slas, blocking = _slas(dag_id, misses), _blocking(dag, dag_id, misses)
    task_list = "\n".join(f"{each.task_id} on {_when(each.execution_date)}" for each in slas)
    blocking_list = "\n".join(f"{each.task_id} on {_when(each.execution_date)}" for each in blocking)
    for each in functions:
        if each is not None:
            each(dag, task_list, blocking_list, slas, blocking)


def _dag(dag_id: str, file: str) -> Any:
    """Return a DAG of a bundle that Airflow has put into the import path."""
    from airflow.dag_processing.dagbag import DagBag

    for folder in reversed(sys.path):
        path = Path(folder or ".") / file
        if path.is_file():
            bag = DagBag(dag_folder=str(path), bundle_path=Path(folder), load_op_links=False)
            if (found := bag.dags.get(dag_id)) is not None:
                return found
            for name, error in bag.import_errors.items():
                log.error("%s: %s", name, error)
    raise NotFoundError(
        f"The DAG {dag_id} is not in {file} any more, so its sla_miss_callback is not called."
    )


def _slas(dag_id: str, misses: Sequence[Mapping[str, Any]]) -> list[SlaMiss]:
    return [
        SlaMiss(
            task_id=task_id,
            dag_id=dag_id,
            execution_date=_date(miss),
            timestamp=datetime.fromisoformat(miss["found_at"]),
            email_sent=bool(miss["email_sent"]),
            run_id=str(miss["run_id"]),
        )
        for miss in misses
        for task_id in miss["tasks"]
    ]


def _blocking(dag: Any, dag_id: str, misses: Sequence[Mapping[str, Any]]) -> list[BlockingTask]:
    return [
        BlockingTask(task_id, dag_id, str(miss["run_id"]), _date(miss), state, dag.get_task(task_id))
        for miss in misses
        for task_id, state in miss["blocking"]
        if task_id in dag.task_ids
    ]


def _date(miss: Mapping[str, Any]) -> datetime | None:
    text = miss["logical_date"] or miss["interval_end"]
    return datetime.fromisoformat(text) if text else None


def _when(moment: datetime | None) -> str:
    return moment.isoformat() if moment else "no date"
