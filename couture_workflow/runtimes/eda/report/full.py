"""The report in the library's look: overview, columns, correlations, missing values, duplicates, sample."""

from __future__ import annotations

from html import escape
from typing import Any

from ..statistics.sample import Sample
from . import bad_input, column_parts, library, pairs, plots
from .alerts import percent
from .parts import badge, caption, grid, html, name_of, of_all, of_sample, shown, table

TITLE = "Exploratory data analysis"
#: Columns of the sample that are shown, rows of it; columns up to which correlations are a table too.
_SHOWN_COLUMNS, SHOWN_ROWS, _TABLE = 50, 20, 30
#: Columns whose missing values are drawn.
_DRAWN = 100


def made(profile: dict[str, Any], sample: Sample) -> str:
    """Return the report of a profile as a page of HTML."""
    widgets = library.widgets()
    sections = [_overview(profile), *_variables(profile, sample)]
    sections += _interactions(profile, sample)
    for section in (_correlations, _missing, _duplicates):
        sections += section(profile)
    sections += _sample(profile, sample)
    body = widgets.Container(sections, name="Root", sequence_type="sections", full_width=False)
    footer = html("Made by Couture Workflow with parts of fg-data-profiling.")
    root = widgets.Root("Root", body, footer, style=library.settings().html.style)
    return library.rendered(root, title=TITLE, date=escape(str(profile["about"].get("when", ""))))


def _overview(profile: dict[str, Any]) -> Any:
    widgets = library.widgets()
    tabs = [
        widgets.Container(
            [
                table(statistics(profile), name="Dataset statistics"),
                table(types(profile), name="Variable types"),
            ],
            anchor_id="dataset_overview",
            name="Overview",
            sequence_type="grid",
        )
    ]
    if profile["alerts"]:
        words = f"Alerts ({len(profile['alerts'])})"
        tabs.append(html(_alerts(profile), name=words, anchor="alerts"))
    tabs.append(html(_source(profile), name="Source", anchor="source"))
    tabs.append(html(_method(profile), name="What is exact", anchor="method"))
    return widgets.Container(
        tabs, sequence_type="overview_tabs", name="Overview", anchor_id="overview", oss=False
    )


