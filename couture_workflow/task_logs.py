"""How the API server reads the log of a running task: from the folder that all services share (``[logging]
logging_config_class = couture_workflow.task_logs.LOGGING_CONFIG``).

Airflow would ask the worker for it as well. The workers of docker-compose.yml serve no logs, so each look at
a running task would end with an error in the log of the API server and a line about it in the page.

Where logs go beside that folder (``[logging] remote_logging``) is Airflow's matter; it looks for what it made
of that in this module.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from airflow.config_templates.airflow_local_settings import (
    DEFAULT_LOGGING_CONFIG,
    DEFAULT_REMOTE_CONN_ID,
    REMOTE_TASK_LOG,
)

from couture_workflow.patches import guard
from couture_workflow.patches.task_logs import SharedFolderTaskHandler

__all__ = ["DEFAULT_REMOTE_CONN_ID", "LOGGING_CONFIG", "REMOTE_TASK_LOG"]

LOGGING_CONFIG: dict[str, Any] = deepcopy(DEFAULT_LOGGING_CONFIG)
if guard.fits("task-logs"):
    handler = f"{SharedFolderTaskHandler.__module__}.{SharedFolderTaskHandler.__qualname__}"
    LOGGING_CONFIG["handlers"]["task"]["class"] = handler
