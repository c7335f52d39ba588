"""The DAG file of a schedule: valid, short, and read again as it was, also after a change by hand."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from couture_workflow.services.schedules import dag_file, dag_reading
from couture_workflow.services.schedules.form import Form, When, form_of

#: Airflow has a newer way for mails, which leaves its options for mails out.
pytestmark = pytest.mark.filterwarnings("ignore:Setting email")

NOW = datetime(2026, 11, 28, 17, 3, 9, tzinfo=UTC)
FULL = form_of(
    {
        "name": "daily",
        "notebook": "ann/report.ipynb",
        "when": {"kind": "cron", "cron": "0 6 * * 1-5", "zone": "Europe/Berlin"},
        "parameters": {"rows": 100, "day": "{{ ds }}", "deep": {"a": [1, 2.5, None, True]}},
        "kernel": "python3",
        "retries": 2,
        "time_limit": 5400,
        "email": "ann@example.org, bob@example.org",
        "html": "results",
        "keep_outputs": 5,
        "keep_days": 30,
        "tags": ["a", "b"],
        "owner": "team",
    }
)


def written(form: Form, notebook: str = "report.ipynb") -> str:
    return dag_file.written(form, notebook=notebook, account="ann", saved=NOW, started=NOW)


def read(source: str, form: Form | None = None) -> tuple[Form, tuple[str, ...]]:
    (reading,) = dag_reading.read([source.encode()])
    return dag_reading.applied(form or Form(name="daily"), reading)


@pytest.mark.parametrize(
    "when",
    [
        When(kind="cron", cron="*/5 * * * *", zone="Asia/Kolkata"),
        When(kind="at", at="2027-01-02T03:04", zone="Europe/Berlin"),
        When(kind="at", at="2027-01-02T03:04:05", zone="UTC"),
    ],
)
def test_what_is_written_is_read_as_it_was(when: When) -> None:
    form = replace(FULL, when=when)
    found, unknown = read(written(form), Form(name="daily", notebook="ann/report.ipynb"))

    assert (found, unknown) == (form, ())


def test_once_now_begins_when_it_is_saved() -> None:
    found, unknown = read(written(Form(name="daily", when=When(kind="now"))))

    assert 'schedule="@once"' in written(Form(name="daily"))
    assert (found.when.kind, found.when.at, unknown) == ("at", "2026-11-28T17:03:09", ())


HOSTILE = [
    "a'b\"<&>/../ü",
    '"""',
    "\\",
    "\\N{DASH}",
    "{x}",
    "%s",
    "# x",
    "'; import os #",
    "ü" * 50,
    '"',
    "'",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    form = form_of(
        {
            "name": "daily",
            "notebook": f"shared/{text}.ipynb",
            "parameters": {"p": text, "q": {text: [text]}},
            "tags": [text],
            "owner": text,
            "kernel": text,
        }
    )
    source = written(form, f"{text}.ipynb")

    found, unknown = read(source, Form(name="daily", notebook=form.notebook))

    assert (found.parameters, found.tags, found.owner, found.kernel, unknown) == (
        form.parameters,
        form.tags,
        form.owner,
        form.kernel,
        (),
    )
    assert max(map(len, source.splitlines())) < 400


def test_long_values_stand_in_lines() -> None:
    form = replace(FULL, parameters={"names": [f"name number {number}" for number in range(30)]})
    source = written(form)

    assert max(map(len, source.splitlines())) <= 110
    assert read(source)[0].parameters == form.parameters


