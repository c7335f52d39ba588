"""The rule for names and paths."""

from __future__ import annotations

import unicodedata

import pytest

from couture_workflow.exceptions import InvalidError, InvalidNameError
from couture_workflow.store.names import (
    PATH_RULE,
    RULE,
    check_name,
    check_path,
    parse_reference,
    quote,
    reference_to,
)

HOSTILE = {
    "empty": "",
    "quotes and tags": "a'b\"<&>ü",
    "parent": "..",
    "path": "../a.jar",
    "absolute": "/etc/passwd",
    "backslash": "a\\b.jar",
    "at": "a.jar@3",
    "comma": "a,b.jar",
    "space": "a b.jar",
    "hash": "a#b.jar",
    "percent": "a%2fb.jar",
    "hidden": ".a.jar",
    "option": "-a.jar",
    "dot at the end": "a.",
    "newline": "a\n.jar",
    "nul": "a\0.jar",
    "right to left override": "a\u202egpj.jar",
    "lone surrogate": "a\ud800.jar",
    "too long": "a" * 201,
    "too long in bytes": "ü" * 101,
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_hostile_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidNameError) as refusal:
        check_name(name, what="dependency")

    assert RULE in str(refusal.value)
    assert quote(name) in str(refusal.value)
    assert refusal.value.field == "name"
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "name", ["a", "job-1.0+b.jar", "_private.py", "größe_日本語.py", "ü" * 100, "2024.zip", "A..b"]
)
def test_good_name_is_kept(name: str) -> None:
    assert check_name(name) == name


def test_name_is_composed() -> None:
    assert check_name(unicodedata.normalize("NFD", "größe.py")) == "größe.py"


def test_refusal_suggests_a_good_name() -> None:
    with pytest.raises(InvalidNameError, match='for example to "report_1_.jar"'):
        check_name("report (1).jar")


def test_suffix_is_asked_for_in_any_case() -> None:
    assert check_name("A.JAR", suffixes=(".jar", ".zip")) == "A.JAR"
    with pytest.raises(InvalidNameError, match="must end in .jar, .zip or .py"):
        check_name("a.txt", suffixes=(".jar", ".zip", ".py"))


@pytest.mark.parametrize(
    "path", ["spark.yaml", "hadoop/a-b/core-site.xml", ".airflowignore", "dags/_x/__init__.py"]
)
def test_good_path_is_kept(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/..",
        "./a",
        ".git/config",
        "a/.GIT/b",
        "-x",
        "a\nb",
        "a\\b",
        "a/" * 600,
    ],
)
def test_hostile_path_is_refused_with_the_rule(path: str) -> None:
    with pytest.raises(InvalidNameError) as refusal:
        check_path(path)

    assert PATH_RULE in str(refusal.value)


@pytest.mark.parametrize(
    ("reference", "parsed"), [("a.jar", ("a.jar", None)), ("a.jar@3", ("a.jar", 3)), ("a@12", ("a", 12))]
)
def test_reference_names_a_file_and_maybe_a_version(reference: str, parsed: tuple[str, int | None]) -> None:
    assert parse_reference(reference) == parsed
    assert reference_to(*parsed) == reference


@pytest.mark.parametrize(
    "reference", ["a.jar@", "a.jar@0", "a.jar@x", "a.jar@-1", "a.jar@1@2", "@1", "a.jar@٣"]
)
def test_malformed_reference_is_refused(reference: str) -> None:
    with pytest.raises(InvalidError):
        parse_reference(reference)
