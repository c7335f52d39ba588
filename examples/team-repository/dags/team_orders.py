"""Wait for a file of orders and say what they come to.

The code beside this folder is imported by its path in the repository, as the tests do it too. A run keeps the
version of all of it that it started with, whatever is pushed meanwhile.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param, task

from plugins.operators.sum_orders import SumOrdersOperator
from plugins.sensors.file_ready import FileReadySensor
from shared.prices import TAX

with DAG(
    "team_orders",
    schedule=None,
    tags=["team"],
    params={
        "file": Param(
            str(Path(__file__).parent / "sample" / "orders.csv"),
            type="string",
            description="File with the orders.",
        )
    },
):
    wait = FileReadySensor(task_id="wait", path="{{ params.file }}", poke_interval=2, timeout=3600)
    orders = SumOrdersOperator(task_id="orders", path="{{ params.file }}")

    @task
    def tell(found: dict[str, int]) -> str:
        """Say it in a sentence."""
        return f"{found['orders']} orders, {found['gross'] / 100:.2f} with {TAX} % tax"

    wait >> orders
    tell(orders.output)
