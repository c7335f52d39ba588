"""The log of a running task is read from the shared folder, and the worker is not asked for it."""

from __future__ import annotations

import logging.config
from pathlib import Path
from types import SimpleNamespace

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG
from airflow.utils.state import TaskInstanceState

from couture_workflow.patches.task_logs import SharedFolderTaskHandler
from couture_workflow.task_logs import LOGGING_CONFIG


def test_airflow_uses_the_handler_with_all_else_unchanged() -> None:
    changed = dict(LOGGING_CONFIG["handlers"]["task"])
    own = changed.pop("class")
    default = dict(DEFAULT_LOGGING_CONFIG["handlers"]["task"])
    default.pop("class")

    assert own == "couture_workflow.patches.task_logs.SharedFolderTaskHandler"
    assert changed == default
    made = logging.config.DictConfigurator(LOGGING_CONFIG).configure_handler(
        {**LOGGING_CONFIG["handlers"]["task"], "formatter": None}
    )
    assert isinstance(made, SharedFolderTaskHandler)


def test_the_worker_of_a_running_task_is_not_asked(tmp_path: Path) -> None:
    handler = SharedFolderTaskHandler(base_log_folder=str(tmp_path))
    task = SimpleNamespace(state=TaskInstanceState.RUNNING, hostname="no-such-host.invalid")

    assert handler._read_from_logs_server(task, "dag/task.log") == ([], [])
