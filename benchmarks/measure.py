"""What the benchmarks share: a result, rounds in turn (A B A B), fresh processes and the printed table."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class Result:
    """One figure beside its goal.

    :param ours: what was measured of us, in words.
    :param other: what it is compared with, in words.
    :param value: the figure that the goal is about.
    :param unit: "×" for a ratio, else "s", "ms", "%" or "MiB".
    :param at_least: the goal is a lower bound instead of an upper one.
    """

    figure: str
    ours: str
    other: str
    value: float
    goal: float
    unit: str = "×"
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Tell whether the goal is met."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        sign = "≥" if self.at_least else "≤"
        return (
            self.figure,
            self.ours,
            self.other,
            f"{self.value:.2f} {self.unit}",
            f"{sign} {self.goal:g} {self.unit}",
            "pass" if self.passed else "FAIL",
        )


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table with even columns."""
    rows = [
        ("figure", "ours", "compared with", "result", "goal", ""),
        *(result.cells() for result in results),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def in_turn(rounds: int, *calls: Callable[[], Value]) -> list[list[Value]]:
    """Call each once to warm up, then all in turn, ``rounds`` times; return the values of each."""
    for call in calls:
        call()
    values: list[list[Value]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, series in zip(calls, values, strict=True):
            series.append(call())
    return values


def p95(values: Sequence[float]) -> float:
    """Return the value that 95 % of the values do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]


def in_fresh_process(code: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Run Python code in a process of its own and return the last line that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"the measured process failed ({done.returncode}):\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def memory_size() -> int:
    """Return the size of this machine's memory in GiB."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
