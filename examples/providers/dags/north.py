# Made by `couture-workflow dags generate`: change what it is made from, not this file.
# template: "provider.py.jinja"
# list: "providers.yaml"
# sha256: "8d26b67ab394a6eea55302484aa0ca5dd385de7001e0ba7aa2529c82ca30ca49"
"""What the provider north delivers, table by table."""

from datetime import datetime

from airflow.sdk import DAG, task
from common.ingest import fetch

with DAG(
    dag_id="provider_north",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["providers"],
):

    @task
    def load(connection: str, table: str, folder: str) -> int:
        return fetch(connection, table, folder)

    load.override(task_id="load_orders")(
        "provider_north",
        "orders",
        "{{ var.value.providers_folder }}/north/{{ dag_run.run_after | ds_nodash }}",
    )
    load.override(task_id="load_stock")(
        "provider_north",
        "stock",
        "{{ var.value.providers_folder }}/north/{{ dag_run.run_after | ds_nodash }}",
    )
