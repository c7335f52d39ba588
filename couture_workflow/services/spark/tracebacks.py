"""Tracebacks of Python among the lines of a driver: each is handed on as one piece, not line by line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

#: Lines and characters that a piece has at most; what is longer goes on as another one.
_LINES, _CHARACTERS = 500, 60_000
#: Seconds after which a piece is handed on although nothing came behind it.
_PATIENCE = 1.0

_BEGINS = re.compile(r"^.{0,200}?Traceback \(most recent call last\):$")
_GROUP = re.compile(r"^ *\+ ")
_LOGGED = re.compile(r"^\d\d(\d\d)?[/-]\d\d[/-]\d\d")
#: How a traceback goes on behind the line that names its error.
_GOES_ON = re.compile(
    r"^(\s|Caused by: |: \S|During handling of the above|The above exception was|Suppressed: |"
    r"([a-z_]\w*\.)+[A-Z]\w*(Error|Exception|Throwable)\b|\.\.\. \d+ more|JVM stacktrace:|Driver stacktrace:)"
)


def begins(line: str) -> bool:
    """Tell whether a traceback begins with a line."""
    return bool(_BEGINS.match(line))


class Pieces:
    """Puts the lines of one stream together where they are one traceback.

    :param hand_on: called with each line, or whole traceback.
    """

    def __init__(self, hand_on: Callable[[str], None]) -> None:
        self._hand_on = hand_on
        self._lines: list[str] = []
        self._blank = 0
        self._size = 0
        self._named = False
        self._since = 0.0

    def take(self, line: str) -> None:
        """Take the next line."""
        if self._lines and not self._belongs(line):
            self.flush()
        if not self._lines and not begins(line):
            self._hand_on(line)
            return
        self._keep(line)
        if len(self._lines) >= _LINES or self._size >= _CHARACTERS:
            self.flush()

    def look(self) -> None:
        """Hand on what has waited long enough for its end."""
        if self._lines and time.monotonic() - self._since > _PATIENCE:
            self.flush()

    def flush(self) -> None:
        """Hand on what there is; blank lines at its end as lines of their own."""
        end = len(self._lines) - self._blank
        piece, rest = self._lines[:end], self._lines[end:]
        self._lines, self._blank, self._size = [], 0, 0
        if piece:
            self._hand_on("\n".join(piece))
        for line in rest:
            self._hand_on(line)

    def _belongs(self, line: str) -> bool:
        if begins(line):  # of a cause, of the worker's in the driver's, or another one right behind
            return not _LOGGED.match(line)
        if not line.strip() or _GOES_ON.match(line):
            return True
        return not self._named

    def _keep(self, line: str) -> None:
        if begins(line):
            self._named = bool(_GROUP.match(line))  # a group has no line of its own at the margin
        elif line.strip() and not line[0].isspace():
            self._named = True
        self._blank = 0 if line.strip() else self._blank + 1
        self._lines.append(line)
        self._size += len(line)
        self._since = time.monotonic()
