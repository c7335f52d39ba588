"""Which tests share a process, which begin first, and which are quick.

Side by side (pytest-xdist), the tests of one file run in one process, and so do all files that use the same
workbench or API server, which takes long to start. The long groups begin first, so that the processes end at
about the same time.

pytest-xdist's own groups (``--dist loadgroup``) are names that it appends to the ids of tests, which it
cannot do with pytest 9.2: hence a scheduler that tells the group by the file.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent.parent
#: Fixtures that one process starts once for all tests that use them.
SHARED = ("workbench", "api_server")
#: Folders whose tests call the API server, also where they do not name the fixture.
OF_THE_API_SERVER = ("api", "browser", "views")
#: Groups in the order in which they begin, by what their tests take; the others follow.
LONGEST = (
    "workbench",
    "test_cli_backup",
    "test_embedded",
    "test_jupyter_kills",
    "test_examples",
    "test_spark_cluster",
    "test_dag_sandbox",
    "test_spark_operators",
    "test_hostile_texts",
    "test_cli_dags",
    "test_class_data",
    "api_server",
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
    for name in SHARED:
        is_own = re.search(rf"^def {name}\(", source, re.MULTILINE)
        if not is_own and re.search(rf"^ *def \w+\([^)]*\b{name}\b", source, re.MULTILINE):
            return name
    folder = path.relative_to(TESTS).parts[0]
    return "api_server" if folder in OF_THE_API_SERVER and "ApiServer(" not in source else path.stem


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
