"""Columns and, as SQL, their statistics: those that one scan over all rows tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, functions
from pyspark.sql import types as T

#: A column's place, and what is measured of it.
Key = tuple[int, str]
INFINITY = "CAST('Infinity' AS DOUBLE)"
_LONGEST = 1_000
#: Words that begin what Spark calls a type -> kind.
_KINDS = {
    "void": "empty",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "datetime",
    "time": "time",
    "binary": "binary",
    "array": "nested",
    "struct": "nested",
    "map": "nested",
    "variant": "nested",
}


@dataclass(frozen=True)
class Column:
    """One column.

    :param place: its number; in the frame it is called c and this number.
    :param name: what people call it.
    """

    place: int
    name: str
    data_type: T.DataType
    sensitive: bool = False

    @property
    def type(self) -> str:
        """Return what Spark calls its type."""
        return str(self.data_type.simpleString())[:_LONGEST]

    @property
    def kind(self) -> str:
        """Return what reports tell columns apart by."""
        return kind_of(self.data_type)

    @property
    def inner(self) -> str:
        """Return its name in the frame."""
        return f"c{self.place}"

    @property
    def is_float(self) -> bool:
        """Tell whether values can be NaN or infinite."""
        return isinstance(self.data_type, T.FloatType | T.DoubleType)

    @property
    def is_dated(self) -> bool:
        """Tell whether values are days or points in time."""
        return self.kind in ("date", "datetime")

    @property
    def value(self) -> str:
        """Return the value as SQL; the text of what is shown as text; of floats a double, never -0.0."""
        if self.is_float:
            return f"(CAST({self.inner} AS DOUBLE) + 0.0D)"
        if self.kind == "text" and not isinstance(self.data_type, T.StringType):
            return f"CAST({self.inner} AS STRING)"
        return self.inner

    @property
    def finite(self) -> str:
        """Return the value, or null where it is NaN, which Spark puts above all numbers, or infinite."""
        return (
            f"CASE WHEN abs({self.value}) < {INFINITY} THEN {self.value} END" if self.is_float else self.value
        )

    @property
    def text(self) -> str:
        """Return what values are told apart by and shown as; null where it is NaN."""
        if self.kind == "nested" and not isinstance(self.data_type, T.VariantType):
            return f"to_json({self.inner}, map('ignoreNullFields', 'false'))"
        if self.kind == "binary":
            return f"base64({self.inner})"
        if self.is_float:
            return f"CASE WHEN NOT isnan({self.inner}) THEN CAST({self.value} AS STRING) END"
        return f"CAST({self.value} AS STRING)"

    @property
    def position(self) -> str:
        """Return a number, a day (since 1970) or a point in time (microseconds since 1970) as a number."""
        if self.kind == "date":
            return f"CAST(unix_date({self.inner}) AS DOUBLE)"
        if self.kind == "datetime":
            return f"CAST(unix_micros(CAST({self.inner} AS TIMESTAMP)) AS DOUBLE)"
        return f"CAST({self.finite} AS DOUBLE)"


def kind_of(data_type: T.DataType) -> str:
    """Return the kind of a type."""
    if isinstance(data_type, T.NumericType):
        return "number"
    word = data_type.simpleString().partition("(")[0].partition("<")[0].partition("_")[0].partition(" ")[0]
    return _KINDS.get(word, "text")


def basics(column: Column) -> dict[str, str]:
    """Return what the first scan tells of a column: key -> aggregate."""
    found = {"count": f"count({column.inner})"}
    if column.kind not in ("empty", "boolean"):
        found["distinct"] = _about_distinct(column.text)
    if column.kind in _BY_KIND:
        found |= _BY_KIND[column.kind](column)
    return found


def _of_numbers(column: Column) -> dict[str, str]:
    finite = column.finite
    found = {
        "min": f"min({finite})",
        "max": f"max({finite})",
        "mean": f"avg(CAST({finite} AS DOUBLE))",
        "sum": f"sum({_summable(column)})",
        "zeros": f"count_if({finite} = 0)",
        "negatives": f"count_if({finite} < 0)",
    }
    if column.is_float:
        found["nan"] = f"count_if(isnan({column.inner}))"
        found["infinite"] = f"count_if(abs({column.value}) = {INFINITY})"
    return found


def _summable(column: Column) -> str:
    """Return the value in a type whose sums are exact, if there is one."""
    if column.is_float:
        return column.finite
    scale = column.data_type.scale if isinstance(column.data_type, T.DecimalType) else 0
    return f"CAST({column.inner} AS DECIMAL(38, {scale}))"


def _of_times(column: Column) -> dict[str, str]:
    found = {name: f"CAST({name}({column.inner}) AS STRING)" for name in ("min", "max")}
    if column.is_dated:
        found |= {f"position_{name}": f"{name}({column.position})" for name in ("min", "max")}
    return found


def _of_texts(column: Column) -> dict[str, str]:
    names = {"min": "min", "max": "max", "mean": "avg"}
    return {f"length_{name}": f"{function}(char_length({column.value}))" for name, function in names.items()}


def _of_booleans(column: Column) -> dict[str, str]:
    return {"true": f"count_if({column.inner})", "false": f"count_if(NOT {column.inner})"}


def _of_others(column: Column) -> dict[str, str]:
    return {"length_max": f"max(octet_length({column.text}))"}


_BY_KIND = {
    "number": _of_numbers,
    "date": _of_times,
    "datetime": _of_times,
    "time": _of_times,
    "text": _of_texts,
    "boolean": _of_booleans,
    "binary": _of_others,
    "nested": _of_others,
}


def _about_distinct(text: str) -> str:
    """Return how many values there are, to about 1 %; a sketch is one buffer, where Spark has it (3.5)."""
    if hasattr(functions, "hll_sketch_agg"):
        return f"hll_sketch_estimate(hll_sketch_agg(xxhash64({text}), 14))"
    return f"approx_count_distinct({text}, 0.01)"


def aggregate(frame: DataFrame, measures: Mapping[Key, str]) -> dict[Key, Any]:
    """Return what one scan over all rows finds."""
    if not measures:
        return {}
    # As texts: an expression that is put together call by call takes longer than its scan.
    found = frame.selectExpr(*(f"{sql} AS a{place}" for place, sql in enumerate(measures.values()))).head()
    return dict(zip(measures, found or (), strict=bool(found)))
