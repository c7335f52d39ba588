"""The rules of ``fail_when``: what may be written, what each finds, and the sentence that it gives."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.eda.comparisons import guard
from couture_workflow.services.eda.comparisons.guard import Broken, as_mapping, check, parse
from couture_workflow.services.eda.comparisons.guard_rules import Amount, ByColumn
from tests.support.eda_profiles import column, profile

DEEP: list[Any] = []
for _ in range(5_000):
    DEEP = [DEEP]
HOSTILE = "a'b\"<&>/../ü\n{{ 7*7 }}"
RULES = {
    "rows": {"min": 1, "max": 1000, "change": "20%"},
    "missing": {"any": 0.1, "age": "2 %", "note": None, "column:any": 0.5},
    "drift": 0.25,
    "ks": {"age": 0.1},
    "new_categories": ["country", "any"],
    "columns": "changed",
    "duplicates": 0,
    "bad_lines": {"share": 0.01},
}

OLD = profile(
    column("age", [float(number % 50) for number in range(100)]),
    column("country", ["de"] * 60 + ["fr"] * 40, "text"),
    column("id", [f"{number:03}" for number in range(100)], "text", categories=None, rest=80),
    column("gone", [1] * 100),
    column("wide", [1] * 100, type="INTEGER"),
)
NEW = profile(
    column("age", [float(number % 50) + 30 for number in range(90)] + [None] * 60),
    column("country", ["de"] * 50 + ["fr"] * 40 + [HOSTILE] * 35 + ["it"] * 25, "text"),
    column("id", [f"{number:03}" for number in range(150)], "text", categories=None, rest=130),
    column("wide", [1] * 150, type="BIGINT"),
    column(HOSTILE, [None] * 150, "empty"),
    bad={"count": 6, "first": []},
    duplicates={"rows": 15, "exact": True},
)


def said(
    rules: object, new: dict[str, Any] = NEW, old: dict[str, Any] | None = OLD, **more: Any
) -> list[str]:
    return [each.message for each in check(parse(rules), new, old, **more)]


def test_rules_are_read_from_mappings_sequences_and_texts() -> None:
    rules = parse(RULES)

    assert (rules.least_rows, rules.most_rows, rules.rows_change) == (1, 1000, 0.2)
    assert rules.missing == ByColumn(any=0.1, named={"age": 0.02, "note": None, "any": 0.5})
    assert rules.drift == ByColumn(any=0.25)
    assert rules.new_categories == ("country", "any")
    assert rules.columns == ("added", "removed", "retyped")
    assert (rules.duplicates, rules.bad_lines) == (Amount(most=0), Amount(share=0.01))
    assert rules.compares
    for again in (json.dumps(RULES), as_mapping(rules), [{key: value} for key, value in RULES.items()]):
        assert parse(again) == rules
    assert parse(MappingProxyType({"rows": MappingProxyType({"min": 1})})) == parse("rows: {min: 1}")
    assert json.loads(json.dumps(as_mapping(rules))) == as_mapping(rules)


@pytest.mark.parametrize("nothing", [None, {}, "", "  ", [], "null", {"rows": None}])
def test_no_rules_break_nothing(nothing: object) -> None:
    rules = parse(nothing)

    assert not rules
    assert not rules.compares
    assert check(rules, NEW) == ()


@pytest.mark.parametrize(
    ("rules", "field", "words"),
    [
        ({"row": {"min": 1}}, "fail_when", "'row' is no rule. Give some of rows, missing, drift"),
        ({7: 1}, "fail_when", "7 is no rule"),
        (7, "fail_when", "Give a mapping such as"),
        ([7], "fail_when", "has mappings in it, not 7"),
        ([{"drift": 1}, {"drift": 2}], "fail_when", "'drift' is there twice"),
        ("{", "fail_when", "neither YAML nor JSON"),
        ("a: *b", "fail_when", "alias"),
        ("[" * 2_000, "fail_when", "neither YAML nor JSON"),
        ("x" * 20_001, "fail_when", "20,001 characters"),
        ("rows: {min: 2026-11-29}", "fail_when.rows.min", "no number of rows"),
        ("rows: 0001-00-00", "fail_when", "cannot be read"),
        ({"rows": DEEP}, "fail_when.rows", "not [[[[...]]]]"),
        ({"rows": {"min": 10**5000}}, "fail_when.rows.min", "a number of thousands of digits is no number"),
        ({"rows": 5}, "fail_when.rows", "Give a mapping such as {'min': 1"),
        ({"rows": {}}, "fail_when.rows", "It is empty"),
        (
            {"rows": {"least": 1}},
            "fail_when.rows",
            "'least' is not known there. Give some of min, max, change",
        ),
        ({"rows": {"min": "1"}}, "fail_when.rows.min", "'1' is no number of rows"),
        ({"rows": {"min": True}}, "fail_when.rows.min", "True is no number of rows"),
        ({"rows": {"min": -1}}, "fail_when.rows.min", "-1 is no number of rows"),
        ({"rows": {"max": 1.5}}, "fail_when.rows.max", "1.5 is no number of rows"),
        ({"rows": {"min": 5, "max": 4}}, "fail_when.rows", "no number of rows is between them"),
        (
            {"rows": {"change": 20}},
            "fail_when.rows.change",
            "20 is no share from 0 to 1. Give a share such as 0.1",
        ),
        ({"missing": "many"}, "fail_when.missing", "'many' is no share"),
        ({"missing": {"age": float("nan")}}, "fail_when.missing.age", "nan is no share"),
        ({"missing": "101%"}, "fail_when.missing", "101% is more than all"),
        ({"missing": {}}, "fail_when.missing", "It is empty"),
        ({"missing": {"any": None}}, "fail_when.missing", "No column has a limit"),
        ({"missing": {7: 0.1}}, "fail_when.missing", "7 is no name of a column"),
        ({"missing": {"a": 0.1, "column:a": 0.2}}, "fail_when.missing", "The column 'a' is there twice"),
        ({"drift": "10%"}, "fail_when.drift", "'10%' is no limit of a drift. Give a number such as 0.25"),
        ({"drift": float("inf")}, "fail_when.drift", "inf is no limit"),
        ({"ks": {"age": 1.5}}, "fail_when.ks.age", "at most 1"),
        ({"new_categories": {"a": 1}}, "fail_when.new_categories", "Give a list of columns"),
        ({"new_categories": []}, "fail_when.new_categories", "It is empty"),
        ({"new_categories": [None]}, "fail_when.new_categories", "None is no name of a column"),
        (
            {"columns": ["renamed"]},
            "fail_when.columns",
            "Give 'changed', or a list of added, removed, retyped",
        ),
        ({"columns": {"added": 1}}, "fail_when.columns", "Give 'changed'"),
        ({"duplicates": {"max": 1, "share": 0.1}}, "fail_when.duplicates", "Give either max"),
        ({"bad_lines": {"share": 5}}, "fail_when.bad_lines.share", "5 is no share"),
        ({"bad_lines": "some"}, "fail_when.bad_lines", "'some' is no number of rows"),
    ],
)
def test_a_wrong_rule_is_named_with_its_remedy(rules: object, field: str, words: str) -> None:
    with pytest.raises(InvalidError) as refused:
        parse(rules)

    assert words in str(refused.value)
    assert str(refused.value).startswith(f"{field}: ")
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"rows": {"min": 151}}, ["There are 150 rows, and fail_when.rows.min is 151."]),
        ({"rows": {"min": 150, "max": 150, "change": 0.5}}, []),
        ({"rows": {"max": 149}}, ["There are 150 rows, and fail_when.rows.max is 149."]),
        (
            {"rows": {"change": 0.2}},
            ["There are 150 rows after 100 before, 50 % more, and fail_when.rows.change is 20 %."],
        ),
        ({"missing": {"age": "40%", HOSTILE: None}}, []),
        (
            {"missing": {"age": 0.3999999, HOSTILE: None}},
            [
                "The column 'age' has no value in 40 % of the rows, and fail_when.missing.age is 39.99999 %.",
            ],
        ),
        (
            {"missing": {"age": 0.399, HOSTILE: None}},
            ["The column 'age' has no value in 40 % of the rows, and fail_when.missing.age is 39.9 %."],
        ),
        (
            {"missing": {"any": 0.4, "age": 1}},
            [
                f"The column {HOSTILE!r} has no value in 100 % of the rows, and fail_when.missing.any is "
                "40 %.",
            ],
        ),
        (
            {"missing": {"agee": 0.1}},
            [
                "There is no column 'agee' in this output, and fail_when.missing names it. See why it "
                "went, or take it out of the rule."
            ],
        ),
        ({"ks": {"wide": 0.0}}, []),
        (
            {"ks": {"age": 0.1}},
            [
                "The drift (Kolmogorov-Smirnov) of the column 'age' is 0.6, and fail_when.ks.age is 0.1.",
            ],
        ),
        (
            {"ks": {"country": 0.1}},
            [
                "The column 'country' is text, which has no order: fail_when.ks is for numbers and dates. "
                "Use fail_when.drift for it."
            ],
        ),
        (
            {"new_categories": "country"},
            [
                "The column 'country' has 2 values that were not there before: "
                f"{HOSTILE!r} (35 rows), 'it' (25 rows)."
            ],
        ),
        (
            {"new_categories": ["id", "age"]},
            [
                "The column 'age' is number, and fail_when.new_categories is for texts and booleans. Use "
                "fail_when.drift for it.",
                "The column 'id' has too many different values to tell which are new.",
            ],
        ),
        (
            {"columns": "changed"},
            [
                f"A column came: {HOSTILE!r}, and fail_when.columns has 'added'.",
                "A column went: 'gone', and fail_when.columns has 'removed'.",
                "A column changed type: 'wide' (INTEGER to BIGINT), and fail_when.columns has 'retyped'.",
            ],
        ),
        ({"columns": ["retyped"], "drift": {"gone": None, "any": 99}}, None),
        ({"duplicates": 14}, ["There are 15 duplicate rows, and fail_when.duplicates is 14."]),
        ({"duplicates": 15, "bad_lines": 6}, []),
        (
            {"duplicates": "9.99%"},
            ["There are 15 duplicate rows, 10 % of all, and fail_when.duplicates is 9.99 %."],
        ),
        (
            {"bad_lines": {"share": 0.01}},
            [
                "There are 6 lines that cannot be read, 3.846 % of all, and fail_when.bad_lines is 1 %.",
            ],
        ),
    ],
)
def test_what_a_rule_finds(rules: dict[str, Any], expected: list[str] | None) -> None:
    found = said(rules)

    if expected is None:
        assert found[-1].startswith("A column changed type")
    else:
        assert sorted(found) == sorted(expected)


def test_rows_that_went_are_a_change_too() -> None:
    assert said({"rows": {"change": "33%"}}, OLD, NEW) == [
        "There are 100 rows after 150 before, 33.33 % fewer, and fail_when.rows.change is 33 %."
    ]
    assert said({"rows": {"change": "34%"}}, OLD, NEW) == []


def test_drift_has_its_number_and_its_limit() -> None:
    [found] = check(parse({"drift": {"any": 50, "age": 0.25}}), NEW, OLD)

    assert found.column == "age"
    assert found.rule == "drift.age"
    assert found.fails
    assert found.message.startswith("The drift (PSI) of the column 'age' is ")
    assert found.message.endswith(", and fail_when.drift.age is 0.25.")


def test_the_first_output_passes_with_a_note() -> None:
    rules = {
        "rows": {"min": 1, "change": 0.1},
        "drift": 0.1,
        "ks": 0.1,
        "new_categories": "any",
        "columns": "added",
    }

    assert check(parse(rules), NEW) == (
        Broken(
            rule="compare_with",
            message="There is no other output to compare with: none is there yet, or compare_with is not "
            "given. So fail_when.rows.change, fail_when.drift, fail_when.ks, fail_when.new_categories, "
            "fail_when.columns said nothing.",
            fails=False,
        ),
    )


@pytest.mark.parametrize("name", ["drift", "ks"])
def test_a_column_of_another_kind_breaks_a_limit_of_its_drift(name: str) -> None:
    old, new = profile(column("x", [1.0])), profile(column("x", ["1"], "text"))

    for rules in ({name: 1}, {name: {"x": 1}}):
        [found] = check(parse(rules), new, old)
        assert found.fails
        assert "It changed from number to text" in found.message


def test_an_empty_output_cannot_hide_its_drift() -> None:
    nothing, some = profile(column("x", [])), profile(column("x", [1.0]))
    rules = parse({"drift": 0.1})

    [broken], [noted] = check(rules, nothing, some), check(rules, some, nothing)

    assert (broken.fails, noted.fails) == (True, False)
    assert broken.message == "There are 0 rows after 1 row before, so fail_when.drift cannot be told."
    assert check(rules, nothing, nothing)[0].fails is False
    assert said({"missing": 0, "rows": {"change": 0}}, nothing, nothing) == []
    assert said({"rows": {"change": 1}}, some, nothing) == [
        "There is 1 row after none before: that is more than any change in percent, and "
        "fail_when.rows.change is 100 %."
    ]


def test_values_of_sensitive_columns_are_in_no_sentence() -> None:
    for more in ({"sensitive": ["country"]}, {}):
        old = json.loads(json.dumps(OLD))
        old["columns"][1]["sensitive"] = not more
        found = check(parse({"new_categories": ["country"], "drift": {"country": 0}}), NEW, old, **more)
        assert [each.fails for each in found] == [False]
        assert "sensitive" in found[0].message
        assert "it" not in [part.strip("'") for part in found[0].message.split()]


def test_what_was_not_counted_is_noted() -> None:
    unknown = {**NEW, "duplicates": {"rows": None}, "bad": {"count": None}}

    found = check(parse({"duplicates": 0, "bad_lines": 0}), unknown)

    assert [(each.rule, each.fails) for each in found] == [("duplicates", False), ("bad_lines", False)]


def test_what_a_database_has_and_a_type_has_not_are_values() -> None:
    found = check(parse({"bad_lines": 0}), {**NEW, "kind": "sql", "bad": {"count": 2}})

    assert [each.message for each in found] == [
        "There are 2 values that cannot be kept as they are, and fail_when.bad_lines is 0."
    ]


@pytest.mark.parametrize(
    "kind, rule, words",
    [
        ("file", "bad_lines", "There is 1 line that cannot be read"),
        ("sql", "bad_lines", "There is 1 value that cannot be kept as it is"),
        ("file", "duplicates", "There is 1 duplicate row"),
    ],
)
def test_one_is_told_as_one(kind: str, rule: str, words: str) -> None:
    one = {**NEW, "kind": kind, "bad": {"count": 1}, "duplicates": {"rows": 1}}

    assert said({rule: 0}, one) == [f"{words}, and fail_when.{rule} is 0."]


def test_many_columns_give_a_few_sentences() -> None:
    columns = [column(f"c{number}", [None, 1.0]) for number in range(2_000)]

    found = check(parse({"missing": {"any": 0.1, "c1999": 0.2}}), profile(*columns))

    assert len(found) == 12
    assert found[-1].message == "1,989 more columns are beyond fail_when.missing.any, too."
    assert "c1999" in [each.column for each in found]


def test_a_hostile_name_stays_on_its_line() -> None:
    named = check(parse({"missing": {HOSTILE: 0.1, "y" * 900: None, "any": 1}}), NEW)

    assert [each.column for each in named if each.fails] == ["y" * 900, HOSTILE]
    assert all("\n" not in each.message and len(each.message) < 400 for each in named)
    assert named[0].json() == {
        "rule": f"missing.{'y' * 900}",
        "column": "y" * 900,
        "message": named[0].message,
        "fails": True,
    }


def test_a_column_that_is_called_any_has_its_own_limit() -> None:
    new = profile(column("any", [None, 1.0]), column("other", [1.0, 1.0]))

    assert said({"missing": {"column:any": 0.1}}, new) == [
        "The column 'any' has no value in 50 % of the rows, and fail_when.missing.column:any is 10 %."
    ]
    assert guard.check(parse({"missing": {"any": 0.1, "column:any": None}}), new) == ()
