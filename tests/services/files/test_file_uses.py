from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from couture_workflow.operators import CouturePySparkOperator, CoutureSparkOperator
from couture_workflow.services.files import uses as file_uses
from couture_workflow.services.files.uses import Use


def test_the_fields_of_tasks_that_refer_to_files_are_found() -> None:
    with DAG("daily", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        CouturePySparkOperator(
            task_id="count",
            code_artifact="count.py@3",
            py_files=["helpers.zip", "more.py@2"],
            application_arguments=["not-a-file.py", "input.jar"],
        )
        CoutureSparkOperator(task_id="words", code_artifact="{{ params.job }}", jars="a.jar, b.jar")
        CouturePySparkOperator.partial(task_id="mapped", py_files=["mapped.zip"]).expand(
            code_artifact=["one.py", "two.py"]
        )

    found = set(file_uses.mentioned(DagSerialization.to_dict(dag)))

    assert found >= {
        ("artifacts", "count.py", "count"),
        ("dependencies", "helpers.zip", "count"),
        ("dependencies", "more.py", "count"),
        ("dependencies", "a.jar", "words"),
        ("dependencies", "b.jar", "words"),
        ("artifacts", "one.py", "mapped"),
        ("artifacts", "two.py", "mapped"),
        ("dependencies", "mapped.zip", "mapped"),
    }
    assert not {name for _, name, _ in found} & {"not-a-file.py", "input.jar"}


def test_a_dag_that_the_reader_may_not_see_is_not_named() -> None:
    places = [Use("Spark Configuration (jars)"), Use("DAG a, task t", "a"), Use("DAG b, task t", "b")]

    assert file_uses.described(places, dags={"a"}) == [
        "Spark Configuration (jars)",
        "DAG a, task t",
        "a DAG that you may not see",
    ]
