"""The DAG file of the product's own that stands beside those of the repository: *Play* and the schedules.

The bundle puts it into every folder that Airflow reads DAGs from, so that it is there whatever is in the DAG
repository and whether that follows a remote. It is in no commit, so pages that list the repository have no
such file. This module is imported at every start of a task: nothing heavy here.
"""

from __future__ import annotations

from typing import Final

#: Where it is below the folder of the DAGs.
FOLDER: Final = ".couture"
PATH: Final = f"{FOLDER}/eda.py"

#: The DAG of *Play*, the task of it and of each schedule's DAG, and how the ids of the latter begin.
DAG_ID, TASK_ID, SCHEDULED = "couture_eda", "profile", "eda__"

TEXT: Final = f'''\
"""Exploratory data analysis: the runs of Play, and those of each source's schedule.

Couture Workflow puts this file beside the DAGs of the repository, and writes it anew: it is no part of the
repository. Sources and schedules are changed in Developer > Exploratory Data Analysis.
"""

from airflow.sdk import DAG, Param

from couture_workflow.operators import CoutureEdaOperator
from couture_workflow.services.eda import schedules

TAGS = ["data analysis"]

with DAG(
    dag_id="{DAG_ID}",
    description="Play in Developer > Exploratory Data Analysis",
    schedule=None,
    is_paused_upon_creation=False,
    max_active_runs=4,
    tags=TAGS,
    params={{
        "source": Param(type="string", minLength=1, title="Source", description="Name of the source"),
        "sample_rows": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            title="Rows of the sample",
            description="Empty: as the source says",
        ),
    }},
):
    CoutureEdaOperator(
        task_id="{TASK_ID}", source="{{{{ params.source }}}}", sample_rows="{{{{ params.sample_rows }}}}"
    )

for each in schedules.planned():
    with DAG(
        dag_id=each.dag_id,
        description="Made in Developer > Exploratory Data Analysis",
        schedule=each.cron,
        start_date=each.started_at,
        catchup=False,
        is_paused_upon_creation=False,
        max_active_runs=1,
        tags=TAGS,
        default_args={{"owner": each.account}},
    ):
        CoutureEdaOperator(task_id="{TASK_ID}", **each.arguments)
'''


def dag_id(source: str) -> str:
    """Return the id of the DAG of a source's schedule."""
    return f"{SCHEDULED}{source}"
