"""Comparisons: drift against scipy and numpy, bounds, what is shown of two outputs."""

from __future__ import annotations

import json
import math
import os
import subprocess
from typing import Any

import pytest

from couture_workflow.exceptions import CorruptError, InvalidError, NotFoundError
from couture_workflow.services.eda import outputs, sources
from couture_workflow.services.eda.comparisons import charts, comparison
from couture_workflow.services.eda.comparisons.comparison import Wish, compare, shown
from couture_workflow.services.eda.comparisons.drift import SMALLEST_SHARE, Drift
from couture_workflow.services.eda.document import Source
from couture_workflow.services.runtimes import installed
from couture_workflow.store.home import Store
from tests.support.eda_profiles import SHARES, add_output, add_source, column, profile

HOSTILE = "a'b\"<&>/../ü\n{{ 7*7 }}"

#: Run in the runtime of data: random columns, their profiles, and what scipy and numpy say of them.
_TRUTH = """
import json, sys
import numpy as np
from scipy.stats import ks_2samp

HUNDREDTHS = np.arange(101) / 100
DECILES = np.arange(1, 10) / 10
SHAPES = {
    "normal": lambda r, n, p: r.normal(p, 1 + p, n),
    "counts": lambda r, n, p: r.poisson(3 + 2 * p, n).astype(float),
    "few values": lambda r, n, p: r.choice([-1.0, 0.0, 7.0], n, p=[0.7 - 0.3 * p, 0.2, 0.1 + 0.3 * p]),
    "long tail": lambda r, n, p: r.lognormal(p, 2, n) * 1e3,
    "a jump": lambda r, n, p: np.where(r.random(n) < 0.4, 0.0, r.normal(p, 1, n)),
    "huge": lambda r, n, p: r.uniform(-1e300, 1e300 * (1 + p), n),
    "times": lambda r, n, p: r.uniform(1.7e9 + 1e6 * p, 1.7e9 + 2e6, n),
}

def column(values, missing):
    ordered = np.sort(values)
    q = np.quantile(ordered, HUNDREDTHS, method="inverted_cdf")
    counts, edges = np.histogram(values / 1e300 if abs(values).max() > 1e200 else values, bins=50)
    if abs(values).max() > 1e200:
        edges = edges * 1e300
    return {"name": "x", "type": "DOUBLE", "kind": "number", "missing": missing, "count": len(values),
            "min": ordered[0], "max": ordered[-1], "nan": 0, "infinite": 0,
            "cdf": {"values": q.tolist(), "shares": HUNDREDTHS.tolist()},
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
            "quantiles": {str(p): float(np.quantile(ordered, p)) for p in (0.05, 0.25, 0.5, 0.75, 0.95)}}

def up_to(values, x): return float(np.mean(values <= x))
def below(values, x): return float(np.mean(values < x))

def parts(old, new, missing):
    cuts = np.unique(np.quantile(old, DECILES, method="inverted_cdf"))
    steps = np.quantile(old, HUNDREDTHS, method="inverted_cdf")
    marks = [(0.0, 0.0)]
    for cut in cuts:
        if np.sum(steps == cut) > 1:
            marks.append((below(old, cut), below(new, cut)))
        marks.append((up_to(old, cut), up_to(new, cut)))
    marks.append((1.0, 1.0))
    there = [len(old) / (len(old) + missing[0]), len(new) / (len(new) + missing[1])]
    found = [[(b[i] - a[i]) * there[i] for i in (0, 1)] for a, b in zip(marks, marks[1:])]
    return [[1 - there[0], 1 - there[1]], *found]

cases = []
r = np.random.default_rng(int(sys.argv[1]))
for name, make in SHAPES.items():
    for n, m in ((3000, 2000), (400, 5000), (37, 53), (1, 8)):
        for p in (0.0, 0.1, 0.8):
            old, new = make(r, n, 0.0), make(r, m, p)
            missing = [int(r.integers(0, n)), int(r.integers(0, m))]
            cases.append({"name": f"{name} {n} {m} {p}", "rows": [n + missing[0], m + missing[1]],
                          "old": column(old, missing[0]), "new": column(new, missing[1]),
                          "ks": float(ks_2samp(old, new, mode="asymp").statistic),
                          "parts": parts(old, new, missing)})
json.dump(cases, sys.stdout)
"""


