"""Buttons on a task instance. A task pushes each address when it is known, so they work while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class SparkUILink(BaseOperatorLink):
    """The pages of the Spark application."""

    name = "Spark UI"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return what leads to them, or tells why it cannot; "" if the application never had any.

        It outlives the job: the page behind it knows whether that runs, and from where it can be seen.
        """
        if not getattr(operator, "tracking_url", ""):
            return ""
        return f"{_details(ti_key)}&spark_ui=1#spark-ui"


class RunDetailsLink(BaseOperatorLink):
    """What the run used and what changed since the last success."""

    name = "Run details"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address of the page below the address of Airflow."""
        return _details(ti_key)


class ZoomLink(BaseOperatorLink):
    """The graph of the DAG that this task runs, with its states."""

    name = "Zoom into DAG"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address of the page: this task's DAG, zoomed in at the task."""
        from airflow.sdk.configuration import conf

        base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
        map_index = -1 if ti_key.map_index is None else ti_key.map_index
        values = {"run_id": ti_key.run_id, "task_id": ti_key.task_id, "map_index": map_index}
        return f"{base}/couture/zoom/{quote(ti_key.dag_id, safe='')}?{urlencode(values)}"


def _details(ti_key: TaskInstanceKey) -> str:
    """Return the address of the page *Run details*."""
    from airflow.sdk.configuration import conf

    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    path = "/".join(quote(part, safe="") for part in (ti_key.dag_id, ti_key.run_id, ti_key.task_id))
    map_index = -1 if ti_key.map_index is None else ti_key.map_index
    return f"{base}/couture/runs/{path}?map_index={map_index}&try_number={ti_key.try_number}"
