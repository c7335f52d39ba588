"""How a table of a provider is fetched. What takes long to import is imported in the function itself."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import BaseHook


def fetch(connection_id: str, table: str, folder: str) -> int:
    """Fetch a table as CSV, keep it in a folder, and return the number of its rows.

    :param connection_id: an HTTP connection with the login and password of the provider.
    """
    import csv

    import requests

    connection = BaseHook.get_connection(connection_id)
    answer = requests.get(
        f"{connection.conn_type}://{connection.host}:{connection.port}/{table}.csv",
        auth=(connection.login or "", connection.password or ""),
        timeout=60,
    )
    answer.raise_for_status()
    place = Path(folder, f"{table}.csv")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(answer.text, encoding="utf-8")
    print(f"{place}: fetched as {connection.login} with the password {connection.password}")
    return sum(1 for _ in csv.DictReader(answer.text.splitlines()))