def drift_of(old: dict[str, Any], new: dict[str, Any], **more: Any) -> Drift:
    [found] = compare(profile(old), profile(new), **more).columns
    return found.drift


def term(before: float, after: float) -> float:
    before, after = max(before, SMALLEST_SHARE), max(after, SMALLEST_SHARE)
    return (after - before) * math.log(after / before)


def bounds(parts: list[list[float]], within: float) -> tuple[float, float]:
    """Return the smallest and the largest PSI of shares that are known so exactly, the first pair wholly."""
    least = most = term(*parts[0])
    for before, after in parts[1:]:
        ends = [
            term(max(before + i * within, 0), max(after + j * within, 0)) for i in (-1, 1) for j in (-1, 1)
        ]
        least += 0.0 if abs(before - after) <= 2 * within else min(ends)
        most += max(ends)
    return least, most


@pytest.fixture(scope="module")
def truth() -> list[dict[str, Any]]:
    environment = {"PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1", "HOME": os.environ.get("HOME", "/")}
    found = subprocess.run(
        [installed.data(), "-I", "-c", _TRUTH, "20261129"], capture_output=True, check=True, env=environment
    )
    cases: list[dict[str, Any]] = json.loads(found.stdout)
    return cases


def test_drift_agrees_with_scipy_and_numpy_within_its_resolution(truth: list[dict[str, Any]]) -> None:
    wrong = []
    for case in truth:
        old, new = (
            profile(case[side], rows=rows) for side, rows in zip(("old", "new"), case["rows"], strict=True)
        )
        [changed] = compare(old, new).columns
        found = changed.drift
        assert found.psi is not None
        assert found.ks is not None
        assert found.resolution == 0.01
        least, most = bounds(case["parts"], 0.011)
        if abs(found.ks - case["ks"]) > 0.021 or not least - 1e-9 <= found.psi <= most + 1e-9:
            wrong.append((case["name"], found.ks, case["ks"], found.psi, least, most))
        if " 3000 2000 " in case["name"]:  # in practice it is much nearer
            exact = sum(term(*pair) for pair in case["parts"])
            assert found.psi == pytest.approx(exact, rel=0.02, abs=0.002), case["name"]
    assert wrong == []
    assert len(truth) == 84


def test_a_histogram_and_quantiles_do_where_there_are_no_hundredths(truth: list[dict[str, Any]]) -> None:
    for case in truth:
        if not case["name"].startswith(("normal 3000", "times 3000")):
            continue
        for side in ("old", "new"):
            del case[side]["cdf"]
        old, new = (
            profile(case[side], rows=rows) for side, rows in zip(("old", "new"), case["rows"], strict=True)
        )
        [changed] = compare(old, new).columns
        assert changed.drift.ks == pytest.approx(case["ks"], abs=0.03)
        assert changed.drift.resolution is not None
        assert 0.01 < changed.drift.resolution < 0.2


def test_what_is_compared_with_itself_has_no_drift(truth: list[dict[str, Any]]) -> None:
    whole = [{**case["old"], "name": str(place)} for place, case in enumerate(truth)]
    whole += [
        column("t", ["a", None, "b", HOSTILE] * 9, "text"),
        column("b", [True, False, None] * 12, "boolean"),
        column("d", ["1789-07-14", "2026-11-29", "12026-01-01"] * 12, "date"),
        column("null", [None] * 36, "empty"),
        column("odd", [math.nan, math.inf, -math.inf, 1.0] * 9),
    ]
    same = profile(*whole, rows=6000)

    found = compare(same, same).columns

    assert {each.drift.psi for each in found} == {0.0}
    assert {each.drift.ks for each in found} <= {0.0, None}
    assert all(each.is_unchanged for each in found)