MAIL = 'email=["ann@example.org", "bob@example.org"]'


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("retries=2", "retries=RETRIES", "retries"),
        ('schedule="0 6 * * 1-5"', "schedule=[dataset]", "when"),
        ('tags=["a", "b"]', "tags=make_tags()", "tags"),
        ('"rows": 100', '"rows": count()', "parameters"),
        ("timedelta(seconds=5400)", "LIMIT", "time_limit"),
        ("pendulum.datetime(2026", "pendulum.datetime(YEAR", "when"),
        ("schedule=", "timetable=", "when"),
        (MAIL, "email=5", "email"),
        (MAIL, "email=True", "email"),
        (MAIL, "email={'a': 1}", "email"),
        (MAIL, "email=['a', 'b\\n']", "email"),
        ('tags=["a", "b"]', "tags=5", "tags"),
        ("retries=2", "retries=-1", "retries"),
        ("retries=2", "retries=2.5", "retries"),
    ],
)
def test_what_cannot_be_read_is_unknown_and_keeps_its_value(old: str, new: str, field: str) -> None:
    source = written(FULL)
    assert old in source

    found, unknown = read(source.replace(old, new), FULL)

    assert unknown == (field,)
    assert getattr(found, field) == getattr(FULL, field)


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("retries=2", "retries=7", "retries", 7),
        ("timedelta(seconds=5400)", "timedelta(hours=2, minutes=1)", "time_limit", 7260),
        ("hide_code=True,", "", "html", "code"),
        ("export_html=True,", "", "html", "none"),
        ('"rows": 100', '"rows": 7', "parameters", {**FULL.parameters, "rows": 7}),
        ("parameters=run_parameters,", "", "parameters", FULL.parameters),
        (MAIL, 'email="c@example.org"', "email", "c@example.org"),
    ],
)
def test_what_was_changed_by_hand_is_read(old: str, new: str, field: str, value: Any) -> None:
    source = written(FULL)
    assert old in source

    found, unknown = read(source.replace(old, new), FULL)

    assert (getattr(found, field), unknown) == (value, ())


@pytest.mark.parametrize("source", ["", "x = 1", "def (", "\0", "(" * 100_000, "x = 1" + " and 1" * 100_000])
def test_a_file_that_is_something_else_keeps_the_form(source: str) -> None:
    found, unknown = read(source, FULL)

    assert found == FULL
    assert {"when", "parameters", "retries"} <= set(unknown)


def next_runs(source: str, count: int) -> list[str]:
    """Return when Airflow's scheduler starts the first runs of the DAG of a file."""
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import DagSerialization

    names: dict[str, Any] = {}
    exec(
        compile(source.replace("with DAG(", "with (made := DAG(").replace("\n):", "\n)):"), "dag", "exec"),
        names,
    )
    dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(names["made"]))
    assert isinstance(dag, SerializedDAG)
    found, last = [], None
    for _ in range(count):
        last = dag.next_dagrun_info(last_automated_run_info=last)
        if last is None:
            break
        found.append(last.run_after.in_timezone("UTC").isoformat())
    return found


def test_airflow_runs_once_at_the_time_and_never_again() -> None:
    form = replace(FULL, when=When(kind="at", at="2070-01-02T03:04", zone="Europe/Berlin"))
    assert next_runs(written(form), 3) == ["2070-01-02T02:04:00+00:00"]

    form = replace(FULL, when=When(kind="at", at="2027-10-31T02:30", zone="Europe/Berlin"))
    assert next_runs(written(form), 3) == ["2027-10-31T00:30:00+00:00"]
    form = replace(FULL, when=When(kind="at", at="2027-10-31T02:30+01:00", zone="Europe/Berlin"))
    assert next_runs(written(form), 3) == ["2027-10-31T01:30:00+00:00"]


def test_airflow_runs_once_now_at_once() -> None:
    assert next_runs(written(Form(name="daily", when=When(kind="now"))), 3) == ["2026-11-28T17:03:09+00:00"]


def test_airflow_makes_up_for_no_time_before_the_save() -> None:
    later = datetime(2069, 12, 31, 23, 30, tzinfo=UTC)
    source = dag_file.written(FULL, notebook="a.ipynb", account="ann", saved=later, started=later)

    assert next_runs(source, 2) == ["2070-01-01T05:00:00+00:00", "2070-01-02T05:00:00+00:00"]


def test_it_is_valid_python_and_short() -> None:
    assert ast.parse(written(FULL))
    assert len(written(FULL).splitlines()) < 45
