"""How the API server reads the log of a running task: from the folder that all services share (``[logging]
logging_config_class = couture_workflow.task_logs.LOGGING_CONFIG``).

Airflow would ask the worker for it as well. The workers of docker-compose.yml serve no logs, so each look at
a running task would end with an error in the log of the API server and a line about it in the page.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG
from airflow.utils.log.file_task_handler import FileTaskHandler


class SharedFolderTaskHandler(FileTaskHandler):
    """Airflow's handler without the question to the worker."""

    def _read_from_logs_server(self, ti: Any, worker_log_rel_path: str) -> tuple[list[str], list[Any]]:
        return [], []


LOGGING_CONFIG: dict[str, Any] = deepcopy(DEFAULT_LOGGING_CONFIG)
LOGGING_CONFIG["handlers"]["task"]["class"] = f"{__name__}.SharedFolderTaskHandler"
