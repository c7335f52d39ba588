"""The documents name what exists, all of it, and nothing else."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from couture_workflow import permissions, provider
from couture_workflow.cli import COMMANDS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = tuple(sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")]))

_CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


@cache
def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose(page: Path) -> str:
    return _CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))


def section(name: str, heading: str) -> str:
    """Return what stands below a heading, its own subsections included."""
    lines = text(name).splitlines()
    start = next(number for number, line in enumerate(lines) if line.lstrip("#").strip() == heading)
    level = len(lines[start]) - len(lines[start].lstrip("#"))
    for end in range(start + 1, len(lines)):
        match = re.match(r"(#+) ", lines[end])
        if match and len(match[1]) <= level:
            return "\n".join(lines[start:end])
    return "\n".join(lines[start:])


def rows(of: str) -> list[list[str]]:
    """Return the cells of every row of every table, without the lines of the headers."""
    lines = of.splitlines()
    found = []
    for number, line in enumerate(lines):
        is_header = number + 1 < len(lines) and lines[number + 1].startswith("|-")
        if line.startswith("| ") and not is_header:
            found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def code(cell: str) -> str:
    return cell.strip().strip("`")


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def test_every_option_is_documented_with_its_variable_and_default() -> None:
    documented = {
        code(name): (code(variable), "" if default == "empty" else code(default))
        for name, variable, default, _ in rows(section("options.md", "Options of Airflow"))
    }

    assert documented == {
        name: (f"AIRFLOW__COUTURE_WORKFLOW__{name.upper()}", option["default"])
        for name, option in provider.OPTIONS.items()
    }


def test_every_variable_of_ours_is_documented() -> None:
    sources = [*(ROOT / "couture_workflow").rglob("*.py"), ROOT / "Makefile"]
    used = {name for path in sources for name in re.findall(r"\bCOUTURE_[A-Z_]+\b", path.read_text())}

    documented = rows(section("options.md", "Variables of the embedded workbench"))

    assert {code(name) for name, *_ in documented if "COUTURE_" in name} == used


def test_every_permission_is_documented_with_its_roles() -> None:
    documented = {
        (resource, action): (admin, developer)
        for resource, action, _, admin, developer in rows(
            section("permissions.md", "Resources, actions and roles")
        )
    }

    def has(role: str, permission: permissions.Permission) -> str:
        return "yes" if permission in permissions.ROLES[role] else "no"

    assert documented == {
        (resource, action.replace("_", " ")): (
            has(permissions.ADMIN, permissions.Permission(action, resource)),
            has(permissions.DEVELOPER, permissions.Permission(action, resource)),
        )
        for resource, actions in permissions.RESOURCES.items()
        for action in actions
    }


def test_every_page_is_documented_at_its_address() -> None:
    from couture_workflow.views import PAGES as pages
    from couture_workflow.web.paths import PAGES as prefix

    headings = re.findall(r"^## (.+)$", text("pages.md"), re.MULTILINE)

    assert sorted(headings) == sorted(page.title for page in pages)
    for page in pages:
        assert f"`{prefix}{page.route_base}/" in section("pages.md", page.title), page.title


def shown(option: Any, flag: str) -> str:
    """Return how an argument is documented: by its flag, or by the word that stands for it."""
    several = "..." if option.settings.get("nargs") in ("+", "*") else ""
    return flag if flag.startswith("-") else f"{option.settings.get('metavar', flag)}{several}"


def test_every_command_is_documented_with_its_arguments() -> None:
    headings = re.findall(r"^## `couture-workflow ([\w -]+)`$", text("cli.md"), re.MULTILINE)

    assert headings == list(COMMANDS)
    for name, command in COMMANDS.items():
        flags = {shown(option, flag) for option in command.options for flag in option.flags}
        documented = {
            code(cell).split()[0] for cell, *_ in rows(section("cli.md", f"`couture-workflow {name}`"))
        }
        assert documented == flags, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_targets_that_documents_name_exist(page: Path) -> None:
    whole = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    commands = set(re.findall(r"(?:`|^|/)couture-workflow ([a-z-]+)", whole, re.MULTILINE))
    make = set(re.findall(r"(?:`|^)make ([a-z]+)", whole, re.MULTILINE))

    assert commands <= {name.split()[0] for name in COMMANDS}
    assert make <= targets


def operators() -> list[Any]:
    from couture_workflow.operators import (
        CoutureEdaOperator,
        CoutureJupyterOperator,
        CoutureModelOperator,
        CouturePySparkOperator,
        CoutureSparkOperator,
        DagOperator,
    )

    return [
        CoutureSparkOperator,
        CouturePySparkOperator,
        CoutureJupyterOperator,
        CoutureEdaOperator,
        CoutureModelOperator,
        DagOperator,
    ]


def described(operator: type) -> list[list[str]]:
    """Return the rows that describe the arguments of an operator."""
    shared = rows(section("operators.md", "Arguments of both")) if "Spark" in operator.__name__ else []
    return [*shared, *rows(section("operators.md", operator.__name__))]


def arguments(operator: type) -> set[str]:
    """Return the arguments that an operator takes beside those of every operator of Airflow."""
    found: set[str] = set()
    for kind in operator.__mro__:
        if kind.__module__.startswith("couture_workflow."):
            found |= set(inspect.signature(kind.__init__).parameters)
    return found - {"self", "args", "kwargs"}


def test_every_argument_of_an_operator_is_documented() -> None:
    for operator in operators():
        documented = {code(name) for name, *_ in described(operator) if name.startswith("`")}

        assert documented >= arguments(operator), operator.__name__
        assert documented <= arguments(operator) | {"task_id", "description", "dag"}, operator.__name__


def test_arguments_that_are_documented_as_templated_are_templated() -> None:
    for operator in operators():
        documented = {code(name) for name, meaning, *_ in described(operator) if "Templated" in meaning}

        assert documented == set(operator.template_fields), operator.__name__


def api_routes() -> Iterator[tuple[str, str, str]]:
    from fastapi.routing import APIRoute

    from couture_workflow.api.app import api_apps
    from couture_workflow.api.auth import declared
    from couture_workflow.web.paths import APIS

    for noun, app in api_apps().items():
        for route in app.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                for method in route.methods:
                    yield method, APIS[noun] + route.path_format, str(declared(route))


def test_every_error_that_a_program_can_get_is_documented_with_its_status() -> None:
    from couture_workflow.web.errors import STATUS

    told = {
        (int(status), error)
        for status, errors, _ in rows(section("rest-api.md", "Errors"))
        if status.isdecimal()
        for error in re.findall(r"`(\w+)`", errors)
    }

    assert {(status, error) for status, error in STATUS.values() if status != 500} <= told


def test_every_route_is_documented_with_its_permission() -> None:
    documented = sorted(
        (code(call).split()[0], code(call).split()[1], permission)
        for call, permission, *_ in rows(text("rest-api.md"))
        if re.match(r"`(GET|PUT|POST|PATCH|DELETE) ", call)
    )

    assert documented == sorted(api_routes())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_and_images_resolve(page: Path) -> None:
    for target in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in {slug(heading) for _, heading in _HEADING.findall(prose(linked))}, target


def test_files_that_contributing_names_exist() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    for name in re.findall(
        r"`((?:couture_workflow|docs|tests|tools|benchmarks|examples|\.ci)/[^`<>]*)`", contributing
    ):
        assert (ROOT / name).exists(), name


def test_the_picture_of_the_nouns_is_what_the_contract_says() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = [each["layers"] for each in contracts["contracts"] if each.get("exhaustive")]
    nouns = section("architecture.md", "Nouns")
    (picture,) = re.findall(r"```\n(.*?)```", nouns, re.DOTALL)

    drawn = [line.split() for line in picture.splitlines()]

    assert drawn == [layer.replace("|", " ").split() for layer in layers]
    assert {code(row[0]) for row in rows(nouns)} == {noun for line in drawn for noun in line}


def test_every_benchmark_is_documented() -> None:
    from benchmarks import NAMES

    for name in NAMES:
        assert f"`{name}`" in text("benchmarks.md"), name


def test_headings_are_in_sentence_case() -> None:
    names = {
        "I",
        "Developer",
        "Airflow",
        "Couture",
        "Workflow",
        "Spark",
        "REST",
        "API",
        "Python",
        "DAG",
        "DAGs",
        "Deployer",
        "Git",
        "CI",
        "JupyterHub",
    }
    for page in (ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")):
        if page.name == "pages.md":
            continue  # its headings are the titles of the pages
        for _, heading in _HEADING.findall(prose(page)):
            words = re.sub(r"`[^`]*`", "", heading).split()[1:]
            capital = [word for word in words if word[:1].isupper() and word.strip(".,:") not in names]
            assert not capital, (page.name, heading)
