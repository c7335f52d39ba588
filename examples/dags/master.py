"""A master DAG: it looks at the stock of three shops, and lets another DAG order what is short.

Nothing to upload. Trigger ``stock_master`` and open its tab *Zoom*: point at a task to see the DAG it runs.
A shop whose stock is not short is skipped; the parameter ``short_below`` says what is short.
"""

from __future__ import annotations

import random
from typing import Any

from airflow.sdk import DAG, Param, task

from couture_workflow.operators import DagOperator

SHOPS = {"north": 12, "east": 40, "south": 5}


def order_for(shop: str) -> Any:
    """Return the condition of one shop's task."""

    def order(context: Any, dag_run_obj: Any) -> Any:
        short = context["params"]["short_below"] - SHOPS[shop]
        if short <= 0:
            return None  # enough is there: this task is skipped
        dag_run_obj.payload = {"shop": shop, "pieces": short}
        return dag_run_obj

    return order


with DAG(
    dag_id="stock_master",
    description="Order for the shops whose stock is short",
    schedule=None,
    catchup=False,
    params={"short_below": Param(20, type="integer", minimum=0)},
    tags=["example", "master"],
    doc_md=__doc__,
):

    @task(trigger_rule="none_failed")
    def report(params: dict[str, Any]) -> list[str]:
        """Return the shops that were ordered for."""
        return [shop for shop, pieces in SHOPS.items() if pieces < params["short_below"]]

    [
        DagOperator(
            task_id=f"order_{shop}",
            run_dag_id="stock_order",
            python_callable=order_for(shop),
            poke_interval=5,
            description=f"Order for the shop {shop} if its stock is short",
        )
        for shop in SHOPS
    ] >> report()

with DAG(
    dag_id="stock_order",
    description="Order pieces for one shop; run by stock_master",
    schedule=None,
    catchup=False,
    tags=["example", "master"],
):

    @task
    def place(dag_run: Any = None) -> str:
        """Return the number of the order."""
        order = dag_run.conf or {"shop": "north", "pieces": 1}
        return f"{order['shop']}-{order['pieces']}-{random.randrange(1000):03}"

    deliver = DagOperator(
        task_id="deliver",
        run_dag_id="stock_delivery",
        conf={"order": "{{ ti.xcom_pull(task_ids='place') }}"},
        poke_interval=5,
        description="Have the order delivered",
    )
    place() >> deliver

with DAG(
    dag_id="stock_delivery",
    description="Deliver one order; run by stock_order",
    schedule=None,
    catchup=False,
    tags=["example", "master"],
):

    @task
    def pack(dag_run: Any = None) -> None:
        """Pack what was ordered."""
        print("packing", (dag_run.conf or {}).get("order"))

    @task
    def drive() -> None:
        """Bring it to the shop."""
        print("delivered")

    pack() >> drive()
