"""What the benchmarks print is what they measured."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from benchmarks import NAMES
from benchmarks.measure import Result, in_fresh_process, in_turn, p95, table


@pytest.mark.parametrize(
    ("value", "at_least", "passed"),
    [(0.5, False, True), (0.6, False, True), (0.61, False, False), (0.61, True, True), (0.5, True, False)],
)
def test_a_goal_is_met_from_the_right_side(value: float, at_least: bool, passed: bool) -> None:
    result = Result("figure", "1 s", "2 s", value, 0.6, at_least=at_least)

    assert result.passed is passed


def test_the_table_shows_every_result_with_its_goal() -> None:
    printed = table(
        [Result("start", "1 s", "2 s", 0.5, 0.6), Result("speed", "3 s", "", 0.4, 0.5, "ms", True)]
    )

    assert printed.splitlines() == [
        "| figure | ours | compared with | result  | goal     |      |",
        "|--------|------|---------------|---------|----------|------|",
        "| start  | 1 s  | 2 s           | 0.50 ×  | ≤ 0.6 ×  | pass |",
        "| speed  | 3 s  |               | 0.40 ms | ≥ 0.5 ms | FAIL |",
    ]


def test_both_are_called_in_turn_after_one_warm_up() -> None:
    calls: list[str] = []

    values = in_turn(2, lambda: calls.append("a") or len(calls), lambda: calls.append("b") or len(calls))  # type: ignore[func-returns-value]

    assert "".join(calls) == "ababab"
    assert values == [[3, 5], [4, 6]]


def test_p95_leaves_out_one_in_twenty() -> None:
    assert p95([*range(1, 20), 1000]) == 19


def test_a_measured_process_that_fails_is_no_figure() -> None:
    assert in_fresh_process("import sys; print('noise'); print(sys.argv[1])", "7") == "7"

    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        in_fresh_process("1 / 0")


@pytest.mark.parametrize("name", NAMES)
def test_every_named_benchmark_is_there(name: str) -> None:
    assert find_spec(f"benchmarks.{name}") is not None
