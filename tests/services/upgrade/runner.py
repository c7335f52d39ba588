"""Runs all DAGs of a folder in this process, with one database, and tells what their tasks returned.

``python runner.py FOLDER ANSWER``: the variables of the environment have been set by the caller.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

#: The logical date of each run.
DATE = datetime(2020, 3, 1, 6, tzinfo=UTC)
CONF = {"a": 1}


def main(folder: Path, answer: Path) -> None:
    """Run the DAGs and write {file: {"error": ..., "tasks": {task: [state, result]}}}."""
    from airflow.utils.db import initdb

    initdb()
    from airflow.dag_processing import dagbag
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    manager = DagBundlesManager()
    manager.sync_bundles_to_db()
    (bundle,) = manager.get_all_dag_bundles()
    bag = dagbag.BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name=bundle.name)
    dagbag.sync_bag_to_db(bag, bundle.name, bundle.version)
    # All DAGs are known now: a run need not read the whole folder again.
    dagbag.BundleDagBag = lambda **_: SimpleNamespace()
    dagbag.sync_bag_to_db = lambda *_: None
    _stand_in_for_databases()
    found = {Path(file).stem: {"error": error} for file, error in bag.import_errors.items()}
    for _, dag in sorted(bag.dags.items()):
        found.setdefault(Path(dag.fileloc).stem, {}).update(tasks=_run(dag))
    answer.write_text(json.dumps(found))


def _run(dag: Any) -> dict[str, Any]:
    starts = [task.start_date for task in dag.tasks if task.start_date]
    date = DATE if max(starts) < DATE else datetime.now(UTC)
    run = dag.test(logical_date=date, run_conf=CONF)
    return {
        each.task_id: [each.state, each.xcom_pull(task_ids=each.task_id)] for each in run.get_task_instances()
    }


def _stand_in_for_databases() -> None:
    """Let every SQL operator use SQLite, and return what connection and statement it was given."""
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.providers.common.sql.operators.sql import BaseSQLOperator, SQLExecuteQueryOperator

    class Hook(DbApiHook):
        conn_name_attr = "conn_id"
        conn_type = "postgres"
        database = None

        def get_conn(self) -> Any:
            return sqlite3.connect(":memory:")

        def run(self, sql: str, *_: Any, **__: Any) -> Any:
            return [[self.conn_id, self.database, sql]]

        def get_first(self, sql: str, parameters: Any = None) -> Any:
            return self.get_conn().execute(sql).fetchone()

    def get_hook(conn_id: str, hook_params: dict[str, Any] | None = None) -> Hook:
        return Hook(conn_id=conn_id)

    BaseSQLOperator.get_hook = staticmethod(get_hook)
    SQLExecuteQueryOperator._process_output = lambda self, results, descriptions: results


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
