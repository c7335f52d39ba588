"""The DAG file of a schedule: valid, short, and read again as it was, also after a change by hand."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from couture_workflow.services.schedules import dag_file, dag_reading
from couture_workflow.services.schedules.form import Form, When, form_of

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
        ('email=["ann@example.org", "bob@example.org"]', 'email="c@example.org"', "email", "c@example.org"),
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


def test_it_is_valid_python_and_short() -> None:
    assert ast.parse(written(FULL))
    assert len(written(FULL).splitlines()) < 45
