"""One notebook task: how heavy the penguins of an island are, as a notebook with its results and as a page.

Nothing has to be uploaded: the notebook is beside the DAGs, in ``notebooks``. Trigger it with another island,
``Dream`` or ``Torgersen``, to have another report.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param

from couture_workflow.operators import CoutureJupyterOperator

DATA = Path(__file__).resolve().parent.parent / "data" / "penguins.csv"

with DAG(
    dag_id="penguin_notebook",
    description="Report on the penguins of an island, by a notebook",
    schedule=None,
    catchup=False,
    params={"island": Param("Biscoe", enum=["Biscoe", "Dream", "Torgersen"])},
    tags=["example", "notebook"],
    doc_md=__doc__,
):
    CoutureJupyterOperator(
        task_id="report",
        input_nb="penguins.ipynb",
        output_nb="penguins/{{ params.island }}.ipynb",
        parameters={"data": str(DATA), "island": "{{ params.island }}"},
        export_html=True,
        description="Run the notebook for one island",
    )
