"""The verb ``profile``: ``profile.json`` and ``report.html`` of a source, or of what a cluster computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import computed, opening
from .protocol import EdaError, Messages
from .report import alerts, bad_input, page
from .statistics import associations, correlation, measuring, sample, whole_rows
from .statistics.json_values import text, write
from .statistics.sample import Sample
from .table import Table

#: Rows of a sample where the request does not say, and at most.
_SAMPLE, _MOST = 20_000, 1_000_000
#: Bytes of memory where the request sets no limit.
_MEMORY = 1024**3
_FORMAT = 1
#: Sensitive columns that are named where they are not there, and characters of a name.
_LOST, _NAMED = 5, 200
_NOT_BY_SPARK = (
    "Spark tells no median absolute deviation, no monotonicity, no histogram of lengths and no list of "
    "duplicate rows."
)


def made(request: Mapping[str, Any], folder: Path, channel: Messages) -> dict[str, Any]:
    """Make the profile and the report in ``folder`` and return the summary.

    :raises EdaError: if the source cannot be read, or changed meanwhile.
    """
    source = request["source"]
    if source.get("kind") == "computed":
        profile, taken = _computed(source, request)
    else:
        profile, taken = _profiled(request, folder, channel)
    if sentence := _not_found(profile, request):
        profile["left_out"] = [*profile["left_out"], sentence]
        channel.warning(sentence)
    write(folder / "profile.json", profile)
    channel.stage("rendering", share=0.9, rows=profile["rows"], words="Making the report")
    page.write(profile, taken, folder / "report.html", on_warning=channel.warning)
    channel.stage("rendering", share=1.0, rows=profile["rows"], words="Done")
    return _summary(profile)


def _not_found(profile: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """Return "" or the sentence that there are sensitive columns which the data does not have."""
    lost = sorted(set(request.get("sensitive") or ()).difference(each["name"] for each in profile["columns"]))
    if not lost:
        return ""
    named = ", ".join(repr(name[:_NAMED]) for name in lost[:_LOST]) + (" and others" if lost[_LOST:] else "")
    return (
        f"The data has no column {named}, though the source says that it is sensitive. If it has another "
        "name now, its values are in this report: mark the column under that name."
    )


def _summary(profile: Mapping[str, Any]) -> dict[str, Any]:
    cells = profile["rows"] * profile["column_count"]
    missing = sum(column["missing"] for column in profile["columns"])
    return {
        "rows": profile["rows"],
        "columns": profile["column_count"],
        "bytes": profile["bytes"],
        "missing_share": missing / cells if cells else 0.0,
        "duplicates": profile["duplicates"]["rows"],
        "alerts": len(profile["alerts"]),
        "bad": profile["bad"].get("count"),
        "sample_rows": profile["sample"]["rows"],
    }


def _computed(source: Mapping[str, Any], request: Mapping[str, Any]) -> tuple[dict[str, Any], Sample]:
    profile: dict[str, Any] = json.loads(Path(source["profile"]).read_text("utf-8"))
    if profile.get("format") != _FORMAT:
        raise EdaError(f"A profile of format {_FORMAT} is needed, this one has {profile.get('format')!r}.")
    first = [_bad_line(line, request) for line in profile["bad"].get("first") or ()]
    profile["bad"] = {**profile["bad"], "first": first}
    profile["about"] = {**profile.get("about", {}), **dict(request.get("about") or {})}
    taken = computed.sample(Path(source["sample"]), rows=profile["rows"], columns=profile["columns"])
    profile["sample"] = {"method": "random", **profile.get("sample", {}), "rows": taken.size, "of": taken.of}
    profile["associations"] = associations.of(taken, profile["columns"])
    profile["left_out"] = [*profile.get("left_out", ()), _NOT_BY_SPARK]
    if not profile.get("alerts"):
        profile["alerts"] = alerts.of(profile)
    return profile, taken


def _profiled(request: Mapping[str, Any], folder: Path, channel: Messages) -> tuple[dict[str, Any], Sample]:
    limits = request.get("limits") or {}
    with opening.open_table(request["source"], folder, limits, channel) as table:
        profile, taken = _of_table(table, request, channel)
        if sentence := table.changed():
            raise EdaError(sentence, code="changed")
    return profile, taken


def _of_table(table: Table, request: Mapping[str, Any], channel: Messages) -> tuple[dict[str, Any], Sample]:
    sensitive = frozenset(request.get("sensitive") or ())
    memory = int((request.get("limits") or {}).get("memory") or _MEMORY)
    left_out: list[str] = []
    rows, documents = measuring.columns(table, sensitive, memory=memory, channel=channel, left_out=left_out)
    columns = measuring.measured(table, sensitive)
    channel.stage("computing", share=0.8, rows=rows, words="Comparing rows")
    duplicates = whole_rows.duplicates(table, columns, rows, left_out)
    repeated = whole_rows.most_repeated(table, columns, duplicates, left_out)
    patterns = whole_rows.missing_patterns(table, columns, documents, rows, left_out)
    channel.stage("computing", share=0.85, rows=rows, words="Correlating columns")
    correlations = correlation.pearson(table, columns, documents, rows, left_out)
    channel.stage("sampling", share=0.88, rows=rows, words="Taking a sample")
    asked = min(int(request.get("sample_rows") or _SAMPLE), _MOST)
    taken = sample.taken(table, columns, documents, rows=rows, asked=asked)
    if taken.size < min(asked, rows):
        left_out.append(
            f"The sample has {taken.size:,} rows, not {asked:,}: the table has {len(columns):,} columns."
        )
    profile = _document(table, request, rows, documents)
    profile |= {
        "duplicates": duplicates,
        "duplicate_rows": repeated,
        "sample": {"rows": taken.size, "of": rows, "method": "reservoir"},
        "left_out": left_out,
        "correlations": correlations,
        "missing_patterns": patterns,
        "associations": associations.of(taken, documents),
    }
    profile["alerts"] = alerts.of(profile)
    return profile, taken


def _document(
    table: Table, request: Mapping[str, Any], rows: int, documents: list[dict[str, Any]]
) -> dict[str, Any]:
    import duckdb

    source = request["source"]
    about = dict(request.get("about") or {})
    name = about.get("source") or source.get("name") or source.get("table") or source["kind"]
    first = [_bad_line(line, request) for line in table.bad.get("first", ())]
    return {
        "format": _FORMAT,
        "source": str(name),
        "kind": source["kind"],
        "engine": f"DuckDB {duckdb.__version__}",
        "about": about,
        "rows": rows,
        "bytes": table.bytes,
        "column_count": len(documents),
        "bad": {"count": table.bad.get("count"), "first": first},
        "reading": dict(table.reading),
        "columns": documents,
    }


def _bad_line(line: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line that could not be read; its words may be values, so only if no column is sensitive."""
    if request.get("sensitive"):
        hidden = bad_input.words(request["source"]).hidden
        return {"line": line.get("line"), "reason": hidden, "text": ""}
    return {**line, "text": text(line.get("text")), "reason": text(line.get("reason"))}
