"""Texts of CSV and lines that cannot be read: what type the values of each column have, over all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

#: Columns whose types are told by one scan.
_TOGETHER = 200

_BIG, _HUGE, _FLOAT, _BOOLEAN, _DATE, _MOMENT, _TEXT = (1 << place for place in range(7))
#: A number that is the same number when it is written again: "007" is a text.
_WHOLE = "-?(0|[1-9][0-9]{0,%d})"
_EXPONENT = "[eE][+-]?[0-9]{1,3}"
_FRACTION = rf"-?((0|[1-9][0-9]*)?[.][0-9]+|(0|[1-9][0-9]*)[.])({_EXPONENT})?|-?(0|[1-9][0-9]*){_EXPONENT}"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?"
#: Which sets of classes make which type; the first that has all of them counts.
_TYPES: tuple[tuple[int, T.DataType], ...] = (
    (_BIG, T.LongType()),
    (_BIG | _HUGE, T.DecimalType(38, 0)),
    (_BIG | _FLOAT, T.DoubleType()),
    (_BOOLEAN, T.BooleanType()),
    (_DATE, T.DateType()),
    (_DATE | _MOMENT, T.TimestampNTZType()),
)


def looked_through(
    frame: DataFrame, names: Sequence[str], *, lost: str
) -> tuple[Mapping[str, T.DataType], int]:
    """Return the type of each column of texts, and how many lines cannot be read.

    :param names: of the columns; those of a frame that has types are not among them.
    :param lost: the column with the text of a line that cannot be read, "" if there is none.
    """
    types: dict[str, T.DataType] = {}
    good = frame.where(F.col(lost).isNull()) if lost else frame
    for start in range(0, len(names), _TOGETHER):
        group = names[start : start + _TOGETHER]
        row = good.selectExpr(*(f"bit_or({_class(name)}) AS {name}" for name in group)).head()
        types |= {name: _type(int(row[name] or 0)) for name in group} if row else {}
    count = _lost_lines(frame, lost) if lost else 0
    return types, count


def typed(name: str, data_type: T.DataType | None) -> Expression:
    """Return a column, cast to the type that its texts have; of no type at all if there is no text."""
    if isinstance(data_type, T.NullType):
        return F.lit(None).alias(name)
    return F.col(name) if data_type is None else F.col(name).cast(data_type).alias(name)


def _lost_lines(frame: DataFrame, lost: str) -> int:
    # Spark refuses a query for this column alone, so another one goes with it.
    others = [name for name in frame.columns if name != lost]
    row = frame.agg(F.count(F.col(lost)).alias("lost"), F.count(F.col(others[0])).alias("other")).head()
    return int(row["lost"]) if row else 0


def _class(text: str) -> str:
    """Return as SQL the class of a text as a bit, null for null."""
    tests = (
        (f"{text} IS NULL", "NULL"),
        (_like(text, _WHOLE % 17), _BIG),
        (_like(text, _WHOLE % 36), _HUGE),
        (_like(text, _FRACTION), _FLOAT),
        (f"lower({text}) IN ('true', 'false')", _BOOLEAN),
        (f"{_like(text, _DAY)} AND CAST({text} AS DATE) IS NOT NULL", _DATE),
        (f"{_like(text, _DAY + _CLOCK)} AND CAST({text} AS TIMESTAMP_NTZ) IS NOT NULL", _MOMENT),
    )
    return f"CASE {' '.join(f'WHEN {test} THEN {made}' for test, made in tests)} ELSE {_TEXT} END"


def _like(text: str, pattern: str) -> str:
    return rf"{text} RLIKE r'\A(?:{pattern})\z'"


def _type(classes: int) -> T.DataType:
    if not classes:
        return T.NullType()
    return next((made for allowed, made in _TYPES if not classes & ~allowed), T.StringType())
