"""Which tests share a process, which begin first, and which are quick.

With pytest-xdist, tests of one group run in one process, one after the other: a group is what shares
something that takes long to start. The long groups begin first, so that the processes end at about the same
time.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

#: Fixtures that one process starts once for all tests that use them, the longest first.
SHARED = ("workbench", "api_server")
#: Modules that take longest, by what their tests took one after the other on two cores; the others follow.
LONGEST = (
    "test_cli_backup",
    "test_embedded",
    "test_spark_cluster",
    "test_dag_sandbox",
    "test_cli_dags",
    "test_upgrade_manual",
    "test_class_data",
)
#: A test with one of these markers is not quick.
_NOT_QUICK = ("spark", "browser", "workbench", "compose", "slow")


def mark(item: pytest.Item) -> None:
    """Give a test its group, and the marker ``quick`` where it is."""
    item.add_marker(pytest.mark.xdist_group(_group(item)))
    if _is_quick(item):
        item.add_marker(pytest.mark.quick)


def arrange(items: list[pytest.Item]) -> None:
    """Put the long groups first."""
    items.sort(key=_rank)  # stable: the order within a group stays


def _group(item: pytest.Item) -> str:
    return next((name for name in SHARED if name in _fixtures(item)), item.path.stem)


def _is_quick(item: pytest.Item) -> bool:
    shared = any(name in _fixtures(item) for name in SHARED)
    return not shared and not any(item.get_closest_marker(name) for name in _NOT_QUICK)


def _rank(item: pytest.Item) -> int:
    order = (SHARED[0], *LONGEST, SHARED[1])
    group = _group(item)
    return order.index(group) if group in order else len(order)


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())
