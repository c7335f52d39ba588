"""Values as strict JSON has them: what JSON would lose is text, what it cannot say is null."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from .expressions import SHOWN

#: Integers beyond this are not exact in many readers of JSON.
_EXACT = 2**53
#: What stands before the blank between a day and a time; years before Christ stay as DuckDB writes them.
_BETWEEN = re.compile(r"^(-?\d+-\d\d-\d\d) (?=\d)")
#: What marks a value that was cut.
MARK = "…"


def number(value: Any) -> int | float | str | None:
    """Return a number for JSON: text where a float would change it, null for NaN and infinity."""
    if value is None or isinstance(value, bool):
        return None if value is None else int(value)
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else str(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    value = float(value)
    return value if math.isfinite(value) else None


def _decimal(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    near = float(value)
    return near if math.isfinite(near) and Decimal(repr(near)) == value else str(value)


def floating(value: Any) -> float | None:
    """Return a number of a profile, or of DuckDB, as a finite float to calculate with; None if it is none."""
    if value is None:
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def text(value: Any) -> str | None:
    """Return a value as text of at most 1,000 characters, marked where it was cut."""
    if value is None:
        return None
    found = str(value)
    if len(found) > SHOWN:
        found = found[:SHOWN] + MARK
    return found.encode("utf-8", "replace").decode()


def iso(value: str | None) -> str | None:
    """Return DuckDB's text of a point in time as ISO 8601 writes it."""
    return None if value is None else _BETWEEN.sub(r"\1T", value)


def write(path: Path, document: dict[str, Any]) -> None:
    """Write strict JSON."""
    path.write_text(json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":")), "utf-8")
