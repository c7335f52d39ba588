"""The parameters of a notebook: names, types, defaults and help for a form."""

from __future__ import annotations

from typing import Any

import pytest

from couture_workflow.services.notebooks import parameters
from couture_workflow.services.notebooks.parameters import found_in, looks_secret


def types(source: str) -> dict[str, str]:
    found, problem = found_in(source)
    assert not problem
    return {each.name: each.type for each in found}


@pytest.mark.parametrize(
    ("source", "kind", "default"),
    [
        ("a = 3", "int", 3),
        ("a = -3", "int", -3),
        ("a = 2.5", "float", 2.5),
        ("a = True", "bool", True),
        ("a = 'x'", "str", "x"),
        ("a = '2026-11-28'", "date", "2026-11-28"),
        ("a = '2026-13-28'", "str", "2026-13-28"),
        ("a = [1, 'x', None]", "list", [1, "x", None]),
        ("a = (1, 2)", "list", [1, 2]),
        ("a = {'x': [1]}", "dict", {"x": [1]}),
        ("a = None", "None", None),
        ("a: int = None", "int", None),
        ("a: int | None = None", "int", None),
        ("a: None | float = None", "float", None),
        ("a: Optional[str] = None", "str", None),
        ("a: typing.Optional[str] = None", "str", None),
        ("a: 'float' = 1", "float", 1),
        ("a: list[int] = []", "list", []),
        ("a: Dict[str, int] = {}", "dict", {}),
        ("a: datetime.date = '2026-01-01'", "date", "2026-01-01"),
        ("a: Something = 3", "int", 3),
    ],
)
def test_type_and_default(source: str, kind: str, default: Any) -> None:
    (found,), problem = found_in(source)

    assert (found.type, found.default, found.literal, problem) == (kind, default, True, "")


@pytest.mark.parametrize(
    "source",
    [
        "a = date.today()",
        "a = 1e999",
        "a = {1: 2}",
        "a = {1, 2}",
        "a = b'x'",
        "a = 1j",
        "a = -x",
        "a = f'{b}'",
    ],
)
def test_what_is_no_literal_is_shown_and_left_alone(source: str) -> None:
    (found,), _ = found_in(source)

    assert (found.type, found.default, found.literal) == ("any", None, False)
    assert found.code == source.removeprefix("a = ").replace("1e999", "1e309")


def test_comments_are_help_and_the_last_value_counts() -> None:
    source = (
        'n = 1  # how many\nd = {\n    "a": 1,\n}  # by name\nn = 2  # how many now\nx = "# no comment"\n'
    )

    found, _ = found_in(source)

    assert [(each.name, each.default, each.help) for each in found] == [
        ("n", 2, "how many now"),
        ("d", {"a": 1}, "by name"),
        ("x", "# no comment", ""),
    ]


def test_what_is_no_parameter_is_left_out() -> None:
    source = (
        "import os\na, b = 1, 2\nc = d = 3\ne: int\nf.g = 1\nh[0] = 1\nprint(1)\nif a:\n    i = 1\nj = 1\n"
    )

    assert types(source) == {"j": "int"}


def test_lines_of_ipython_are_passed_over() -> None:
    assert types("%matplotlib inline\n!ls\nn = 1\n") == {"n": "int"}


def test_unicode_names_and_values() -> None:
    assert types("größe = 'ü'\n") == {"größe": "str"}


@pytest.mark.parametrize(
    "source",
    [
        "a = (",
        "a = '\0'",
        "x = 1" + " and 1" * 20_000,
        "(" * 100_000,
        "a = " + "-" * 100_000 + "1",
        "a = " + "[" * 50_000,
        "a: " + "int | " * 20_000 + "int = 1",
        "a = 0x" + "f" * 100_000,
        "a = " + "9" * 100_000,
        "x" * 300_000,
    ],
    ids=lambda source: source[:12],
)
def test_hostile_cells_end_in_a_sentence_or_without_a_value(source: str) -> None:
    found, problem = found_in(source)

    assert problem or not any(each.literal and each.type == "any" for each in found)


def test_many_parameters_and_long_values_are_bounded() -> None:
    found, _ = found_in("".join(f"p{number} = {number}\n" for number in range(1000)))
    (long,), _ = found_in(f"a = {'x' * 100_000!r}")

    assert len(found) == parameters.MOST
    assert not long.literal and len(long.code) < 30_000


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "PASSWD",
        "apiKey",
        "api_key",
        "API_KEY",
        "token",
        "accessToken",
        "secret",
        "client_secret",
        "private_key",
        "aws_secret_access_key",
        "pwd",
        "credentials",
        "auth",
        "passphrase",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["rows", "key", "keys", "passenger", "tokens_per_day", "author", "compass", "secretary", "monkey"]
)
def test_names_that_are_no_secrets(name: str) -> None:
    assert not looks_secret(name)
