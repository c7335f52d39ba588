"""Pages, API mounts and middlewares: registration only. Imported by every Airflow process, so nothing heavy here."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class CouturePlugin(AirflowPlugin):
    """The one plugin of this package."""

    name = "couture_workflow"