def test_kolmogorov_smirnov_and_categories_are_symmetric(truth: list[dict[str, Any]]) -> None:
    for case in truth:
        pair = profile(case["old"]), profile(case["new"])
        [there], [back] = compare(*pair).columns, compare(*reversed(pair)).columns
        assert there.drift.ks == back.drift.ks
    old = column("t", ["a"] * 40 + ["b"] * 9 + [None], "text")
    new = column("t", ["a"] * 10 + ["c"] * 30, "text")

    assert drift_of(old, new).psi == pytest.approx(drift_of(new, old).psi)


def test_categories_tell_what_is_new_and_what_vanished() -> None:
    old = column("country", ["de"] * 50 + ["fr"] * 30 + ["<b>"] * 20, "text")
    new = column("country", ["de"] * 50 + ["fr"] * 30 + [HOSTILE] * 15 + ["it"] * 5, "text")

    found = drift_of(old, new)

    assert found.new == ((HOSTILE, 15), ("it", 5))
    assert found.vanished == (("<b>", 20),)
    assert found.psi == pytest.approx(term(0.2, 0) + term(0, 0.15) + term(0, 0.05))
    assert (found.basis, found.at_least, found.level) == ("categories", False, "much")


def test_values_that_are_not_listed_make_the_index_a_lower_bound() -> None:
    words = [f"{number:04}" for number in range(1000)]
    old = column("id", words, "text")
    new = column("id", [word[::-1] + "x" for word in words], "text")

    unique = drift_of(old, new)
    replaced = drift_of(
        column("w", words + ["common"] * 1000, "text"), column("w", words + ["other"] * 1000, "text")
    )

    assert (unique.psi, unique.at_least, unique.knows_new) == (0.0, True, False)
    assert replaced.psi == pytest.approx(2 * term(0.5, 0.0005), rel=0.01)
    assert replaced.new == ()


@pytest.mark.parametrize(
    ("old", "new", "psi", "ks"),
    [
        (column("x", [5.0] * 10), column("x", [5.0] * 99), 0.0, 0.0),
        (column("x", [5.0] * 10), column("x", [4.0] * 10), 2 * term(1, 0), 1.0),
        (column("x", [5.0] * 10), column("x", [6.0] * 10), 2 * term(1, 0), 1.0),
        (column("x", [1.0, None]), column("x", [None, None]), term(0.5, 1) + term(0.5, 0), None),
        (column("x", [None, None], "empty"), column("x", ["a", "a"], "text"), 2 * term(1, 0), None),
        (column("x", [math.nan] * 4), column("x", [math.inf] * 4), 2 * term(1, 0), None),
        (column("x", [True, False], "boolean"), column("x", [True, True], "boolean"), None, None),
        (
            column("x", ["0001-01-01"] * 3, "date"),
            column("x", ["9999-12-31"] * 3, "date"),
            2 * term(1, 0),
            1.0,
        ),
        (
            column("x", ["-0044-03-15"] * 3, "date"),
            column("x", ["99999-12-31"] * 3, "date"),
            2 * term(1, 0),
            1.0,
        ),
        (column("x", [-1.7e308, 1.7e308]), column("x", [1.7e308] * 2), term(0.5, 0) + term(0.5, 1), 0.5),
    ],
    ids=[
        "constant",
        "smaller",
        "larger",
        "all gone",
        "first values",
        "odd",
        "boolean",
        "dates",
        "far",
        "largest",
    ],
)
def test_bounds(old: dict[str, Any], new: dict[str, Any], psi: float | None, ks: float | None) -> None:
    found = drift_of(old, new)

    assert found.psi == pytest.approx(psi if psi is not None else term(0.5, 1) + term(0.5, 0))
    assert found.ks == (None if ks is None else pytest.approx(ks))
    assert json.dumps(charts.chart(old, new, rows=(10, 10)), allow_nan=False)


