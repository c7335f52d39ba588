"""A whole profile: scan after scan over all rows, as few as there can be, and the document that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pyspark import StorageLevel

from . import documents, rows, said, shapes, values
from .columns import Column, aggregate, basics
from .reading import Data
from .shapes import Spread

FORMAT = 1
#: Aggregates in one scan: the code that Spark makes of more does not compile.
_TOGETHER = 400
_ROWS = (-1, "rows")
#: Bytes of CSV or JSON that are kept between scans, so that lines are parsed once.
_KEPT = 20 * 1024**3


@contextmanager
def kept(data: Data) -> Iterator[Data]:
    """Keep the rows of CSV and JSON on the executors, so that no scan has to parse their lines again."""
    is_text = data.reading["format"] in ("csv", "json")
    if not is_text or data.bytes is None or data.bytes > _KEPT:
        yield data
        return
    frame = data.frame.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield replace(data, frame=frame)
    finally:
        frame.unpersist()


def profile(data: Data, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the profile of what was opened; alerts are made where the report is."""
    left_out: list[str] = []
    count, found = _basics(data)
    columns = _documents(data, count, found, left_out)
    said.stage("computing", share=0.75, rows=count, words="Comparing rows")
    document = {
        "format": FORMAT,
        "source": str(request["name"]),
        "kind": "spark",
        "rows": count,
        "bytes": data.bytes,
        "column_count": len(columns),
        "bad": {"count": data.bad["count"], "first": data.bad["first"]},
        "reading": dict(data.reading),
        "duplicates": rows.duplicates(data.frame, data.columns, count, left_out),
        "missing_patterns": rows.missing_patterns(data.frame, data.columns, columns, count),
    }
    said.stage("computing", share=0.85, rows=count, words="Correlating columns")
    document["correlations"] = rows.correlations(data.frame, data.columns, columns, count, left_out)
    shown = [documents.hidden(each) if each["sensitive"] else each for each in columns]
    return {**document, "left_out": left_out, "columns": shown, "alerts": []}


def _basics(data: Data) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of rows, and what the first scan tells of each column."""
    count = 0
    found: list[dict[str, Any]] = []
    for group in _groups(data.columns):
        words = f"Scanning columns {group[0].place + 1} to {group[-1].place + 1}"
        said.stage("computing", share=0.4 * group[0].place / len(data.columns), words=words)
        measures = {(each.place, key): sql for each in group for key, sql in basics(each).items()}
        told = aggregate(data.frame, {_ROWS: "count(1)", **measures})
        count = int(told[_ROWS])
        found += [{key: told[each.place, key] for key in basics(each)} for each in group]
    return count, found


def _groups(columns: Sequence[Column]) -> list[list[Column]]:
    groups: list[list[Column]] = []
    size = _TOGETHER
    for column in columns:
        aggregates = len(basics(column))
        if size + aggregates > _TOGETHER:
            groups.append([])
            size = 0
        groups[-1].append(column)
        size += aggregates
    return groups


def _documents(
    data: Data, count: int, found: Sequence[Mapping[str, Any]], left_out: list[str]
) -> list[dict[str, Any]]:
    """Return each column's part of the profile."""
    columns = [
        documents.document(each, basic, count) for each, basic in zip(data.columns, found, strict=True)
    ]
    grouped, many = values.chosen(data.columns, found, count)
    said.stage("computing", share=0.4, rows=count, words=f"Counting the values of {len(grouped):,} columns")
    finite: dict[int, int] = {}
    for place, told in values.found(data.frame, grouped, len(columns)).items():
        finite[place] = int(told.pop("finite"))
        columns[place] |= told
    said.stage("computing", share=0.55, rows=count, words="Looking for frequent values")
    _many(data, many, columns, found, left_out)
    said.stage("computing", share=0.65, rows=count, words="Making histograms")
    _spread(data, columns, found, finite)
    return columns


def _many(
    data: Data,
    many: Sequence[Column],
    columns: list[dict[str, Any]],
    found: Sequence[Mapping[str, Any]],
    left_out: list[str],
) -> None:
    """Say of columns with many values what can be said without sending each through the network."""
    if not many:
        return
    frequent = values.frequent(data.frame, [each for each in many if not each.sensitive])
    for column in many:
        top = frequent.get(column.place, [])
        rest = documents.finite(column, found[column.place]) - sum(entry["count"] for entry in top)
        columns[column.place] |= {"top": top, "top_exact": False, "rest": max(rest, 0)}
    left_out.append(
        f"Of {_columns(len(many))} with many values the number of distinct ones is an estimate (to about "
        "1 %), and so are the most frequent values: to count each one exactly, all would have to go through "
        "the network."
    )


def _spread(
    data: Data, columns: list[dict[str, Any]], found: Sequence[Mapping[str, Any]], finite: Mapping[int, int]
) -> None:
    """Add histograms and quantiles."""
    spreads = [
        Spread(column, finite.get(column.place, columns[column.place]["distinct"]), column.place in finite)
        for column in data.columns
        if not column.sensitive
        and (column.kind == "number" or column.is_dated)
        and documents.finite(column, found[column.place])
    ]
    if not spreads:
        return
    for place, told in shapes.measures(data.frame, spreads, columns).items():
        columns[place] |= told
    borders = {each.column.place: _borders(each.column, found[each.column.place]) for each in spreads}
    for place, histogram in shapes.histograms(data.frame, spreads, borders).items():
        columns[place]["histogram"] = histogram


def _borders(column: Column, basic: Mapping[str, Any]) -> tuple[float | None, float | None]:
    names = ("position_min", "position_max") if column.is_dated else ("min", "max")
    low, high = (documents.floating(basic[name]) for name in names)
    return low, high


def _columns(count: int) -> str:
    return "one column" if count == 1 else f"{count:,} columns"
