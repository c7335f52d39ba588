"""The SQL expressions of a column's statistics, by the kind of the column."""

from __future__ import annotations

from dataclasses import dataclass

from ..table import Column, quoted

#: Texts of more bytes than this are told apart by a hash.
LONG = 4_096
#: Characters of a value that are kept.
SHOWN = 1_000

_FLOATS = ("FLOAT", "DOUBLE", "REAL")
_NANOSECONDS = ("TIMESTAMPTZ_NS", "TIMESTAMP_NS WITH TIME ZONE")


@dataclass(frozen=True)
class Measured:
    """A column with its place in the table and whether its values must not be shown.

    :param alias: its name where it was copied to; "" where the table itself is read.
    """

    place: int
    column: Column
    sensitive: bool = False
    alias: str = ""

    @property
    def kind(self) -> str:
        """The column's kind."""
        return self.column.kind

    @property
    def sql(self) -> str:
        """The column as an SQL expression.

        Texts of other types (UUID, ENUM, INTERVAL) are texts, and nanoseconds with a zone are those of UTC:
        DuckDB has hardly a function for them.
        """
        name = quoted(self.alias or self.column.name)
        if self.column.type.upper() in _NANOSECONDS:
            return f"{name}::TIMESTAMP_NS"
        if self.kind == "text" and self.column.type.upper() != "VARCHAR":
            return f"{name}::VARCHAR"
        return name

    @property
    def is_float(self) -> bool:
        """Whether the values can be NaN or infinite."""
        return self.kind == "number" and self.column.type.upper().startswith(_FLOATS)

    @property
    def is_dated(self) -> bool:
        """Whether the values are days or points in time."""
        return self.kind in ("date", "datetime")

    @property
    def finite(self) -> str:
        """The value, or null where it is NaN or infinite."""
        if self.is_float or self.is_dated:
            value = self.sql if self.is_float or self.kind == "date" else f"{self.sql}::TIMESTAMP"
            return f"CASE WHEN isfinite({value}) THEN {value} END"
        return self.sql

    @property
    def bytes(self) -> str:
        """The size of a value in bytes."""
        return f"octet_length({self.sql})" if self.kind == "binary" else f"strlen({self.sql}::VARCHAR)"


def basics(measured: Measured) -> dict[str, str]:
    """Return what one scan over the rows tells of a column: key of the statistics -> aggregate."""
    column, finite = measured.sql, measured.finite
    found = {"count": f"count({column})"}
    if measured.kind in ("text", "nested", "binary"):
        found["max_bytes"] = f"max({measured.bytes})"
    if measured.kind == "text":
        found |= {f"length_{name}": f"{name}(length({column}))" for name in ("min", "max", "avg")}
    if measured.kind == "boolean":
        found |= {"true": f"count(*) FILTER ({column})", "false": f"count(*) FILTER (NOT {column})"}
    if measured.is_float:
        found |= {
            "nan": f"count(*) FILTER (isnan({column}))",
            "infinite": f"count(*) FILTER (isinf({column}))",
        }
    if measured.is_dated:
        found["infinite"] = f"count({column}) - count({finite})"
    if measured.is_dated or measured.kind == "time":
        found |= {"min": f"min({finite})::VARCHAR", "max": f"max({finite})::VARCHAR"}
    if measured.kind == "number":
        found |= {
            "min": f"min({finite})",
            "max": f"max({finite})",
            "mean": f"avg({finite})",
            "sum": f"{'fsum' if measured.is_float else 'sum'}({finite})",
            "finite": f"count({finite})",
            "zeros": f"count(*) FILTER ({finite} = 0)",
            "negatives": f"count(*) FILTER ({finite} < 0)",
        }
    return found


def cautious(measured: Measured) -> dict[str, str]:
    """Return :func:`basics` for a column whose sums are beyond its type: as floating-point numbers."""
    found = basics(measured)
    if measured.kind == "number":
        value = f"({measured.finite})::DOUBLE"
        found |= {"mean": f"favg({value})", "sum": f"fsum({value})"}
    return found


def key(measured: Measured, max_bytes: int) -> str:
    """Return what a column's values are told apart by."""
    if max_bytes > LONG:
        if measured.kind == "binary":
            return f"md5({measured.sql})"
        text = f"{measured.sql}::VARCHAR"
        cut = f"left({text}, {SHOWN + 1}) || md5({text})"
        return f"CASE WHEN strlen({text}) > {LONG} THEN {cut} ELSE {text} END"
    return measured.sql


def present(measured: Measured) -> str:
    """Return the condition that a row has a value that counts as one: neither null nor NaN."""
    condition = f"{measured.sql} IS NOT NULL"
    return f"{condition} AND NOT isnan({measured.sql})" if measured.is_float else condition


def position(measured: Measured, value: str) -> str:
    """Return a number, a day or a point in time as a number on the axis of a histogram."""
    if measured.kind == "date":
        return f"({value} - DATE '1970-01-01')::DOUBLE"
    if measured.kind == "datetime":
        return f"epoch_us({value})::DOUBLE"
    return f"{value}::DOUBLE"


def moment(measured: Measured, place: str) -> str:
    """Return a number on the axis of a histogram as the text of a day or a point in time."""
    if measured.kind == "date":
        return f"(DATE '1970-01-01' + floor({place})::INTEGER)::VARCHAR"
    return f"make_timestamp({place}::BIGINT)::VARCHAR"