def test_the_largest_difference_is_found_just_below_a_value() -> None:
    evenly = {"name": "x", "type": "DOUBLE", "kind": "number", "missing": 0, "min": 0, "max": 10}
    evenly["histogram"] = {"edges": [0, 10], "counts": [4]}

    found = drift_of(evenly | {"count": 4, "missing": 0}, column("x", [10.0] * 4))

    assert (found.ks, found.resolution) == (1.0, 1.0)


def test_tables_without_rows_or_columns() -> None:
    nothing, some = profile(column("x", [])), profile(column("x", [1.0]))

    [found] = compare(nothing, some).columns

    assert (found.state, found.drift.psi, found.drift.why) == ("same", None, "The older output has no rows.")
    assert compare(some, nothing).columns[0].drift.why == "The newer output has no rows."
    assert compare(profile(), profile()).columns == ()
    assert compare({}, {"columns": [None, 7], "rows": "no"}).rows == (0, 0)


def test_columns_come_sorted_by_how_much_changed() -> None:
    old = profile(
        column("same", [1.0, 2.0] * 50),
        column("shifted", [float(number) for number in range(100)]),
        column("wider", [7] * 100, type="INTEGER"),
        column("gone", ["a"] * 100, "text"),
        column("kind", [1.0] * 100),
    )
    new = profile(
        column("same", [1.0, 2.0] * 50),
        column("shifted", [float(number + 30) for number in range(100)]),
        column("wider", [7] * 100, type="BIGINT"),
        column("came", ["a"] * 100, "text"),
        column("kind", ["1"] * 100, "text"),
    )

    found = compare(old, new)

    assert [(each.name, each.state) for each in found.columns] == [
        ("gone", "removed"),
        ("came", "added"),
        ("kind", "other kind"),
        ("shifted", "same"),
        ("same", "same"),
        ("wider", "retyped"),
    ]
    assert found.columns[2].drift.why == (
        "It changed from number to text: values of different kinds cannot be compared."
    )
    assert [each.name for each in found.columns if each.is_unchanged] == ["same"]


def test_engines_call_the_same_type_by_other_names() -> None:
    old = profile(
        column("x", [1]), column("t", ["a"], "text"), column("m", ["2026-01-01"], "date", type="TIMESTAMP")
    )
    new = profile(
        column("x", [1], type="double"),
        column("t", ["a"], "text", type="string"),
        column("m", ["2026-01-01"], "date", type="timestamp_ltz"),
        engine="Spark 4.2.1",
    )

    assert {each.state for each in compare(old, new).columns} == {"same"}
    assert compare(old, {**new, "engine": "DuckDB 2.0.0"}).named("retyped") == ("m",)


@pytest.mark.parametrize("where", ["old", "new", "source"])
def test_a_sensitive_column_shows_counts_alone(store: Store, where: str) -> None:
    add_source(store, "orders", sensitive=["x", "t"] if where == "source" else [])
    for side in ("old", "new"):
        marked = {"sensitive": side == where}
        number = 4711 if side == "old" else 9876
        numbers = profile(
            column("x", [number, number + 1, None, None], "number", **marked),
            column("t", [f"secret {side}", f"secret {side}", "b", None], "text", **marked),
        )
        add_output(store, "orders", numbers)

    found = shown(store, "orders", 1, 2, wish=Wish())

    text = json.dumps(found["columns"])
    assert "secret" not in text
    assert "4711" not in text
    assert "9876" not in text
    assert [(each["hidden"], each["basis"], each["psi"]) for each in found["columns"]] == [
        (True, "missing", 0.0)
    ] * 2


