"""Changes checked before a save: problems, what becomes of each DAG, a first draft of the message."""

from __future__ import annotations

from couture_workflow.services.review import checking as dag_checking
from couture_workflow.store.home import Store

DAG = """from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG("{dag_id}", schedule="{schedule}"):
    BashOperator(task_id="one", bash_command="echo 1")
"""


def dag(dag_id: str = "orders", schedule: str = "@daily") -> bytes:
    return DAG.format(dag_id=dag_id, schedule=schedule).encode()


def save(store: Store, changes: dict[str, bytes | None]) -> str:
    return store.dags.save(changes, author="eva", message="Save", base=store.dags.head()).id


def test_check_compares_with_the_newest_version(store: Store) -> None:
    save(store, {"orders.py": dag(), "other.py": dag("other")})

    found = dag_checking.check(store, {"orders.py": dag(schedule="@hourly"), "new.py": dag("new")})

    assert found.report.passed
    assert [(each.dag_id, each.summary) for each in found.differences] == [
        ("new", "new DAG with 1 task, schedule @daily"),
        ("orders", "schedule @daily → @hourly"),
    ]
    assert found.message == "new: new DAG with 1 task, schedule @daily; orders: schedule @daily → @hourly"
    assert found.unknown == ()


def test_file_that_cannot_be_parsed_is_no_removed_dag(store: Store) -> None:
    save(store, {"orders.py": dag()})

    found = dag_checking.check(store, {"orders.py": dag() + b"1 / 0\n"})

    assert not found.report.passed
    assert (found.unknown, found.differences) == (("orders.py",), ())
    assert found.message == "Change orders.py"


def test_deleted_and_first_file(store: Store) -> None:
    added = dag_checking.check(store, {"orders.py": dag()})
    save(store, {"orders.py": dag()})
    removed = dag_checking.check(store, {"orders.py": None})

    assert [each.kind for each in (*added.differences, *removed.differences)] == ["added", "removed"]
    assert removed.message == "orders: DAG removed (1 task)"


def test_versions_are_compared(store: Store) -> None:
    first = save(store, {"orders.py": dag()})
    second = save(store, {"orders.py": None, "sales.py": dag(schedule="@hourly")})

    (found,) = dag_checking.between(store, first, second)

    assert found.summary == "file orders.py → sales.py, schedule @daily → @hourly"
    assert [each.kind for each in dag_checking.between(store, None, first)] == ["added"]
