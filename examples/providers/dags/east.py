# Made by `couture-workflow dags generate`: change what it is made from, not this file.
# template: "provider.py.jinja"
# list: "providers.yaml"
# sha256: "23955cf0933d7982d2cf7f99211befcc1175c03bc1676d8f52825b7a62c88639"
"""What the provider east delivers, table by table."""

from datetime import datetime

from airflow.sdk import DAG, task
from common.ingest import fetch

with DAG(
    dag_id="provider_east",
    schedule="0 5 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["providers"],
):

    @task
    def load(connection: str, table: str, folder: str) -> int:
        return fetch(connection, table, folder)

    load.override(task_id="load_orders")(
        "provider_east",
        "orders",
        "{{ var.value.providers_folder }}/east/{{ dag_run.run_after | ds_nodash }}",
    )
