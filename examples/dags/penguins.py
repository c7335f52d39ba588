"""Two PySpark tasks over a real data set: clean the measurements of 344 penguins, then summarise them.

Before the first run, upload ``jobs/penguins.py`` on *Developer > Code Artifacts* and
``jobs/penguin_rules.py`` on *Developer > Spark Dependencies*.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG

from couture_workflow import settings
from couture_workflow.operators import CouturePySparkOperator

#: With "file:" a path is one of this machine, also where the default Hadoop group leads to a cluster.
RAW = "file:" + str(Path(__file__).resolve().parent.parent / "data" / "penguins.csv")
#: A folder for each run; Hadoop takes no colon in a path.
OUTPUT = f"file:{settings.home()}/outputs/penguins/{{{{ run_id | replace(':', '.') }}}}"

with DAG(
    dag_id="penguins",
    description="Clean the measurements of 344 penguins and summarise them by species and sex",
    schedule=None,
    catchup=False,
    tags=["example", "pyspark"],
    doc_md=__doc__,
):
    clean = CouturePySparkOperator(
        task_id="clean",
        app_name="penguins: clean",
        code_artifact="penguins.py",
        py_files=["penguin_rules.py"],
        application_arguments=["clean", RAW, f"{OUTPUT}/cleaned"],
        description="Keep the penguins that were measured",
    )
    summarize = CouturePySparkOperator(
        task_id="summarize",
        app_name="penguins: summarize",
        code_artifact="penguins.py",
        py_files=["penguin_rules.py"],
        application_arguments=["summarize", f"{OUTPUT}/cleaned", f"{OUTPUT}/summary"],
        description="Count and average by species and sex",
    )
    clean >> summarize
