"""Run by the data runtime's Python: profiles random tables and prints, as JSON, where pandas says otherwise.

Arguments: the folder of the package ``eda``, the number of tables, the first seed.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

sys.path.insert(0, sys.argv[1])

import duckdb
import numpy
import pandas
import pyarrow
from eda import profile, table
from eda.statistics import grouped_values, sorted_values

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Quiet:
    """A channel that nobody listens to."""

    def stage(self, name: str, **more: Any) -> None:
        """Tell nobody."""

    def warning(self, sentence: str) -> None:
        """Tell nobody."""


def numbers(chance: random.Random) -> tuple[str, Any]:
    """Return a type of numbers and what makes one."""
    few = chance.random() < 0.4
    kind = chance.choice(
        ["BIGINT", "TINYINT", "HUGEINT", "DOUBLE", "DOUBLE", "FLOAT", "DECIMAL(18,3)", "UBIGINT"]
    )
    if kind == "TINYINT":
        return kind, lambda: chance.randint(-128, 127)
    if kind in ("BIGINT", "UBIGINT"):
        low, high = (0 if kind == "UBIGINT" else -5), (5 if few else 10**6)
        return kind, lambda: chance.randint(low, high)
    if kind == "HUGEINT":
        return kind, lambda: chance.randint(-(10**20), 10**20)
    if kind.startswith("DECIMAL"):
        return kind, lambda: Decimal(chance.randint(-9, 9) if few else chance.randint(-(10**9), 10**9)) / 1000
    scale = 10 ** chance.randint(-6, 8)
    shift = chance.choice([0, 0, 1000 * scale])
    odd = chance.random() < 0.4

    def floating() -> float:
        if odd and chance.random() < 0.1:
            return chance.choice([math.nan, math.inf, -math.inf])
        value = float(chance.randint(-3, 3)) if few else chance.gauss(shift, scale)
        return float(numpy.float32(value)) if kind == "FLOAT" else value

    return kind, floating


def others(chance: random.Random) -> tuple[str, Any]:
    """Return a type that is no number and what makes a value."""
    few = chance.random() < 0.6
    kind = chance.choice(["VARCHAR", "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIME"])
    if kind == "VARCHAR":
        words = ["", "a", "A", " a", "\u00fc", "007", "\U0001f600", "\u05d0\u05d1", "NaN", 'it\'s "x"\n']
        return (
            kind,
            lambda: chance.choice(words) if few else chance.choice(words) + str(chance.randint(0, 10**5)),
        )
    if kind == "BOOLEAN":
        return kind, lambda: chance.random() < 0.7
    first, days = date(1, 1, 1), (5 if few else 3_000_000)
    if kind == "DATE":
        return kind, lambda: first + timedelta(days=chance.randint(0, days))
    seconds = 5 if few else 10**10
    if kind == "TIME":
        return kind, lambda: (datetime(2020, 1, 1) + timedelta(seconds=chance.randint(0, 86399))).time()
    return kind, lambda: datetime(1700, 1, 1) + timedelta(seconds=chance.randint(0, seconds), microseconds=7)


def made(seed: int) -> tuple[list[str], list[list[Any]]]:
    """Return the types and the columns of a random table."""
    chance = random.Random(seed)
    rows = chance.choice([0, 1, 2, 3, 4, 20, 500, 3_000])
    types, columns = [], []
    for _ in range(chance.randint(1, 7)):
        kind, maker = chance.choice([numbers, others])(chance)
        lacking = chance.choice([0, 0, 0.1, 0.6, 1])
        types.append(kind)
        columns.append([None if chance.random() < lacking else maker() for _ in range(rows)])
    if rows > 3 and chance.random() < 0.5:
        for column in columns:
            column[: rows // 3] = column[-(rows // 3) :]
    return types, columns


def arrow(kind: str) -> pyarrow.DataType:
    """Return the type in which values come into DuckDB."""
    known = {
        "HUGEINT": pyarrow.decimal128(38, 0),
        "DECIMAL(18,3)": pyarrow.decimal128(18, 3),
        "FLOAT": pyarrow.float32(),
        "DOUBLE": pyarrow.float64(),
        "VARCHAR": pyarrow.string(),
        "BOOLEAN": pyarrow.bool_(),
        "DATE": pyarrow.date32(),
        "TIMESTAMP": pyarrow.timestamp("us"),
        "TIME": pyarrow.time64("us"),
    }
    return known.get(kind, pyarrow.uint64() if kind == "UBIGINT" else pyarrow.int64())


def profiled(types: list[str], columns: list[list[Any]], memory: int) -> dict[str, Any]:
    """Return the profile of a table."""
    connection = duckdb.connect()
    names = [f"c {place}" for place in range(len(types))]
    connection.execute(
        "CREATE TABLE t ("
        + ", ".join(f'"{name}" {kind}' for name, kind in zip(names, types, strict=True))
        + ")"
    )
    listed = [f"c{place}" for place in range(len(types))]
    arrays = [pyarrow.array(values, arrow(kind)) for kind, values in zip(types, columns, strict=True)]
    connection.register("made", pyarrow.table(arrays, names=listed))
    connection.execute("INSERT INTO t SELECT * FROM made")
    request = {"source": {"kind": "file", "name": "random"}, "limits": {"memory": memory}, "sample_rows": 50}
    there = table.Table(connection, "t", table.described(connection, "t"))
    found, _ = profile._of_table(there, request, Quiet())
    json.dumps(found, allow_nan=False)
    connection.close()
    return dict(found)


def same(ours: Any, theirs: Any, tolerance: float = 1e-7) -> bool:
    """Tell whether two numbers agree; null and NaN do."""
    theirs = None if theirs is None or (isinstance(theirs, float) and math.isnan(theirs)) else theirs
    if ours is None or theirs is None:
        return ours is theirs
    if isinstance(ours, str):
        ours = Decimal(ours)
        if isinstance(theirs, int | Decimal):
            return bool(ours == theirs)
    return math.isclose(float(ours), float(theirs), rel_tol=tolerance, abs_tol=1e-9)


def of_column(kind: str, values: list[Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return what differs in a column: key -> ours and theirs."""
    there = [value for value in values if value is not None]
    rest = [value for value in there if not (isinstance(value, float) and math.isnan(value))]
    finite = [value for value in rest if not (isinstance(value, float) and math.isinf(value))]
    wanted: dict[str, Any] = {
        "count": len(there),
        "missing": len(values) - len(there),
        "distinct": pandas.Series(rest, dtype=object).nunique(),
    }
    counts = Counter(finite)
    wanted["rest"] = len(finite) - sum(count for _, count in counts.most_common(20))
    differs = {key: [found[key], value] for key, value in wanted.items() if found[key] != value}
    top = [entry["count"] for entry in found["top"]]
    if top != sorted(counts.values(), reverse=True)[:20]:
        differs["top"] = [top, counts.most_common(20)]
    if kind == "VARCHAR":
        lengths = pandas.Series(there, dtype=object).str.len() if there else None
        theirs = (
            None if lengths is None else {"min": lengths.min(), "max": lengths.max(), "mean": lengths.mean()}
        )
        if (found["lengths"] is None) != (theirs is None) or (
            theirs and any(not same(found["lengths"][key], value) for key, value in theirs.items())
        ):
            differs["lengths"] = [found["lengths"], theirs]
    if kind == "BOOLEAN" and [found["true"], found["false"]] != [there.count(True), there.count(False)]:
        differs["true"] = [found["true"], found["false"]]
    if kind in ("DATE", "TIMESTAMP", "TIME") and there:
        ends = [min(there).isoformat(), max(there).isoformat()]
        if [found["min"], found["max"]] != ends:
            differs["ends"] = [found["min"], found["max"], *ends]
        if kind != "TIME" and sum(found["histogram"]["counts"]) != len(there):
            differs["histogram"] = found["histogram"]
    if kind not in ("VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIME"):
        differs |= of_numbers(there, finite, found)
    return {key: repr(value) for key, value in differs.items()}


