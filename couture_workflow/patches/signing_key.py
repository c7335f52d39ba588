"""The key that signs tokens of tasks, in memory where it comes from a command (``signing-key``)."""

from __future__ import annotations

from couture_workflow.patches import guard


def keep() -> None:
    """Run the command (``jwt_secret_cmd``) once.

    Airflow would run it at each start of a task, and for that copy the whole process of the API server.
    """
    from airflow.configuration import conf

    if guard.fits("signing-key") and (key := conf.get("api_auth", "jwt_secret", fallback="")):
        conf.set("api_auth", "jwt_secret", key.replace("%", "%%"))
