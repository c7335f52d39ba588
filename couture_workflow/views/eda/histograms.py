"""The geometry of two histograms in one drawing: paths and places for SVG, no text that is not escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Size of a drawing of ranges; one of values has a height by their number.
WIDTH, HEIGHT = 320, 120
_TOP, _BOTTOM = 6, 100
_LABELS, _ROW, _BAR = 118, 24, 8
#: Values that have a bar in the drawing; the table beside it has all.
_MOST_DRAWN = 8
#: Characters of a label in the drawing.
_LONGEST = 17


@dataclass(frozen=True)
class Mark:
    """A text in a drawing.

    :param y: its base line.
    """

    text: str
    y: float


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Two histograms.

    :param old, new: paths of their bars, "" where a profile has none.
    :param marks: labels of values; of ranges the first and the last edge.
    :param rows: of the table: label and both shares, as people read them.
    """

    kind: str
    height: float
    old: str
    new: str
    marks: tuple[Mark, ...]
    rows: tuple[tuple[str, str, str], ...]
    left_out: int = 0


def percent(share: float | None) -> str:
    """Return a share as people read it."""
    if share is None:
        return "not known"
    text = f"{share * 100:.1f} %"
    return "less than 0.1 %" if text == "0.0 %" and share > 0 else text


def drawn(chart: Mapping[str, Any]) -> Drawing:
    """Return the drawing of a chart of ``services.eda.comparisons.charts``."""
    rows: Sequence[Mapping[str, Any]] = chart["rows"]
    table = tuple((_label(row), percent(row["old"]), percent(row["new"])) for row in rows)
    highest = max((row[side] or 0.0 for row in rows for side in ("old", "new")), default=0.0) or 1.0
    if chart["kind"] == "bins":
        return Drawing(
            kind="bins",
            height=HEIGHT,
            old=_columns([row["old"] for row in rows], highest),
            new=_columns([row["new"] for row in rows], highest),
            marks=(Mark(chart["from"], HEIGHT - 4), Mark(chart["to"], HEIGHT - 4)),
            rows=table,
        )
    shown = rows if len(rows) <= _MOST_DRAWN else rows[:_MOST_DRAWN]
    return Drawing(
        kind="values",
        height=len(shown) * _ROW + 4,
        old=_beams([row["old"] for row in shown], highest, down=3),
        new=_beams([row["new"] for row in shown], highest, down=3 + _BAR + 1),
        marks=tuple(Mark(_short(_label(row)), number * _ROW + 16) for number, row in enumerate(shown)),
        rows=table,
        left_out=len(rows) - len(shown),
    )


def _label(row: Mapping[str, Any]) -> str:
    return "all other values" if row.get("others") else str(row["label"]) or "(empty text)"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _columns(shares: Sequence[float | None], highest: float) -> str:
    width = WIDTH / max(len(shares), 1)
    parts = []
    for number, share in enumerate(shares):
        if share:
            top = _BOTTOM - (_BOTTOM - _TOP) * share / highest
            parts.append(f"M{number * width + 0.5:.2f} {_BOTTOM}V{top:.2f}h{width - 1:.2f}V{_BOTTOM}z")
    return "".join(parts)


def _beams(shares: Sequence[float | None], highest: float, *, down: float) -> str:
    parts = []
    for number, share in enumerate(shares):
        if share:
            length = max((WIDTH - _LABELS - 2) * share / highest, 1)
            parts.append(f"M{_LABELS} {number * _ROW + down:.2f}h{length:.2f}v{_BAR}h-{length:.2f}z")
    return "".join(parts)
