"""Parameters of a schedule: typed text becomes values, secrets are refused with a way out."""

from __future__ import annotations

from typing import Any

import pytest

from couture_workflow.services.notebooks.parameters import Parameter
from couture_workflow.services.schedules import values as schedule_values
from couture_workflow.services.schedules.values import values


def parameter(name: str, kind: str) -> Parameter:
    return Parameter(name=name, type=kind, default=None, literal=True, code="None")


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        ("int", "12", 12),
        ("int", " -3 ", -3),
        ("int", 5, 5),
        ("float", "2.5", 2.5),
        ("float", "1e3", 1000.0),
        ("float", 2, 2),
        ("bool", "true", True),
        ("bool", "No", False),
        ("bool", False, False),
        ("str", "12", "12"),
        ("str", "", ""),
        ("date", "2026-12-01", "2026-12-01"),
        ("list", '["a", 1, null]', ["a", 1, None]),
        ("list", [1], [1]),
        ("dict", '{"a": {"b": []}}', {"a": {"b": []}}),
        ("None", "", None),
        ("None", "x", "x"),
        ("any", "x", "x"),
        ("any", [1], [1]),
        ("int", None, None),
        ("int", "{{ dag_run.conf.n }}", "{{ dag_run.conf.n }}"),
        ("date", "{{ ds }}", "{{ ds }}"),
    ],
)
def test_text_becomes_a_value_of_its_type(kind: str, typed: Any, value: Any) -> None:
    for types, known in (({"p": kind}, ()), ({}, (parameter("p", kind),))):
        found, findings = values({"p": typed}, types, known)
        assert (found["p"], type(found["p"]), findings) == (value, type(value), [])


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("int", "1.5"),
        ("int", "x"),
        ("int", True),
        ("int", 1.5),
        ("int", "9" * 5000),
        ("float", "nan"),
        ("float", "1e999"),
        ("float", float("nan")),
        ("float", "x"),
        ("bool", "maybe"),
        ("bool", 1),
        ("str", 5),
        ("date", "2026-13-01"),
        ("date", "yesterday"),
        ("list", "[1"),
        ("list", "[" * 50_000),
        ("list", '{"a": 1}'),
        ("dict", "[1]"),
        ("any", float("inf")),
        ("any", [float("nan")]),
    ],
)
def test_what_is_no_value_is_told_at_its_field(kind: str, typed: Any) -> None:
    _, findings = values({"p": typed}, {"p": kind}, ())

    assert [each.field for each in findings] == ["parameters.p"]
    assert '"p"' in findings[0].message or "'p'" in findings[0].message


@pytest.mark.parametrize("name", ["password", "api_key", "authToken", "client_secret"])
def test_a_secret_is_refused_with_a_way_out(name: str) -> None:
    _, (finding,) = values({name: "x"}, {}, ())

    assert finding.field == f"parameters.{name}" and finding.level == "error"
    assert "connection or variable" in finding.message


@pytest.mark.parametrize(
    "template",
    [
        "{{ conn.db.password }}",
        "{{conn.get('db').password}}",
        "{{ conn.db.extra_dejson.key }}",
        "x {{ conn.db.get_uri() }}",
    ],
)
def test_a_template_that_is_a_secret_is_refused(template: str) -> None:
    _, (finding,) = values({"p": template}, {}, ())

    assert "secret of a connection" in finding.message


def test_templates_are_looked_at_however_deep_they_stand() -> None:
    for value in ([{"a": ["{{ conn.db.password }}"]}], {"a": "{{ conn.db.password }}"}):
        _, (finding,) = values({"p": value}, {}, ())
        assert "secret of a connection" in finding.message


@pytest.mark.parametrize("text", ["{{ ds", "{% for %}", "{# x", "{{ ds }", "{{ " + "(" * 900 + " }}"])
def test_a_template_that_cannot_be_filled_in_is_refused(text: str) -> None:
    _, (finding,) = values({"p": text}, {"p": "str"}, ())

    assert "no template that Airflow can fill in" in finding.message


def test_a_long_text_with_braces_is_refused() -> None:
    _, (finding,) = values({"p": "{{" * 5000}, {}, ())

    assert "file beside the notebook" in finding.message


@pytest.mark.parametrize("text", ["{{ ds }}", "a {{ds_nodash}} b {{ run_id }}", "{{ data_interval_start }}"])
def test_whoever_may_not_write_dag_files_has_plain_templates(text: str) -> None:
    assert values({"p": text}, {}, (), templates=False) == ({"p": text}, [])


@pytest.mark.parametrize(
    "text", ["{{ var.value.x }}", "{{ ds }}{{ ti }}", "{% if ds %}{% endif %}", "{{ ds | x }}", "{{ ds }}{"]
)
def test_and_no_others(text: str) -> None:
    _, (finding,) = values({"p": text}, {}, (), templates=False)

    assert "can edit on DAG Files" in finding.message or "no template" in finding.message


def test_what_a_run_is_given_is_taken_literally() -> None:
    given = {"p": "{{ conn.db.password }}", "q": "{{"}

    assert values(given, {}, (), literal=True) == (given, [])
    _, (finding,) = values({"n": "{{ ds }}"}, {"n": "int"}, (), literal=True)
    assert finding.field == "parameters.n"


@pytest.mark.parametrize(
    "name", ["", "a b", "1a", "class", "a'b\"<&>/../ü", "a" * 200, "a.b", "\ufb01", "\uff43lass"]
)
def test_names_that_no_variable_has(name: str) -> None:
    _, (finding,) = values({name: 1}, {}, ())

    assert finding.field == f"parameters.{name}" and "no name of a parameter" in finding.message


def test_values_that_are_long_together_are_refused() -> None:
    _, (finding,) = values({"a": "x" * 60_000, "b": "y" * 60_000}, {}, ())

    assert finding.field == "parameters" and "file beside the notebook" in finding.message


def test_deep_values_are_refused() -> None:
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    _, (finding,) = values({"p": deep}, {}, ())

    assert "too deep" in finding.message


@pytest.mark.parametrize("literal", [False, True])
@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, [{"a": 10**4000}], "\ud800", {"a\udfff": 1}])
def test_what_airflow_cannot_carry_is_refused_before_the_save(value: Any, literal: bool) -> None:
    _, (finding,) = values({"p": value}, {}, (), literal=literal)

    assert finding.field == "parameters.p" and "Airflow cannot carry" in finding.message


def test_the_largest_numbers_that_airflow_carries_are_taken() -> None:
    assert values({"p": [2**64 - 1, -(2**63)]}, {}, ()) == ({"p": [2**64 - 1, -(2**63)]}, [])


def test_keys_are_no_templates() -> None:
    assert values({"p": {"{{ conn.db.password }}": 1}}, {}, ())[1] == []


def test_a_type_that_does_not_exist_is_told() -> None:
    _, (finding,) = values({"p": "1"}, {"p": "zebra", "other": "zebra"}, ())

    assert finding.field == "parameters.p" and 'no type "zebra"' in finding.message


def test_values_that_are_too_long_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule_values, "_check_part", lambda *_, **__: pytest.fail("looked at"))

    _, (finding,) = values({"p": ["{{ ds }}"] * 100_000}, {}, ())

    assert finding.field == "parameters"
