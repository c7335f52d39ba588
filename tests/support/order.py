"""Which tests share a process, which begin first, and which are quick.

Side by side (pytest-xdist), the tests of one file run in one process, and so do all files that use the same
workbench or API server, which takes long to start. The long groups begin first, so that the processes end at
about the same time.

pytest-xdist's own groups (``--dist loadgroup``) are names that it appends to the ids of tests, which it
cannot do with pytest 9.2: hence a scheduler that tells the group by the file.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent.parent
#: Fixtures that one process starts once for all tests that use them.
SHARED = ("workbench", "api_server", "postgresql")
#: Folders whose tests call the API server, also where they do not name the fixture, unless they start one.
OF_THE_API_SERVER = ("api", "browser", "views")
#: Groups in the order in which they begin, by what their tests take; the others follow.
LONGEST = (
    "workbench",
    "api_server",
    "test_cli_backup",
    "test_embedded",
    "test_jupyter_kills",
    "test_examples",
    "test_spark_cluster",
    "test_notebook_session_runs",
    "test_browser_personal_view",
    "test_stray_writes",
    "test_spark_operators",
    "test_dag_sandbox",
    "test_hostile_texts",
    "test_cli_dags",
    "test_class_data",
)
#: A test with one of these markers is not quick.
_NOT_QUICK = ("spark", "browser", "workbench", "compose", "cluster", "slow")


@functools.cache
def group_of(file: str) -> str:
    """Return what the tests of a file share with those of others: the name of a fixture, or of the file.

    :param file: path of the file, relative to the project's folder or absolute.
    """
    path = Path(file) if Path(file).is_absolute() else TESTS.parent / file
    source = path.read_text(encoding="utf-8")
    asked = set(_fixtures(source))
    for name in SHARED:
        if name in asked:
            return name
    has_its_own = any(f"{kind}(" in source for kind in ("ApiServer", "Workbench"))
    calls_it = path.relative_to(TESTS).parts[0] in OF_THE_API_SERVER and not has_its_own
    return "api_server" if calls_it else path.stem


def _fixtures(source: str) -> Iterator[str]:
    """Yield what the tests and the fixtures of a file ask for, and does not make itself."""
    functions = [each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.FunctionDef)]
    fixtures = [each for each in functions if any("fixture" in ast.unparse(d) for d in each.decorator_list)]
    own = {each.name for each in fixtures}
    for function in [*fixtures, *(each for each in functions if each.name.startswith("test_"))]:
        names = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
        yield from names - own


def mark(item: pytest.Item) -> None:
    """Give a test the marker ``quick`` if it is."""
    fixtures: Sequence[str] = getattr(item, "fixturenames", ())
    shared = any(name in fixtures for name in SHARED)
    if not shared and not any(item.get_closest_marker(name) for name in _NOT_QUICK):
        item.add_marker(pytest.mark.quick)


def arrange(items: list[pytest.Item]) -> None:
    """Put the long groups first, and the tests of a group behind each other."""
    ranks = {name: number for number, name in enumerate(LONGEST)}

    def rank(item: pytest.Item) -> tuple[int, str]:
        group = group_of(str(item.path))
        return ranks.get(group, len(ranks)), group

    items.sort(key=rank)  # stable: the order within a group stays


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Return what gives each process its next group."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid.partition("::")[0])

        def remove_node(self, node: Any) -> str | None:
            """Give what a dead process had left to another one, but for the test that it died in."""
            units = self.assigned_work[node].values()
            died_in = next((name for unit in units for name, done in unit.items() if not done), None)
            for unit in units:
                if died_in in unit:
                    unit[died_in] = True
            super().remove_node(node)
            return died_in

    return Groups(config, log)
