"""One Spark task in Java: count the words of a text.

Before the first run, build ``word-count.jar`` by ``jobs/java/build.sh`` and upload it on *Developer > Code
Artifacts*.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG

from couture_workflow import settings
from couture_workflow.operators import CoutureSparkOperator

#: With "file:" a path is one of this machine, also where the default Hadoop group leads to a cluster.
TEXT = "file:" + str(Path(__file__).resolve().parent.parent / "data" / "jackass-penguin.txt")
#: A folder for each run; Hadoop takes no colon in a path.
OUTPUT = f"file:{settings.home()}/outputs/word_count/{{{{ run_id | replace(':', '.') }}}}"

with DAG(
    dag_id="word_count",
    description="Count the words of a text with a Java job",
    schedule=None,
    catchup=False,
    tags=["example", "java"],
    doc_md=__doc__,
):
    CoutureSparkOperator(
        task_id="count",
        app_name="word count",
        class_path="examples.WordCount",
        code_artifact="word-count.jar",
        application_arguments=[TEXT, OUTPUT],
        description="Count how often each word stands in the text",
    )
