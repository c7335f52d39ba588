"""What the job tells whoever started it: lines of JSON behind a mark, among all that a driver prints."""

from __future__ import annotations

import json
import sys
from typing import Any

#: Begins each line that is meant for the product.
MARK = "couture-eda: "


class SourceError(Exception):
    """The source cannot be analysed; the message is for people.

    :param code: what programs tell errors by.
    :param field: of the source that is at fault, "" if none in particular.
    """

    def __init__(self, message: str, *, code: str = "invalid", field: str = "") -> None:
        super().__init__(message)
        self.code, self.field = code, field


def stage(name: str, *, share: float | None = None, rows: int | None = None, words: str = "") -> None:
    """Tell how far the work is."""
    _line({"stage": name, "share": share, "rows": rows, "words": words})


def warning(sentence: str) -> None:
    """Tell what people should know about the result."""
    _line({"warning": sentence})


def error(message: str, *, code: str, field: str) -> None:
    """Tell why there is no result."""
    _line({"error": {"code": code, "message": message, "field": field}})


def _line(content: dict[str, Any]) -> None:
    # One write: the lines of the JVM beside it must not get in between.
    sys.stdout.write(f"{MARK}{json.dumps(content)}\n")
    sys.stdout.flush()
