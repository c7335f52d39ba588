"""Records of a CSV file one by one, by Python: slower than DuckDB, but no line is too odd for it.

A line that breaks the rules is told with its number and reason, and the next one is read as if it were not
there; a quote that is opened and never closed costs its own line alone.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

#: Bytes of a line, and bytes and lines of a record, that are read at most.
LONGEST = 16 * 1024 * 1024
_MOST_LINES = 20_000
#: Characters of a bad line that are kept.
_SHOWN = 200

TOO_LONG = f"longer than {LONGEST // 1024**2} MiB"
UNCLOSED = "a quote is opened and not closed"
UNDOUBLED = "a quote inside of a quoted value is not doubled"
NO_TEXT = "not text in the encoding of the file"

csv.field_size_limit(LONGEST + 1)


@dataclass(frozen=True)
class Bad:
    """A line that does not parse."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class Line:
    """One line with its end; ``wrong`` says why it cannot be read at all."""

    number: int
    text: str
    wrong: str = ""


class _UnclosedError(Exception):
    """A record that has become too long for one."""


def lines(pieces: Iterator[bytes], *, skip: int = 0) -> Iterator[Line]:
    """Yield the lines of a text in UTF-8, whichever of the three ends they have, from ``skip`` on."""
    for number, content in enumerate(_split(pieces), 1):
        if number <= skip:
            continue
        if len(content) > LONGEST:
            yield Line(number, content[:_SHOWN].decode(errors="replace"), TOO_LONG)
            continue
        try:
            yield Line(number, content.decode())
        except UnicodeDecodeError:
            yield Line(number, content.decode(errors="replace"), NO_TEXT)


def _split(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield lines; of one that is too long the beginning, of more bytes than are possible."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        if waiting and waiting[-1].endswith(b"\r") and not piece.startswith(b"\n"):
            yield b"".join(waiting)
            waiting, size = [], 0
        found = piece.splitlines(keepends=True)
        for part in found[:-1]:
            yield b"".join((*waiting, part)) if waiting else part
            waiting, size = [], 0
        last = found[-1] if found else b""
        if last.endswith(b"\n"):
            yield b"".join((*waiting, last)) if waiting else last
            waiting, size = [], 0
        elif last and size <= LONGEST:
            waiting.append(last)
            size += len(last)
        elif last:
            waiting[-1] = waiting[-1][:-1] + last[-1:]
    if waiting:
        yield b"".join(waiting)


class Records:
    """The records of lines.

    :param width: values that each must have; 0: any number.
    :param pad: fewer are completed by empty ones.
    :param spaced: there are spaces between delimiters and quotes.
    """

    def __init__(
        self,
        source: Iterator[Line],
        *,
        delimiter: str,
        quote: str,
        escape: str,
        width: int = 0,
        pad: bool = False,
        spaced: bool = False,
    ) -> None:
        self.width, self.pad = width, pad
        self.line = 0
        self._source = source
        self._options = {
            "delimiter": delimiter,
            "quotechar": quote or None,
            "quoting": csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            "doublequote": escape in ("", quote),
            "escapechar": None if escape in ("", quote) else escape,
            "skipinitialspace": spaced,
            "strict": True,
        }
        self._again: deque[Line] = deque()
        self._current: list[Line] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Return the characters of the record that was yielded last."""
        return self._size

    def __iter__(self) -> Iterator[list[str] | Bad]:
        reader = self._reader()
        while True:
            self._current, self._size = [], 0
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield self._recovered(UNCLOSED if "end of data" in str(error) else UNDOUBLED)
                reader = self._reader()
            except _UnclosedError:
                yield self._recovered(UNCLOSED)
                reader = self._reader()
            else:
                self.line = self._current[0].number
                if wrong := next((line.wrong for line in self._current if line.wrong), ""):
                    yield self._bad(wrong)
                elif (fitting := self._fitting(record)) is not None:
                    yield fitting

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), **self._options)  # type: ignore[arg-type]

    def _feed(self) -> Iterator[str]:
        while True:
            if self._again:
                line = self._again.popleft()
            else:
                found = next(self._source, None)
                if found is None:
                    return
                line = found
            self._current.append(line)
            self._size += len(line.text)
            if len(self._current) > _MOST_LINES or self._size > LONGEST:
                raise _UnclosedError
            if line.wrong:
                if len(self._current) > 1:
                    raise _UnclosedError
                yield "\n"  # an empty record, which stands for the line that is told as bad
            else:
                yield line.text

    def _fitting(self, record: list[str]) -> list[str] | Bad | None:
        count, width = len(record), self.width
        if count == width or not width:
            return record if record or width == 1 else None
        if not count:
            return [""] if width == 1 else None
        if count == width + 1 and not record[-1]:
            return record[:-1]
        if count < width and self.pad:
            return [*record, *([""] * (width - count))]
        return self._bad(f"{count:,} value{'s' if count > 1 else ''} instead of {width:,}")

    def _bad(self, reason: str) -> Bad:
        line = self._current[0]
        return Bad(line.number, reason, line.text[:_SHOWN].rstrip("\r\n"))

    def _recovered(self, reason: str) -> Bad:
        """Blame the first line of the record and read the others anew."""
        self._again.extendleft(reversed(self._current[1:]))
        return self._bad(reason)
