"""Keeps the key that signs tokens of tasks in memory, where it comes from a command (``jwt_secret_cmd``)."""

from __future__ import annotations


def keep() -> None:
    """Run the command once.

    Airflow would run it at each start of a task, and for that copy the whole process of the API server.
    """
    from airflow.configuration import conf

    if key := conf.get("api_auth", "jwt_secret", fallback=""):
        conf.set("api_auth", "jwt_secret", key.replace("%", "%%"))
