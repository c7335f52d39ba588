"""Figures of the product, each a ratio of two things measured side by side in one run."""

from __future__ import annotations

#: Modules of this package that have a ``run()``, in the order in which they are run and printed.
NAMES = (
    "plugin_import",
    "operator_import",
    "reaper_start",
    "spark_task",
    "notebook_task",
    "jupyter_servers",
    "model_server",
    "eda_report",
    "eda_scale",
    "xcom_frames",
    "files_page",
    "upload",
    "sla_keeper",
    "dag_bundle",
    "dag_visible",
    "dag_repository_scale",
    "compose_throughput",
)