def test_many_columns_are_compared_apart_and_shown_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "_SMALL", 0)
    add_source(store, "wide")
    for shift in (0, 3):
        columns = []
        for number in range(120):
            least = number + (shift if number == 99 else 0)
            steps = {"values": list(range(least, least + 101)), "shares": SHARES}
            columns.append(column(f"c{number:03}", [], cdf=steps, min=least, max=least + 100))
        add_output(store, "wide", profile(*columns, rows=100))

    first = shown(store, "wide", 1, 2, wish=Wish(limit=3))
    last = shown(store, "wide", 1, 2, wish=Wish(text="C0", offset=95))

    assert [each["name"] for each in first["columns"]] == ["c099", "c000", "c001"]
    assert (first["total"], first["fitting"], first["drifted"]) == (120, 120, 0)
    assert first["columns"][0]["ks"] == pytest.approx(0.03)
    assert (last["fitting"], [each["name"] for each in last["columns"]]) == (
        100,
        [f"c0{number}" for number in range(94, 99)],
    )


def test_outputs_that_cannot_be_compared(store: Store) -> None:
    add_source(store, "orders")
    with pytest.raises(NotFoundError, match="no two outputs"):
        comparison.two_of(store, "orders", None, None)
    one, two = (add_output(store, "orders", profile(column("x", [1]))) for _ in range(2))
    assert [each.number for each in comparison.two_of(store, "orders", None, None)] == [one, two]
    with pytest.raises(NotFoundError, match="no output 7"):
        comparison.two_of(store, "orders", 7, two)

    path = outputs.file(store, "orders", one, outputs.PROFILE)
    for text in ("{", "[]", '{"format": 2}', "[" * 100_000):
        path.write_text(text)
        with pytest.raises(CorruptError, match="Run the source again"):
            shown(store, "orders", one, two, wish=Wish())
    with pytest.raises(InvalidError, match="only is 'x'"):
        Wish(only="x")


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        (Wish(), ["came", "x", "y"]),
        (Wish(only="changed"), ["came", "x"]),
        (Wish(only="drift"), ["x"]),
        (Wish(only="added"), ["came"]),
        (Wish(only="removed"), []),
        (Wish(text="Y"), ["y"]),
        (Wish(offset=1, limit=1), ["x"]),
    ],
)
def test_what_is_asked_for_is_shown(store: Store, wish: Wish, names: list[str]) -> None:
    add_source(store, "orders")
    add_output(store, "orders", profile(column("x", [1] * 30), column("y", [1] * 30)))
    add_output(
        store, "orders", profile(column("x", [2] * 30), column("y", [1] * 30), column("came", [3] * 30))
    )

    found = shown(store, "orders", 1, 2, wish=wish)

    assert [each["name"] for each in found["columns"]] == names
    assert (found["added"], found["drifted"], found["total"]) == (1, 1, 3)


def test_a_chart_has_common_edges_and_all_of_both() -> None:
    old = column("x", [float(number) for number in range(1000)])
    new = column("x", [float(number) for number in range(500, 1500)] + [1e12])

    drawn = charts.chart(old, new, rows=(1000, 1001))

    assert drawn is not None
    assert (drawn["kind"], drawn["open"], len(drawn["rows"])) == ("bins", True, 20)
    for side in ("old", "new"):
        assert sum(row[side] for row in drawn["rows"]) == pytest.approx(1)
    assert drawn["rows"][0]["label"].startswith("below ")
    assert drawn["rows"][-1]["label"].endswith(" and more")


def test_a_chart_of_values_has_one_bar_for_the_rest() -> None:
    old = column("t", [HOSTILE] * 50 + [str(number) for number in range(30)], "text")
    new = column("t", ["y" * 500] * 80, "text")

    drawn = charts.chart(old, new, rows=(80, 80))

    assert drawn is not None
    labels = [row["label"] for row in drawn["rows"]]
    assert (len(labels), labels[0], labels[1]) == (21, "y" * 120 + "…", HOSTILE)
    assert drawn["rows"][-1] == {"label": "", "others": True, "old": pytest.approx(12 / 80), "new": 0.0}


def test_a_source_that_is_gone_compares_nothing(store: Store) -> None:
    add_source(store, "orders")
    number = add_output(store, "orders", profile(column("x", [1])))
    found: Source = sources.get(store, "orders")
    sources.delete(store, found.name, user="dev", base=None)

    with pytest.raises(NotFoundError):
        shown(store, "orders", number, number, wish=Wish())