def of_numbers(there: list[Any], finite: list[Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return what differs in a column of numbers."""
    floats = pandas.Series([float(value) for value in finite], dtype="float64")
    theirs: dict[str, Any] = {
        "min": min(finite, default=None),
        "max": max(finite, default=None),
        "sum": sum(finite) if finite else None,
        "mean": floats.mean(),
        "std": floats.std(),
        "variance": floats.var(),
        "zeros": finite.count(0),
        "negatives": sum(value < 0 for value in finite),
    }
    small = floats.std() < 1e-4  # pandas takes sums of such differences for zero
    steady = len(finite) > 1 and (small or floats.std() <= abs(floats.mean()) * 1e-9)
    if not steady:
        theirs |= {"skewness": floats.skew(), "kurtosis": floats.kurt()}
    if isinstance(there[0] if there else None, float):
        theirs["nan"] = sum(math.isnan(value) for value in there)
        theirs["infinite"] = sum(math.isinf(value) for value in there)
    differs = {key: [found[key], value] for key, value in theirs.items() if not same(found[key], value, 1e-6)}
    if finite:
        quantiles = floats.quantile(list(QUANTILES)).tolist()
        if not all(
            same(found["quantiles"][str(key)], value) for key, value in zip(QUANTILES, quantiles, strict=True)
        ):
            differs["quantiles"] = [found["quantiles"], quantiles]
        differs |= of_histogram(floats, found["histogram"])
        differs |= of_order(there, floats, found)
        discrete = floats.quantile([share / 100 for share in range(101)], interpolation="lower")
        values = [float(value) for value in found["cdf"]["values"]]
        if values != sorted(values) or not (same(values[0], floats.min()) and same(values[-1], floats.max())):
            differs["cdf"] = [values, discrete.tolist()]
    return differs


def of_order(there: list[Any], floats: pandas.Series[float], found: dict[str, Any]) -> dict[str, Any]:
    """Return what pandas says otherwise of what is told of numbers that are sorted in memory."""
    if "mad" not in found:
        return {}
    mad = (floats - floats.median()).abs().median()
    order = pandas.Series([value for value in there if value == value], dtype=object)
    rising, falling = order.is_monotonic_increasing, order.is_monotonic_decreasing
    strictly = "strictly " if order.is_unique else ""
    wanted = f"{strictly}{'increasing' if rising else 'decreasing'}" if rising != falling else ""
    differs = {} if same(found["mad"], mad, 1e-6) else {"mad": [found["mad"], mad]}
    return differs | ({} if found["monotonic"] == wanted else {"monotonic": [found["monotonic"], wanted]})


def of_histogram(floats: pandas.Series[float], found: dict[str, Any]) -> dict[str, Any]:
    """Return what ``numpy.histogram`` says otherwise with the same edges."""
    counts, _ = numpy.histogram(floats.to_numpy(), bins=numpy.array(found["edges"]))
    return {} if counts.tolist() == found["counts"] else {"histogram": [found, counts.tolist()]}


def of_rows(types: list[str], columns: list[list[Any]], found: dict[str, Any]) -> dict[str, Any]:
    """Return what differs for whole rows."""
    rows = list(zip(*columns, strict=True))
    told = Counter(tuple("nan" if value != value else value for value in row) for row in rows)
    differs: dict[str, Any] = {}
    if found["rows"] != len(rows):
        differs["rows"] = [found["rows"], len(rows)]
    if found["duplicates"] != {"rows": len(rows) - len(told), "exact": True}:
        differs["duplicates"] = [found["duplicates"], len(rows) - len(told)]
    patterns = Counter(tuple(place for place, value in enumerate(row) if value is None) for row in rows)
    ours = {
        tuple(int(name[2:]) for name in each["missing"]): each["rows"] for each in found["missing_patterns"]
    }
    if any(pattern for pattern in patterns) and any(
        patterns[pattern] != count for pattern, count in ours.items()
    ):
        differs["patterns"] = [repr(ours), repr(patterns)]
    return differs | of_correlations(types, columns, found["correlations"])


def of_correlations(
    types: list[str], columns: list[list[Any]], found: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what pandas says otherwise of correlations, of finite values that vary."""
    places = [
        place
        for place, kind in enumerate(types)
        if kind not in ("VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIME")
    ]
    if found is None:
        return {} if len(places) < 2 or not columns[0] else {"correlations": "none"}
    frame = pandas.DataFrame(
        {place: [math.nan if value is None else float(value) for value in columns[place]] for place in places}
    ).replace([math.inf, -math.inf], math.nan)
    theirs = frame.corr().to_numpy()
    differs = {}
    for row, values in enumerate(found["matrix"]):
        for column, value in enumerate(values):
            both = frame.iloc[:, [row, column]].dropna()
            steady = len(both) < 2 or any(both.std(ddof=0) <= both.abs().max() * 1e-6)
            if not steady and not same(value, float(theirs[row][column]), 1e-5):
                differs[f"correlation {row} {column}"] = [value, theirs[row][column]]
    return differs


def main() -> None:
    """Compare and print the differences."""
    differences: list[dict[str, Any]] = []
    first = int(sys.argv[3])
    for seed in range(first, first + int(sys.argv[2])):
        types, columns = made(seed)
        grouped_values._FEW = 20 if seed % 3 else 20_000  # quantiles are read off few values of many rows
        sorted_values._SHARE = 0.2 if seed % 2 else 0.0  # numbers are sorted in memory, or grouped by DuckDB
        found = profiled(types, columns, 512 * 1024**2)
        differs: dict[str, Any] = of_rows(types, columns, found)
        for place, (kind, values) in enumerate(zip(types, columns, strict=True)):
            if wrong := of_column(kind, values, found["columns"][place]):
                differs[f"column {place}: {kind}"] = wrong
        if differs:
            differences.append({"seed": seed, "rows": len(columns[0]), "differs": repr(differs)[:3000]})
    json.dump(differences, sys.stdout)


main()
