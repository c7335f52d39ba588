"""Outputs of data sources without a run: profiles of lists of values, in the form that a run writes them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from couture_workflow.services.eda import outputs, sources
from couture_workflow.services.eda.document import normal
from couture_workflow.services.eda.outputs import Output
from couture_workflow.store.home import Store

SHARES = [part / 100 for part in range(101)]
_KINDS = {"number": "DOUBLE", "text": "VARCHAR", "boolean": "BOOLEAN", "date": "DATE", "empty": "VARCHAR"}


def column(name: str, values: Sequence[Any], kind: str = "number", **more: Any) -> dict[str, Any]:
    """Return a column of a profile; None is a missing value."""
    there = [value for value in values if value is not None]
    usual = [value for value in there if not isinstance(value, float) or math.isfinite(value)]
    counts = Counter(usual)
    top = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    found: dict[str, Any] = {
        "name": name,
        "type": _KINDS[kind],
        "kind": kind,
        "sensitive": False,
        "count": len(there),
        "missing": len(values) - len(there),
        "distinct": len(counts),
        "distinct_exact": True,
        "nan": sum(isinstance(value, float) and math.isnan(value) for value in there),
        "infinite": sum(isinstance(value, float) and math.isinf(value) for value in there),
        "top": [{"value": str(value), "count": count} for value, count in top[:20]],
        "top_exact": True,
        "rest": sum(count for _, count in top[20:]),
    }
    if kind in ("number", "date") and usual:
        ordered = sorted(usual)
        ranks = [max(math.ceil(share * len(ordered) - 1e-9) - 1, 0) for share in SHARES]
        found |= {"min": ordered[0], "max": ordered[-1]}
        found["cdf"] = {"values": [ordered[rank] for rank in ranks], "shares": SHARES}
    if kind == "text" and len(counts) <= 500:
        found["categories"] = [{"value": value, "count": count} for value, count in top]
    if kind == "boolean":
        found |= {"true": counts[True], "false": counts[False], "top": []}
    return found | more


def profile(*columns: dict[str, Any], rows: int | None = None, **more: Any) -> dict[str, Any]:
    """Return a profile; the rows are those of the first column, unless they are given."""
    count = columns[0]["count"] + columns[0]["missing"] if rows is None and columns else rows or 0
    return {
        "format": 1,
        "source": "orders",
        "kind": "file",
        "engine": "DuckDB 2.0.0",
        "rows": count,
        "column_count": len(columns),
        "bad": {"count": 0, "first": []},
        "duplicates": {"rows": 0, "exact": True},
        "columns": list(columns),
        **more,
    }


def add_source(store: Store, name: str, *, sensitive: Sequence[str] = ()) -> None:
    """Save a data source."""
    given = {"name": name, "kind": "file", "file": {"data": "orders.csv"}, "sensitive": list(sensitive)}
    sources.add(store, normal(given), user="dev")


def add_output(store: Store, source: str, numbers: dict[str, Any]) -> int:
    """Leave an output with this profile, as a run does; return its number."""
    output = outputs.add(store, Output(number=0, source=source, started_at=datetime.now(UTC)))
    folder = outputs.folder(store, source, output.number)
    (folder / outputs.PROFILE).write_text(json.dumps(numbers), encoding="utf-8")
    (folder / outputs.REPORT).write_text("<!doctype html><title>report</title>", encoding="utf-8")
    outputs.close(store, output, "success", rows=numbers["rows"], has_report=True)
    return output.number
