"""Small parts of a report: numbers, shares, tables and frequencies, each escaped for HTML exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from . import library
from .alerts import percent

#: What stands where nothing is known.
NOTHING = "—"
_NAMELESS = "(no name)"


def shown(value: Any) -> str:
    """Return a value of a profile as HTML: numbers as the library writes them, text escaped."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return library.formatted(value)
    return escape(str(value))


def name_of(column: dict[str, Any]) -> str:
    """Return a column's name as HTML."""
    return escape(column["name"]) or _NAMELESS


def of_all(rows: int) -> str:
    """Return the words that say that a thing is exact."""
    return f"Of all {rows:,} rows."


def of_sample(values: int, of: int, *, what: str = "rows") -> str:
    """Return the words that say that a thing is of a sample, and of how large a one."""
    if values >= of:
        return f"Of all {of:,} {what}."
    return f"Of a random sample of {values:,} of {of:,} {what}."


def table(rows: Iterable[tuple[str, Any]], *, name: str | None = None, caption: str | None = None) -> Any:
    """Return a table of two columns; names are fixed words, values of a profile are escaped."""
    entries = [
        {"name": label, "value": value if isinstance(value, Html) else shown(value)} for label, value in rows
    ]
    style = library.settings().html.style
    return library.widgets().Table(entries, style=style, name=name, caption=caption)


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def share(part: int | None, whole: int) -> Html:
    """Return a share in per cent as HTML."""
    return Html(escape(percent(part / whole)) if part is not None and whole else NOTHING)


def frequencies(
    entries: Sequence[tuple[str | None, int]],
    *,
    of: int,
    others: tuple[int | None, int] = (0, 0),
    missing: int = 0,
) -> list[list[dict[str, Any]]]:
    """Return the rows of the library's frequency table, which escapes the labels.

    :param of: what a share is a share of.
    :param others: how many further values there are (None: nobody knows), and their count.
    """
    rows = [("", label if label is not None else NOTHING, count) for label, count in entries]
    values, count = others
    if count > 0:
        rows.append(("other", f"Other values ({values:,})" if values else "Other values", count))
    if missing:
        rows.append(("missing", "(Missing)", missing))
    most = max((row[2] for row in rows), default=1) or 1
    return [
        [
            {
                "label": label,
                "width": number / most,
                "count": f"{number:,}",
                "percentage": number / of if of else 0.0,
                "n": of,
                "extra_class": kind,
            }
            for kind, label, number in rows
        ]
    ]


def html(content: str, *, name: str | None = None, anchor: str | None = None) -> Any:
    """Return a piece of HTML as a widget."""
    more = {"name": name} if name is not None else {}
    return library.widgets().HTML(content, anchor_id=anchor, **more)


def caption(words: str) -> str:
    """Return a line below a thing."""
    return f'<div class="caption text-center text-body-secondary">{escape(words)}</div>'


def grid(head: Sequence[str], rows: Iterable[Sequence[str | None]], *, kind: str = "sample") -> str:
    """Return a table with a head; every cell is escaped."""
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{NOTHING if cell is None else escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="table-responsive"><table class="{kind} table table-striped">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def badge(kind: str) -> str:
    """Return the name of a kind of alert in the library's colour for it."""
    style = library.alert_styles().get(kind, "secondary")
    return f'<span class="badge text-bg-{style}">{escape(kind.replace("_", " ").capitalize())}</span>'
