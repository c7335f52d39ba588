"""Drawings of a report as SVG: histograms, bars and a map of correlations; texts in them are escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_BLUE, _RED, _GREY = "#0d6efd", "#dc3545", "#6c757d"


def histogram(edges: Sequence[float | str], counts: Sequence[int], *, small: bool = False) -> str:
    """Draw the counts of bins of equal width, with the outer edges and the middle one below."""
    width, height = (300, 120) if small else (800, 260)
    foot, head = (16, 2) if small else (24, 18)
    most = max(counts, default=0) or 1
    step = width / max(len(counts), 1)
    path = "".join(
        f"M{place * step:.1f} {height:g}v-{count / most * (height - head):.1f}h{max(step - 0.6, 0.4):.1f}"
        f"V{height:g}z"
        for place, count in enumerate(counts)
        if count
    )
    labels = _axis(edges, width, height + foot - 4)
    if not small:
        labels += _text(2, 12, f"{most:,}", "start")
    return _svg(
        width,
        height + foot,
        f'<path d="{path}" fill="{_BLUE}"/><path d="M0 {height}H{width}" stroke="{_GREY}"/>{labels}',
    )


def _axis(edges: Sequence[float | str], width: int, baseline: int) -> str:
    if not edges:
        return ""
    middle = edges[len(edges) // 2] if len(edges) > 2 and len(edges) % 2 else None
    texts = _text(2, baseline, _edge(edges[0]), "start") + _text(width - 2, baseline, _edge(edges[-1]), "end")
    return texts + (_text(width / 2, baseline, _edge(middle), "middle") if middle is not None else "")


def _edge(edge: float | str) -> str:
    return edge[:10] if isinstance(edge, str) else f"{edge:.6g}"


def _text(x: float, y: float, words: str, anchor: str, size: int = 11) -> str:
    place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="currentColor">{escape(words)}</text>'


def _svg(width: float, height: float, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'class="img-responsive center-img" role="img">{content}</svg>'
    )


def bars(names: Sequence[str], shares: Sequence[float], words: Sequence[str]) -> str:
    """Draw a bar of 0 to 1 for each name, with words behind it."""
    line, left, width = 20, 220, 800
    parts = []
    for place, (name, share, word) in enumerate(zip(names, shares, words, strict=True)):
        y = place * line
        long = share * (width - left - 140)
        parts.append(
            _text(left - 8, y + 14, _cut(name, 32), "end")
            + f'<rect x="{left}" y="{y + 3}" width="{long:.1f}" height="{line - 6}" fill="{_BLUE}"/>'
            + _text(left + long + 6, y + 14, word, "start")
        )
    return _svg(width, max(len(names), 1) * line + 4, "".join(parts))


def correlations(names: Sequence[str], matrix: Sequence[Sequence[float | None]]) -> str:
    """Draw correlations from -1 (red) to 1 (blue); empty where there is none."""
    left, cell = 180, min(40, max(8, 620 // max(len(names), 1)))
    size = left + cell * len(names)
    parts = []
    for row, (name, values) in enumerate(zip(names, matrix, strict=True)):
        middle = row * cell + cell / 2
        parts.append(_text(left - 6, middle + 4, _cut(name, 26), "end", min(11, cell)))
        for column, value in enumerate(values):
            parts.append(_cell(left + column * cell, row * cell, cell, value))
    numbers = "".join(
        f'<g transform="translate({left + (place + 0.5) * cell:g} {cell * len(names) + 8}) rotate(45)">'
        f"{_text(0, 4, _cut(name, 26), 'start', min(11, cell))}</g>"
        for place, name in enumerate(names)
    )
    return _svg(size + 130, cell * len(names) + 150, "".join(parts) + numbers)


def scatter(points: Sequence[tuple[float, float]], *, across: str, up: str) -> str:
    """Draw points; the names of both columns and the ends of both axes beside them."""
    width, height, left, foot = 560, 320, 70, 40
    (x0, x1), (y0, y1) = (_ends([point[axis] for point in points]) for axis in (0, 1))
    path = "".join(
        f"M{left + _along(x, x0, x1) * width:.1f} {height - _along(y, y0, y1) * height + 10:.1f}h0"
        for x, y in points
    )
    dots = f'<path d="{path}" stroke="{_BLUE}" stroke-width="5" stroke-linecap="round" stroke-opacity="0.5"/>'
    base = height + 10
    texts = (
        _text(left, base + 16, _edge(x0), "start")
        + _text(left + width, base + 16, _edge(x1), "end")
        + _text(left + width / 2, base + 32, _cut(across, 60), "middle")
        + _text(left - 6, base, _edge(y0), "end")
        + _text(left - 6, 20, _edge(y1), "end")
        + f'<g transform="translate(14 {height / 2:g}) rotate(-90)">{_text(0, 0, _cut(up, 40), "middle")}</g>'
    )
    axes = f'<path d="M{left} 4V{base}H{left + width + 6}" stroke="{_GREY}" fill="none"/>'
    return _svg(left + width + 12, base + foot, axes + dots + texts)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (0.0, 0.0)


def _along(value: float, low: float, high: float) -> float:
    """Return where a value is between two others, 0 to 1; halves, so that no difference is infinite."""
    return (value / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.5


def _cell(x: float, y: float, size: float, value: float | None) -> str:
    place = f'x="{x:g}" y="{y:g}" width="{size - 1:g}" height="{size - 1:g}"'
    if value is None:
        return f'<rect {place} fill="none" stroke="{_GREY}" stroke-width="0.3"/>'
    colour = _BLUE if value >= 0 else _RED
    return f'<rect {place} fill="{colour}" fill-opacity="{abs(value):.3f}"><title>{value:.3f}</title></rect>'


def _cut(name: str, longest: int) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
