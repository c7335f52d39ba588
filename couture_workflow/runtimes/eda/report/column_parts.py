"""How a column looks in a report: its head, what is there at once, and the tabs of its details."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..statistics.sample import Sample
from . import library, plots, text_words
from .parts import Html, badge, caption, frequencies, html, name_of, of_all, of_sample, share, shown, table

_TYPES = {
    "number": "Real number (&Ropf;)",
    "text": "Text",
    "boolean": "Boolean",
    "date": "Date",
    "datetime": "Date and time",
    "time": "Time",
    "binary": "Binary",
    "nested": "Nested",
    "empty": "Empty",
}
_SMALL, _SHOWN = 5, 20
_QUANTILES = (
    ("0.05", "5-th percentile"),
    ("0.25", "Q1"),
    ("0.5", "median"),
    ("0.75", "Q3"),
    ("0.95", "95-th percentile"),
)


def variable(
    column: dict[str, Any], place: int, *, rows: int, alerts: Sequence[dict[str, str]], sample: Sample
) -> Any:
    """Return the widget of a column.

    :param place: of the column in the table: what its anchors are made of.
    :param alerts: those of this column.
    """
    widgets = library.widgets()
    anchor = f"column{place}"
    info = widgets.VariableInfo(
        anchor_id=anchor,
        var_name=name_of(column),
        var_type=f"{_TYPES.get(column['kind'], 'Text')} &middot; {shown(column['type'])}",
        alerts=[badge(alert["kind"]) for alert in alerts],
        description="Sensitive: values are not shown." if column["sensitive"] else "",
        style=library.settings().html.style,
    )
    top = widgets.Container([info, *_head(column, rows)], sequence_type="grid")
    bottom = None
    if tabs := _tabs(column, anchor, rows, sample):
        details = widgets.Container(tabs, sequence_type="tabs", anchor_id=f"{anchor}bottom")
        bottom = widgets.Collapse(widgets.ToggleButton("More details", anchor_id=anchor), details)
    return widgets.Variable(top, bottom=bottom, ignore=False, anchor_id=anchor, name=name_of(column))


def _head(column: dict[str, Any], rows: int) -> list[Any]:
    exact = "" if column["distinct_exact"] else " (estimated)"
    counts = [
        (f"Distinct{exact}", column["distinct"]),
        (f"Distinct (%){exact}", share(column["distinct"], column["count"])),
        ("Missing", column["missing"]),
        ("Missing (%)", share(column["missing"], rows)),
    ]
    for key, words in (("infinite", "Infinite"), ("nan", "NaN")):
        if column.get(key) is not None:
            counts += [(words, column[key])]
    return [table(counts), table(_numbers(column, rows)), _picture(column)]


def _numbers(column: dict[str, Any], rows: int) -> list[tuple[str, Any]]:
    if column["sensitive"]:
        return _lengths(column)
    if column["kind"] == "number":
        return [
            ("Minimum", column["min"]),
            ("Mean", column["mean"]),
            ("Maximum", column["max"]),
            ("Zeros", column["zeros"]),
            ("Zeros (%)", share(column["zeros"], rows)),
            ("Negative", column["negatives"]),
        ]
    if column["kind"] in ("date", "datetime", "time"):
        return [("Minimum", column["min"]), ("Maximum", column["max"])]
    if column["kind"] == "boolean":
        return [("True", column.get("true")), ("False", column.get("false"))]
    return _lengths(column)


def _lengths(column: dict[str, Any]) -> list[tuple[str, Any]]:
    lengths = column.get("lengths") or {}
    words = (("min", "Min length"), ("mean", "Mean length"), ("max", "Max length"))
    return [(label, lengths.get(key)) for key, label in words if lengths]


def _picture(column: dict[str, Any]) -> Any:
    if histogram := column.get("histogram"):
        return html(plots.histogram(histogram["edges"], histogram["counts"], small=True))
    if not column["top"]:
        return html("")
    return library.widgets().FrequencyTableSmall(_top(column, _SMALL), redact=False)


def _top(column: dict[str, Any], most: int, missing: int = 0) -> list[list[dict[str, Any]]]:
    entries = [(entry["value"], entry["count"]) for entry in column["top"]]
    further = column["rest"] + sum(count for _, count in entries[most:])
    others = column["distinct"] - min(most, len(entries)) if column["distinct_exact"] else None
    return frequencies(
        entries[:most], of=column["count"] + missing, others=(others, further), missing=missing
    )


def _tabs(column: dict[str, Any], anchor: str, rows: int, sample: Sample) -> list[Any]:
    if column["sensitive"] or not column["count"]:
        return []
    tabs = []
    if column["kind"] == "number":
        tabs.append(_statistics(column, anchor, rows))
    if histogram := column.get("histogram"):
        counted = f"{len(histogram['counts'])} bins of equal width. {of_all(rows)}"
        drawing = plots.histogram(histogram["edges"], histogram["counts"])
        tabs.append(html(drawing + caption(counted), name="Histogram", anchor=f"{anchor}histogram"))
    if column["top"]:
        tabs.append(_common(column, anchor, rows))
    if extremes := column.get("extremes"):
        tabs.append(_extremes(extremes, anchor, column))
    if column["kind"] == "text":
        tabs += _length_histogram(column, anchor, rows) + _words(column, anchor, sample)
    return tabs


def _statistics(column: dict[str, Any], anchor: str, rows: int) -> Any:
    quantiles = column.get("quantiles") or {}
    about = of_all(rows) if column["quantiles_exact"] else f"Percentiles are estimates. {of_all(rows)}"
    left = [
        ("Minimum", column["min"]),
        *((label, quantiles.get(key)) for key, label in _QUANTILES),
        ("Maximum", column["max"]),
        ("Range", _difference(column["max"], column["min"])),
        ("Interquartile range (IQR)", _difference(quantiles.get("0.75"), quantiles.get("0.25"))),
    ]
    mean, std = column["mean"], column["std"]
    right = [
        ("Standard deviation", std),
        ("Coefficient of variation (CV)", std / mean if std is not None and mean else None),
        ("Kurtosis", column["kurtosis"]),
        ("Median absolute deviation (MAD)", column.get("mad")),
        ("Mean", mean),
        ("Skewness", column["skewness"]),
        ("Sum", column["sum"]),
        ("Variance", column["variance"]),
        ("Monotonicity", _monotonicity(column)),
    ]
    return library.widgets().Container(
        [
            table(left, name="Quantile statistics", caption=about),
            table(right, name="Descriptive statistics", caption=of_all(rows)),
        ],
        anchor_id=f"{anchor}statistics",
        name="Statistics",
        sequence_type="grid",
    )


def _monotonicity(column: dict[str, Any]) -> str | None:
    """Return how values go on from row to row; None if that was not looked at."""
    found: str | None = column.get("monotonic")
    return "not monotonic" if found == "" else found


def _difference(high: Any, low: Any) -> Any:
    """Return the difference of two numbers of a profile; what is text there stays exact as an integer."""
    if high is None or low is None:
        return None
    try:
        return int(high) - int(low) if isinstance(high, str) or isinstance(low, str) else high - low
    except ValueError:
        return float(high) - float(low)


def _common(column: dict[str, Any], anchor: str, rows: int) -> Any:
    widgets = library.widgets()
    words = of_all(rows) if column["top_exact"] else "Estimated."
    return widgets.Container(
        [
            widgets.FrequencyTable(
                _top(column, _SHOWN, column["missing"]), redact=False, anchor_id=f"{anchor}common_values"
            ),
            html(caption(words)),
        ],
        sequence_type="list",
        name="Common values",
        anchor_id=f"{anchor}common",
    )


def _extremes(extremes: dict[str, Any], anchor: str, column: dict[str, Any]) -> Any:
    widgets = library.widgets()
    tabs = [
        widgets.FrequencyTable(
            frequencies([(entry["value"], entry["count"]) for entry in extremes[key]], of=column["count"]),
            name=words,
            anchor_id=f"{anchor}{key}",
            redact=False,
        )
        for key, words in (("lowest", "Lowest values"), ("highest", "Highest values"))
    ]
    return widgets.Container(
        tabs, sequence_type="tabs", name="Extreme values", anchor_id=f"{anchor}extreme_values"
    )


def _length_histogram(column: dict[str, Any], anchor: str, rows: int) -> list[Any]:
    histogram = column.get("length_histogram")
    if not histogram:
        return []
    drawing = plots.histogram(histogram["edges"], histogram["counts"])
    counted = f"Characters of a value, {len(histogram['counts'])} bins of equal width. {of_all(rows)}"
    return [html(drawing + caption(counted), name="Lengths", anchor=f"{anchor}lengths")]


def _words(column: dict[str, Any], anchor: str, sample: Sample) -> list[Any]:
    found = text_words.of(sample.texts(column["name"]))
    if not found.values:
        return []
    about = of_sample(found.values, column["count"], what="values")
    return [
        _counted("Words", [("Common words", found.words, found.word_count)], f"{anchor}words", about),
        _counted(
            "Characters",
            [
                ("Most occurring characters", found.characters, found.character_count),
                ("Most occurring categories", found.categories, found.character_count),
            ],
            f"{anchor}characters",
            about,
        ),
    ]


def _counted(
    name: str, parts: Sequence[tuple[str, Sequence[tuple[str, int]], int]], anchor: str, about: str
) -> Any:
    widgets = library.widgets()
    items = []
    for place, (words, entries, total) in enumerate(parts):
        items.append(html(f'<h4 class="item-header">{Html(words)}</h4>'))
        rest = (None, total - sum(count for _, count in entries))
        rows = frequencies(entries, of=total, others=rest)
        items.append(widgets.FrequencyTable(rows, redact=False, anchor_id=f"{anchor}{place}"))
    items.append(html(caption(about)))
    return widgets.Container(items, sequence_type="list", name=name, anchor_id=anchor)
