"""The operator of exploratory data analysis: what it takes and returns, and that SIGKILL leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from couture_workflow.exceptions import InvalidError
from couture_workflow.operators import CoutureEdaOperator
from couture_workflow.services.eda import outputs, sources
from couture_workflow.services.eda.document import FilePlace, Source
from couture_workflow.store.home import Store
from tests.support.spark import processes_of, until

HOSTILE = "a'b\"<&>/../ü"
KEY = {"dag_id": "d", "run_id": "r", "task_id": "look", "map_index": -1, "try_number": 1}


@pytest.fixture
def sales(store: Store, jupyter: str) -> Store:
    """Return a store with a source "sales"."""
    store.data.put("sales.csv", [b"id,name\n007,a\n008,\n"], user="ann")
    sources.add(store, Source(name="sales", file=FilePlace(data="sales.csv")), user="ann")
    return store


def context(pushed: dict[str, Any]) -> Any:
    instance = SimpleNamespace(
        **KEY, bundle_instance=None, xcom_push=lambda key, value: pushed.update({key: value})
    )
    return {"ti": instance, "dag_run": SimpleNamespace(triggering_user_name="bob")}


def test_arguments_are_taken_and_templated() -> None:
    task = CoutureEdaOperator(
        task_id="look",
        source="{{ name }}",
        sample_rows="{{ rows }}",
        compare_with="{{ number }}",
        fail_when={"rows": {"min": 1}},
        description="Look",
    )

    task.render_template_fields({"name": HOSTILE, "rows": 5, "number": "last"})  # type: ignore[typeddict-unknown-key]

    assert (task.source, task._asked().sample_rows, task._asked().compare_with) == (HOSTILE, 5, "last")
    assert task.doc == "Look"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        pytest.param({"sample_rows": True}, "sample_rows", id="truth"),
        pytest.param({"sample_rows": "-1"}, "sample_rows", id="negative"),
        pytest.param({"sample_rows": "१"}, "sample_rows", id="another script's digit"),
        pytest.param({"compare_with": "latest"}, "compare_with", id="word"),
        pytest.param({"compare_with": 1.5}, "compare_with", id="half"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_runs(given: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidError) as raised:
        CoutureEdaOperator(task_id="look", source="sales", **given)._asked()

    assert raised.value.field == name


def test_rule_that_cannot_be_meant_is_an_import_error() -> None:
    with pytest.raises(InvalidError):
        CoutureEdaOperator(task_id="look", source="sales", fail_when={"rowz": 1})


@pytest.mark.slow
def test_task_returns_a_summary_and_fails_by_a_rule(sales: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://host/airflow/")
    pushed: dict[str, Any] = {}

    summary = CoutureEdaOperator(task_id="look", source="sales", sample_rows=0).execute(context(pushed))

    address = "http://host/airflow/couture/exploratory-data-analysis/report/sales/1"
    assert summary.pop("seconds") > 0
    assert isinstance(summary.pop("alerts"), int)
    assert summary == {
        "source": "sales",
        "output": 1,
        "rows": 2,
        "columns": 2,
        "missing_share": 0.25,
        "report": address,
    }
    assert list(pushed.values()) == [address]
    assert getattr(outputs.latest(sales, "sales"), "by", "") == "bob"

    failing = CoutureEdaOperator(task_id="look", source="sales", fail_when={"rows": {"min": 3}})
    with pytest.raises(AirflowException, match="2 rows"):
        failing.execute(context({}))
    assert getattr(outputs.latest(sales, "sales"), "has_report", None) is True


def test_killed_task_is_stopped_and_not_tried_again(sales: Store) -> None:
    task = CoutureEdaOperator(task_id="look", source="sales")
    task.on_kill()

    with pytest.raises(AirflowFailException, match="stopped"):
        task.execute(context({}))

    assert getattr(outputs.latest(sales, "sales"), "state", "") == "stopped"


#: A task in a process of its own.
TASK = """
from types import SimpleNamespace
from couture_workflow.operators import CoutureEdaOperator
ti = SimpleNamespace(dag_id="d", run_id="r", task_id="look", map_index=-1, try_number=1, bundle_instance=None)
ti.xcom_push = lambda key, value: None
CoutureEdaOperator(task_id="look", source="sales").execute({"ti": ti})
"""


@pytest.mark.slow
def test_sigkill_of_the_task_ends_everything_and_leaves_no_half_report(sales: Store) -> None:
    sales.data.put("sales.csv", [b"id,name\n", b"1,abc\n" * 5_000_000], user="ann")
    process = subprocess.Popen([sys.executable, "-c", TASK], env=os.environ.copy(), start_new_session=True)
    own: Path = outputs.folder(sales, "sales", 1)

    def begun() -> bool:
        assert process.poll() is None, getattr(outputs.latest(sales, "sales"), "message", "no output")
        return (own / outputs.PROGRESS).exists() and bool(processes_of(str(own)))

    try:
        until(begun, what="the child")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        until(lambda: not processes_of(str(own)), what="the end of the child")
    finally:
        process.kill()
        process.wait()
    left = outputs.get(sales, "sales", 1)
    assert (left.state, left.has_report) == ("running", False)  # until somebody who knows Airflow looks
    assert not (own / outputs.PROFILE).exists()
    outputs.close(sales, left, "failed", "killed")
    assert [path.name for path in own.iterdir()] == [outputs.RECORD]
