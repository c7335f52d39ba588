"""How long each group of tests took that ran side by side: by this, ``order.LONGEST`` is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

from tests.support.order import group_of

#: So many groups are told of.
TOLD = 20


def lines(reports: Iterable[object]) -> Iterator[str]:
    """Yield the seconds of each process, and those of the groups that took longest."""
    processes: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    for report in reports:
        if isinstance(report, pytest.TestReport) and (process := getattr(report, "worker_id", "")):
            processes[process] += report.duration
            groups[group_of(report.nodeid.partition("::")[0])] += report.duration
    for name, seconds in [*sorted(processes.items()), *groups.most_common(TOLD)]:
        yield f"{seconds:7.0f} s  {name}"
