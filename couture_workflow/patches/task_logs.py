"""Airflow's handler of task logs without the question to the worker (``task-logs``)."""

from __future__ import annotations

from typing import Any

from airflow.utils.log.file_task_handler import FileTaskHandler


class SharedFolderTaskHandler(FileTaskHandler):
    """Reads the log of a running task from the folder that all services share, and nowhere else."""

    def _read_from_logs_server(self, ti: Any, worker_log_rel_path: str) -> tuple[list[str], list[Any]]:
        return [], []