def statistics(profile: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what the overview tells of the table."""
    cells = profile["rows"] * profile["column_count"]
    missing = sum(column["missing"] for column in profile["columns"])
    duplicates = profile["duplicates"]
    found: list[tuple[str, Any]] = [
        ("Number of variables", profile["column_count"]),
        ("Number of observations", profile["rows"]),
        ("Missing cells", missing),
        ("Missing cells (%)", percent(missing / cells) if cells else None),
    ]
    if duplicates["rows"] is not None:
        words = "Duplicate rows" if duplicates["exact"] else "Duplicate rows (by a hash)"
        share = percent(duplicates["rows"] / profile["rows"]) if profile["rows"] else None
        found += [(words, duplicates["rows"]), (f"{words} (%)", share)]
    if profile.get("bytes") is not None:
        found.append(("Bytes", profile["bytes"]))
    if profile["bad"].get("count"):
        found.append((bad_input.words(profile).title, profile["bad"]["count"]))
    return found


def types(profile: dict[str, Any]) -> list[tuple[str, int]]:
    """Return how many columns there are of each kind."""
    kinds = [column["kind"] for column in profile["columns"]]
    return [(escape(kind.capitalize()), kinds.count(kind)) for kind in dict.fromkeys(kinds)]


def _alerts(profile: dict[str, Any]) -> str:
    places = {column["name"]: place for place, column in reversed(list(enumerate(profile["columns"])))}
    rows = []
    for alert in profile["alerts"]:
        link = ""
        if alert["column"] in places and alert["column"]:
            place = places[alert["column"]]
            link = f'<a href="#pp_var_column{place}"><code>{escape(alert["column"])}</code></a> '
        rows.append(f"<tr><td>{link}{escape(alert['message'])}</td><td>{badge(alert['kind'])}</td></tr>")
    return f'<p class="h4 item-header">Alerts</p><table class="table table-striped">{"".join(rows)}</table>'


def source(profile: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return what is known of the source: where it came from, how it was read."""
    about = [
        (str(key).capitalize(), str(value)) for key, value in profile["about"].items() if value is not None
    ]
    reading = [(f"Reading: {key}", str(value)) for key, value in profile["reading"].items()]
    return [("Source", profile["source"]), *(pair for pair in about if pair[0] != "Source"), *reading]


def _source(profile: dict[str, Any]) -> str:
    content = grid(("What", "Value"), source(profile), kind="source")
    if rows := bad_input.rows(profile):
        words = bad_input.words(profile)
        content += f'<p class="h4 item-header">{words.first}</p>'
        content += grid((words.place, "Reason", "Text"), rows, kind="bad")
    return content


def method(profile: dict[str, Any]) -> list[str]:
    """Return the sentences that say what is exact and what is not."""
    sample = profile["sample"]
    return [
        f"Computed by {profile['engine']} over all {profile['rows']:,} rows: every number that is not marked "
        "otherwise.",
        "Words, characters, ranks (Spearman), categories that go together (Cramér's V), points of pairs and "
        "the rows that are shown are of a sample: "
        f"{sample['rows']:,} of {sample['of']:,} rows, taken at random.",
        *profile["left_out"],
    ]


def _method(profile: dict[str, Any]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in method(profile)) + "</ul>"


def _variables(profile: dict[str, Any], sample: Sample) -> list[Any]:
    widgets = library.widgets()
    alerts: dict[str, list[dict[str, str]]] = {}
    for alert in profile["alerts"]:
        alerts.setdefault(alert["column"], []).append(alert)
    columns = [
        column_parts.variable(
            column, place, rows=profile["rows"], alerts=alerts.get(column["name"], []), sample=sample
        )
        for place, column in enumerate(profile["columns"])
    ]
    section = widgets.Container(columns, sequence_type="accordion", name="Variables", anchor_id="variables")
    return [
        widgets.Dropdown(
            name="Variables",
            anchor_id="variables-dropdown",
            id="variables-dropdown",
            is_row=False,
            classes=["form-select"],
            items=[name_of(column) for column in profile["columns"]],
            item=section,
        )
    ]


def _interactions(profile: dict[str, Any], sample: Sample) -> list[Any]:
    tabs = [
        html(drawing, name=name, anchor=anchor) for anchor, name, drawing in pairs.scatters(profile, sample)
    ]
    return [_section(tabs, "Interactions", "interactions")] if tabs else []


def _correlations(profile: dict[str, Any]) -> list[Any]:
    tabs = _pearson(profile)
    tabs += [
        html(drawing, name=name, anchor=f"{anchor}_diagram") for anchor, name, drawing in pairs.maps(profile)
    ]
    return [_section(tabs, "Correlations", "correlations_tab")] if tabs else []


def _pearson(profile: dict[str, Any]) -> list[Any]:
    found = profile.get("correlations")
    if not found:
        return []
    about = "Pearson's r. " + (
        of_all(found["rows"]) if found["exact"] else of_sample(found["rows"], profile["rows"])
    )
    drawing = plots.correlations(found["columns"], found["matrix"]) + caption(about)
    tabs = [html(drawing, name="Heatmap", anchor="pearson_diagram")]
    if len(found["columns"]) <= _TABLE:
        rows = [
            [name, *(None if value is None else f"{value:.3f}" for value in row)]
            for name, row in zip(found["columns"], found["matrix"], strict=True)
        ]
        content = grid(["", *found["columns"]], rows, kind="correlation-table") + caption(about)
        tabs.append(html(content, name="Table", anchor="pearson_table"))
    return tabs


def _section(tabs: list[Any], name: str, anchor: str) -> Any:
    return library.widgets().Container(tabs, sequence_type="tabs", name=name, anchor_id=anchor)


def _missing(profile: dict[str, Any]) -> list[Any]:
    rows = profile["rows"]
    if not rows or not profile["columns"]:
        return []
    drawn = profile["columns"][:_DRAWN]
    counts = plots.bars(
        [column["name"] for column in drawn],
        [column["count"] / rows for column in drawn],
        [f"{column['count']:,} ({percent(column['count'] / rows)})" for column in drawn],
    )
    words = f"Values that are there, by column. {of_all(rows)}"
    tabs = [html(counts + caption(words), name="Count", anchor="missing_bar")]
    if patterns := profile["missing_patterns"]:
        listed = grid(("Missing together", "Rows", "Rows (%)"), pattern_rows(profile), kind="missing")
        words = (
            f"The {len(patterns)} most frequent sets of columns that are missing in one row. {of_all(rows)}"
        )
        tabs.append(html(listed + caption(words), name="Patterns", anchor="missing_patterns"))
    return [_section(tabs, "Missing values", "missing")]


def pattern_rows(profile: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the patterns of missing values as rows of a table."""
    rows = []
    for pattern in profile["missing_patterns"]:
        names = pattern["missing"]
        listed = ", ".join(names[:20]) + (f" and {len(names) - 20:,} more" if len(names) > 20 else "")
        rows.append(
            (listed or "(nothing)", f"{pattern['rows']:,}", percent(pattern["rows"] / profile["rows"]))
        )
    return rows


def duplicates(profile: dict[str, Any]) -> str:
    """Return what is known of duplicate rows as a sentence."""
    found = profile["duplicates"]
    if found["rows"] is None:
        return "Duplicate rows were not counted."
    counted = "" if found["exact"] else " (told apart by a hash)"
    return f"{found['rows']:,} of {profile['rows']:,} rows are the same as one before them{counted}."


def _duplicates(profile: dict[str, Any]) -> list[Any]:
    content = f"<p>{escape(duplicates(profile))}</p>"
    tabs = [html(content, name="Count", anchor="duplicate_count")]
    if listed := repeated(profile):
        tabs.append(html(listed, name="Most frequent", anchor="duplicate_rows"))
    return [_section(tabs, "Duplicate rows", "duplicate")]


def repeated(profile: dict[str, Any]) -> str:
    """Return the most frequent duplicate rows as a table, "" if none are known."""
    found = profile.get("duplicate_rows")
    if not found or not found["rows"]:
        return ""
    rows = [[f"{row['count']:,}", *row["values"]] for row in found["rows"]]
    words = f"The {len(rows)} most frequent ones. {of_all(profile['rows'])}"
    if len(found["columns"]) < profile["column_count"]:
        words += f" {len(found['columns'])} of {profile['column_count']:,} columns."
    return grid(["Rows", *found["columns"]], rows, kind="duplicate") + caption(words)


def _sample(profile: dict[str, Any], sample: Sample) -> list[Any]:
    if not sample.size:
        return []
    names = sample.names[:_SHOWN_COLUMNS]
    rows = sample.first(SHOWN_ROWS, names)
    words = of_sample(len(rows), profile["rows"])
    if len(names) < len(sample.names):
        words += f" The first {len(names)} of {len(sample.names):,} columns."
    hidden = sum(column["sensitive"] for column in profile["columns"])
    if hidden:
        words += f" Without {shown(hidden)} sensitive columns."
    content = f'<div id="sample-container">{grid(names, rows)}</div>{caption(words)}'
    return [_section([html(content, name="Random rows", anchor="random")], "Sample", "sample")]
