"""The text of an old file before it is parsed: what a word processor or Python 2 left that Python 3 refuses.

A file that compiles is never touched here, and valid strings and comments of others are not either.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass

from couture_workflow.services.upgrade.python2 import convert
from couture_workflow.services.upgrade.table import TYPOGRAPHIC_QUOTES, TYPOGRAPHIC_SIGNS

#: What is said of each line whose syntax was that of Python 2.
PYTHON_2 = "Python 2: converted to the syntax of Python 3"
NEWLINE = re.compile(r"\r\n?|\n")
_SHIFTED = re.compile(r"(?m)^[ \t]*print[ \t]*>>")
_STRANGE = {**TYPOGRAPHIC_QUOTES, **TYPOGRAPHIC_SIGNS}
_ANY_STRANGE = re.compile("[" + "".join(_STRANGE) + "]")
#: What may stand after the end of a string in code.
_AFTER_STRING = re.compile(r"[ \t]*([,)\]}:;=+%.#\\]|$|in\b|if\b|for\b|and\b|or\b|not\b|else\b)")
_TAB = 8  # how far Python 2 took a tab


@dataclass(frozen=True)
class Problem:
    """Why a text is not Python."""

    line: int
    message: str


def problem(text: str) -> Problem | None:
    """Return why a text cannot be parsed, None if it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return Problem(max(error.lineno or 1, 1), error.msg or "invalid syntax")
    except ValueError as error:  # a null byte, or a character that is half of a pair
        return Problem(1, str(error))
    except (MemoryError, RecursionError):
        return Problem(1, "it is nested too deeply")
    return None


def plain(text: str) -> tuple[str, list[tuple[int, str]]]:
    """Return a text with what breaks it made plain, and (line, what) of each change."""
    done: list[tuple[int, str]] = []
    if problem(text) is None:
        return (_shifted(text, done), done) if _SHIFTED.search(text) else (text, done)
    repairs = (
        (_plain_characters, "typographic quotes or spaces replaced by plain ones"),
        (_plain_tabs, "tabs of the indentation replaced by spaces, 8 columns as Python 2 read them"),
        (convert, PYTHON_2),
    )
    # A mistake that one of them mends may stand before one that another mends: again from the first.
    for repair, message in repairs * 3:
        if problem(text) is None:
            break
        better = repair(text)
        if better != text and _is_better(better, text):
            pairs = zip(NEWLINE.split(text), NEWLINE.split(better), strict=True)
            done.extend((number, message) for number, (old, new) in enumerate(pairs, 1) if old != new)
            text = better
    if problem(text) is not None:
        # Tabs and the syntax of Python 2 can each hide what the other one mends.
        better = convert(_plain_tabs(_plain_characters(text)))
        if problem(better) is None:
            pairs = zip(NEWLINE.split(text), NEWLINE.split(better), strict=True)
            done.extend((number, PYTHON_2) for number, (old, new) in enumerate(pairs, 1) if old != new)
            text = better
    return text, done


def _shifted(text: str, done: list[tuple[int, str]]) -> str:
    """Convert a source with ``print >>file, x``, which Python 3 can parse and cannot run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    for node in ast.walk(tree):
        first = node.value if isinstance(node, ast.Expr) else None
        first = first.elts[0] if isinstance(first, ast.Tuple) and first.elts else first
        if isinstance(first, ast.BinOp) and isinstance(first.op, ast.RShift):
            if isinstance(first.left, ast.Name) and first.left.id == "print":
                better = convert(text)
                if problem(better) is None:
                    pairs = zip(NEWLINE.split(text), NEWLINE.split(better), strict=True)
                    done.extend((line, PYTHON_2) for line, (old, new) in enumerate(pairs, 1) if old != new)
                    return better
    return text


def _is_better(new: str, old: str) -> bool:
    after, before = problem(new), problem(old)
    return after is None or (before is not None and after.line > before.line)


def _plain_tabs(text: str) -> str:
    """Expand the tabs at the start of lines, those inside of strings and brackets left out."""
    if "\t" not in text:
        return text
    inside = _continued_lines(text)
    parts = re.split(r"(\r\n?|\n)", text)
    for index in range(0, len(parts), 2):
        line = parts[index]
        indent = line[: len(line) - len(line.lstrip(" \t\f"))]
        if "\t" in indent and index // 2 + 1 not in inside:
            parts[index] = indent.expandtabs(_TAB) + line[len(indent) :]
    return "".join(parts)


def _continued_lines(text: str) -> set[int]:
    """Return the numbers of the lines that begin inside of a string or of brackets."""
    scanner = _Scanner(text)
    scanner.run()
    return scanner.inside


def _plain_characters(text: str) -> str:
    if not _ANY_STRANGE.search(text):
        return text
    scanner = _Scanner(text)
    scanner.run()
    return "".join(scanner.out)


class _Scanner:
    """Reads code, comments and strings apart, and makes typographic characters of code plain."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.out: list[str] = []
        self.inside: set[int] = set()
        self._line = 1
        self._depth = 0

    def run(self) -> None:
        """Read the whole text."""
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "#":
                self._take(self._end_of_line())
            elif character in "'\"":
                self._string(character)
            elif character in TYPOGRAPHIC_QUOTES:
                self.at += 1
                self._close(TYPOGRAPHIC_QUOTES[character])
            else:
                self._code(character)

    def _code(self, character: str) -> None:
        self.out.append(TYPOGRAPHIC_SIGNS.get(character, character))
        self.at += 1
        if character in "([{":
            self._depth += 1
        elif character in ")]}":
            self._depth = max(self._depth - 1, 0)
        elif character == "\n" or (character == "\r" and self.text[self.at : self.at + 1] != "\n"):
            self._line += 1
            if self._depth:
                self.inside.add(self._line)

    def _take(self, end: int) -> None:
        self.out.append(self.text[self.at : end])
        self.at = end

    def _end_of_line(self) -> int:
        match = NEWLINE.search(self.text, self.at)
        return match.start() if match else len(self.text)

    def _string(self, quote: str) -> None:
        """Take a string that begins with a plain quote; its end may be a typographic one."""
        if self.text.startswith(quote * 3, self.at):
            found = re.compile(rf"(?:\\.|[^\\])*?{quote * 3}", re.DOTALL).match(self.text, self.at + 3)
            end = found.end() if found else len(self.text)
            lines = len(NEWLINE.findall(self.text[self.at : end]))
            self.inside.update(range(self._line + 1, self._line + lines + 1))
            self._line += lines
            self._take(end)
            return
        found = re.compile(rf"(?:\\(?:\r\n|.)|[^\\{quote}\r\n])*{quote}", re.DOTALL).match(
            self.text, self.at + 1
        )
        if found:
            self._take(found.end())
        else:
            self.at += 1
            self._close(quote)

    def _close(self, quote: str) -> None:
        """Take what follows an opening quote, up to a quote that code may follow; both become plain."""
        end = self._end_of_line()
        for index in range(self.at, end):
            character = self.text[index]
            if TYPOGRAPHIC_QUOTES.get(character, character) == quote and _AFTER_STRING.match(
                self.text, index + 1, end
            ):
                content = self.text[self.at : index]
                if quote in content:
                    content = content.replace(quote, "\\" + quote)
                self.out.append(quote + content + quote)
                self.at = index + 1
                return
        self.out.append(quote)
