"""What the child says and how: JSON lines on standard output, and the errors that become one of them.

A line is ``{"stage", "share", "rows", "words"}``, ``{"warning"}`` or, as the last, ``{"result"}`` or
``{"error": {"code", "message", "field"}}``. Everything else that is printed goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

#: Seconds between two lines about the same stage.
_PAUSE = 0.25
#: Characters of a message or a warning, and warnings, that are told at most.
_LONGEST, _WARNINGS = 2_000, 50
#: Characters of a line that is written at once; a longer one comes as ``{"part"}``s and then ``{}``.
_PART = 20_000


class EdaError(Exception):
    """The request cannot be fulfilled; the message is for people.

    :param code: what programs tell errors by: ``invalid``, ``missing``, ``not_readable``, ``empty``,
        ``changed``, ``memory``, ``disk``, ``connection``, ``query``, ``too_large``, ``failed``.
    :param field: the key of the request that is at fault, "" if none in particular.
    """

    def __init__(self, message: str, *, code: str = "invalid", field: str = "") -> None:
        super().__init__(message)
        self.code, self.field = code, field


class Messages:
    """The way to whoever started this process; safe to use from threads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._stage = ""
        self._doing = ("", "")
        self._told = 0.0
        self._warnings: list[str] = []

    def stage(
        self,
        name: str,
        *,
        share: float | None = None,
        rows: int | None = None,
        words: str = "",
        column: str = "",
    ) -> None:
        """Tell how far the work is; a line comes soon after another of the same stage is left out.

        :param share: 0 to 1, None where nobody knows.
        :param column: the name of the one column that is worked on.
        """
        self._doing = (name, column)
        now = time.monotonic()
        if name == self._stage and now - self._told < _PAUSE:
            return
        self._stage, self._told = name, now
        if share is not None:
            share = round(min(max(share, 0.0), 1.0), 4)
        self._write({"stage": name, "share": share, "rows": rows, "words": words[:_LONGEST]})

    def doing(self) -> tuple[str, str]:
        """Return the stage, "" before the first, and the column that is worked on, "" if no single one."""
        return self._doing

    def warning(self, sentence: str) -> None:
        """Tell what people should know about the result; the same once."""
        if sentence not in self._warnings and len(self._warnings) < _WARNINGS:
            self._warnings.append(sentence)
            self._write({"warning": sentence[:_LONGEST]})

    def warnings(self) -> list[str]:
        """Return what was told as warnings."""
        return list(self._warnings)

    def result(self, result: dict[str, Any]) -> None:
        """Tell the result, as the last line."""
        self._write({"result": result})

    def error(self, error: EdaError) -> None:
        """Tell the error, as the last line."""
        self._write({"error": {"code": error.code, "message": str(error)[:_LONGEST], "field": error.field}})

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, allow_nan=False, ensure_ascii=True)
        lines = [text]
        if len(text) > _PART:
            pieces = (text[at : at + _PART] for at in range(0, len(text), _PART))
            lines = [*(json.dumps({"part": piece}) for piece in pieces), "{}"]
        content = memoryview("".join(f"{each}\n" for each in lines).encode())
        with self._lock:
            while content:
                content = content[os.write(self._descriptor, content) :]


def messages() -> Messages:
    """Keep standard output for messages, and turn whatever else is printed there to standard error."""
    sys.stdout.flush()
    descriptor = os.dup(1)
    os.set_inheritable(descriptor, False)
    os.dup2(2, 1)
    return Messages(descriptor)
