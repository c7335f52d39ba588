"""What DAG files say of SLAs, and the Deadline Alerts that the DAG policy makes of it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, task
from airflow.serialization.serialized_objects import DagSerialization

from couture_workflow import policies
from couture_workflow.operators import task_sla
from couture_workflow.services.sla.declaring import Declared

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def what_airflow_says_of_old_words() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"The SLA feature is removed|Setting email\S* on a task")
        yield


def a_dag(**others: Any) -> DAG:
    return DAG("x", schedule="@daily", start_date=datetime(2026, 1, 1), **others)


def bash(name: str, **others: Any) -> BashOperator:
    return BashOperator(task_id=name, bash_command="true", **others)


def declared(dag: DAG) -> list[Declared | None]:
    policies.dag_policy(dag)
    return [
        Declared.read({"path": alert.callback.path, "kwargs": alert.callback.kwargs})
        for alert in dag.deadline or ()
    ]


def test_every_way_to_say_it_counts_and_one_alert_stands_for_one_sla() -> None:
    defaults = {"email": "ann@example.org, bob@example.org", "sla": 3 * HOUR}
    with a_dag(default_args=defaults, sla_miss_callback=lambda *_: None) as dag:
        task_sla(bash("marked", email=["cyd@example.org; dan@example.org"]), HOUR)
        bash("argument", sla=HOUR)
        bash("by_default")
        bash("assigned").sla = 2 * HOUR
        task_sla(bash("none"), None)
        task_sla(bash("never"), timedelta.max)
        bash("also_none", sla=None)
        task_sla(BashOperator.partial(task_id="mapped").expand(bash_command=["true"]), HOUR)
        BashOperator.partial(task_id="partial", sla=2 * HOUR).expand(bash_command=["true"])

        @task
        def decorated() -> None: ...

        task_sla(decorated(), HOUR)

    both, cyd = ("ann@example.org", "bob@example.org"), ("cyd@example.org", "dan@example.org")
    one = {"argument": both, "decorated": both, "mapped": both, "marked": cyd}
    assert declared(dag) == [
        Declared(one, 3600, calls_back=True),
        Declared({"assigned": both, "partial": both}, 7200, calls_back=True),
        Declared({"by_default": both}, 10800, calls_back=True),
    ]
    # A second look at the same DAG, and the trip through Airflow's database, change nothing.
    assert len(declared(dag)) == 3
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert len(stored.deadline) == 3


def test_alerts_of_ones_own_stay_and_a_dag_without_slas_gets_none() -> None:
    own = DeadlineAlert(DeadlineReference.DAGRUN_LOGICAL_DATE, HOUR, AsyncCallback("a.b"))
    with a_dag(deadline=own) as dag:
        task_sla(bash("first"), HOUR)
    assert declared(dag) == [None, Declared({"first": ()}, 3600)]

    with a_dag() as without:
        bash("first")
    assert declared(without) == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: task_sla(bash("t"), "1h"), "The SLA of the task t is '1h'"),  # type: ignore[arg-type]
        (lambda: task_sla(bash("t"), -HOUR), "not negative"),
        (lambda: task_sla(3, HOUR), "was given a int, which is no task"),
    ],
)
def test_what_is_no_sla_is_refused_at_once(make: Callable[[], object], said: str) -> None:
    with a_dag(), pytest.raises((TypeError, ValueError), match=said):
        make()


def test_an_old_argument_that_is_no_time_is_an_import_error() -> None:
    with a_dag() as dag:
        bash("t", sla=60)

    with pytest.raises(AirflowClusterPolicyViolation, match="The SLA of the task t is '60'"):
        policies.dag_policy(dag)


def test_no_log_says_that_there_are_no_slas() -> None:
    lines = """
        from datetime import timedelta

        from airflow import settings
        from airflow.sdk import DAG, BaseOperator

        settings.initialize()
        with DAG("x", schedule=None, sla_miss_callback=print):
            BaseOperator(task_id="t", sla=timedelta(hours=1))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(lines)],
        check=True,
        capture_output=True,
        text=True,
    )

    assert "SLA feature" not in done.stdout + done.stderr
