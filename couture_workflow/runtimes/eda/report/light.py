"""The light report: the same sections for thousands of columns, written piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

from ..statistics.sample import Sample
from . import bad_input, full, pairs, plots
from .alerts import percent
from .parts import NOTHING, grid, of_all, of_sample

_HERE = Path(__file__).parent
#: Alerts, columns of the sample and of correlations that are shown.
_ALERTS, _SAMPLED, _CORRELATED = 1_000, 100, 60
_TOP = 5
#: Columns up to which each has its histogram.
_DRAWN = 1_000


def write(profile: dict[str, Any], sample: Sample, path: Path) -> None:
    """Write the light report of a profile as one page of HTML without a script."""
    style = (_HERE / "light.css").read_text("utf-8")
    with path.open("w", encoding="utf-8") as page:
        page.write(
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{full.TITLE}</title><style>{style}</style></head><body>"
        )
        for part in _parts(profile, sample):
            page.write(part)
        page.write("</body></html>\n")


def _parts(profile: dict[str, Any], sample: Sample) -> Iterator[str]:
    rows = profile["rows"]
    yield f"<header><h1>{full.TITLE}</h1><p>{escape(profile['source'])}</p></header><main>"
    yield _section("overview", "Overview", _overview(profile))
    yield _section("alerts", f"Alerts ({len(profile['alerts']):,})", _alerts(profile))
    words = of_all(rows)
    if profile["column_count"] > _DRAWN:
        words += f" Histograms are drawn of the first {_DRAWN:,} columns; all are in the JSON of this output."
    yield f'<section id="variables"><h2>Variables</h2><p class="caption">{escape(words)}</p>'
    for place, column in enumerate(profile["columns"]):
        yield _column(column, place, rows)
    yield "</section>"
    drawn = pairs.scatters(profile, sample)
    if drawn:
        yield _section("interactions", "Interactions", "".join(drawing for _, _, drawing in drawn))
    maps = "".join(drawing for _, _, drawing in pairs.maps(profile))
    yield _section("correlations", "Correlations", _correlations(profile) + maps)
    yield _section("missing", "Missing values", _missing(profile))
    words = f"<p>{escape(full.duplicates(profile))}</p>"
    yield _section("duplicates", "Duplicate rows", words + full.repeated(profile))
    yield _section("sample", "Sample", _sample(profile, sample))
    yield "</main>"


def _section(anchor: str, name: str, content: str) -> str:
    return f'<section id="{anchor}"><h2>{escape(name)}</h2>{content}</section>'


def _overview(profile: dict[str, Any]) -> str:
    numbers = [(label, _plain(value)) for label, value in full.statistics(profile)]
    kinds = [(label, _plain(value)) for label, value in full.types(profile)]
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in full.method(profile))
    content = grid(("", ""), numbers) + grid(("Variable types", ""), kinds)
    content += grid(("Source", ""), full.source(profile)) + f"<ul>{sentences}</ul>"
    if bad := bad_input.rows(profile):
        words = bad_input.words(profile)
        content += f"<p>{words.first}</p>" + grid((words.place, "Reason", "Text"), bad)
    return content


def _plain(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.8g}"


def _alerts(profile: dict[str, Any]) -> str:
    rows = [
        (alert["column"], alert["message"], alert["kind"].replace("_", " "))
        for alert in islice(profile["alerts"], _ALERTS)
    ]
    more = len(profile["alerts"]) - len(rows)
    words = f"<p>{more:,} more alerts are in the JSON of this output.</p>" if more > 0 else ""
    return (grid(("Column", "Alert", "Kind"), rows) if rows else "<p>None.</p>") + words


def _column(column: dict[str, Any], place: int, rows: int) -> str:
    facts = "".join(f"<dt>{label}</dt><dd>{_fact(value)}</dd>" for label, value in _facts(column, rows))
    histogram, drawing = column.get("histogram"), ""
    if histogram and place < _DRAWN:
        drawing = plots.histogram(histogram["edges"], histogram["counts"], small=True)
    note = "<em>Sensitive: values are not shown.</em>" if column["sensitive"] else ""
    return (
        f'<article id="column{place}"><h3>{escape(column["name"]) or "(no name)"} '
        f"<small>{escape(column['type'])}</small></h3>{note}<div><dl>{facts}</dl>{drawing}{_top(column)}</div></article>"
    )


def _facts(column: dict[str, Any], rows: int) -> Iterator[tuple[str, Any]]:
    estimated = "" if column["distinct_exact"] else " (estimated)"
    yield "Missing", f"{column['missing']:,} ({percent(column['missing'] / rows)})" if rows else 0
    yield f"Distinct{estimated}", column["distinct"]
    for key, label in (
        ("min", "Minimum"),
        ("mean", "Mean"),
        ("max", "Maximum"),
        ("std", "Standard deviation"),
        ("mad", "Median absolute deviation"),
    ):
        if column.get(key) is not None:
            yield label, column[key]
    estimated = "" if column["quantiles_exact"] else " (estimated)"
    for key, value in (column.get("quantiles") or {}).items():
        yield f"{float(key):.0%}{estimated}", value
    for key, label in (
        ("zeros", "Zeros"),
        ("negatives", "Negative"),
        ("infinite", "Infinite"),
        ("nan", "NaN"),
    ):
        if column.get(key):
            yield label, column[key]
    for key, label in (("true", "True"), ("false", "False")):
        if column.get(key) is not None:
            yield label, column[key]
    if column.get("monotonic"):
        yield "Goes", column["monotonic"]
    for key, value in (column.get("lengths") or {}).items():
        yield f"Length: {key}", value


def _fact(value: Any) -> str:
    plain = _plain(value)
    return NOTHING if plain is None else escape(plain)


def _top(column: dict[str, Any]) -> str:
    entries = column["top"][:_TOP]
    if not entries or column.get("histogram"):
        return ""
    rows = [(entry["value"], f"{entry['count']:,}") for entry in entries]
    rest = column["rest"] + sum(entry["count"] for entry in column["top"][_TOP:])
    if rest:
        rows.append(("Other values", f"{rest:,}"))
    return grid(("Common values", "Count"), rows)


def _correlations(profile: dict[str, Any]) -> str:
    found = profile.get("correlations")
    if not found:
        return "<p>There are no two numeric columns.</p>"
    names = found["columns"][:_CORRELATED]
    matrix = [row[:_CORRELATED] for row in found["matrix"][:_CORRELATED]]
    words = of_all(found["rows"]) if found["exact"] else of_sample(found["rows"], profile["rows"])
    if len(found["columns"]) > len(names):
        words += f" The first {len(names)} columns; {len(found['columns'])} are in the JSON of this output."
    return f"{plots.correlations(names, matrix)}<p>Pearson's r. {escape(words)}</p>"


def _missing(profile: dict[str, Any]) -> str:
    if not profile["missing_patterns"]:
        return "<p>Nothing is missing.</p>"
    return grid(("Missing together", "Rows", "Rows (%)"), full.pattern_rows(profile))


def _sample(profile: dict[str, Any], sample: Sample) -> str:
    if not sample.size:
        return "<p>No rows are shown.</p>"
    names = sample.names[:_SAMPLED]
    rows = sample.first(full.SHOWN_ROWS, names)
    words = f"{of_sample(len(rows), profile['rows'])} {len(names):,} of {len(sample.names):,} columns."
    return f"{grid(names, rows)}<p>{escape(words)}</p>"
