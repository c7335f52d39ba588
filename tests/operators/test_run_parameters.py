"""The parameters of a run: types stay, templates are filled in, what a run is given is literal."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from couture_workflow.operators import CoutureJupyterOperator, run_parameters


def given(own: dict[str, Any], conf: dict[str, Any]) -> dict[str, Any]:
    with DAG("a", schedule=None, params=own) as dag:
        task = CoutureJupyterOperator(task_id="t", input_nb="a.ipynb", parameters=run_parameters)
    context: Any = {"dag": dag, "task": task, "params": {**dag.params.dump(), **conf}, "ds": "2026-01-31"}
    task.render_template_fields(context)
    assert isinstance(task.parameters, dict)
    return task.parameters


def test_types_stay_and_templates_are_filled_in() -> None:
    own = {"n": 3, "x": 2.5, "none": None, "yes": True, "day": "{{ ds }}", "deep": {"a": ["{{ ds }}", 1]}}

    assert given(own, {}) == {**own, "day": "2026-01-31", "deep": {"a": ["2026-01-31", 1]}}


def test_what_a_run_is_given_stands_in_place_and_is_literal() -> None:
    own = {"n": 3, "text": "x", "day": "{{ ds }}"}

    assert given(own, {"n": 5, "text": "{{ ds }}", "more": "{{ ds }}"}) == {
        "n": 5,
        "text": "{{ ds }}",
        "day": "2026-01-31",
        "more": "{{ ds }}",
    }


def test_a_form_that_sends_a_template_back_as_it_is() -> None:
    assert given({"day": "{{ ds }}"}, {"day": "{{ ds }}"}) == {"day": "2026-01-31"}


def test_no_parameters() -> None:
    assert given({}, {}) == {}
