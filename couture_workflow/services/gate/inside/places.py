"""Inside the sandbox: where in a file an argument stands, so that it can be underlined and nothing else.

Python tells of a call that runs from where to where it is written; what is in it is looked up in the file.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType

#: Line, column, end line, end column, counted from 1; the last column is the one behind it.
Place = tuple[int, int, int, int]
#: The same as Python counts: line, end line, column and end column in bytes, counted from 0.
Span = tuple[int, int, int, int]

#: Bytes of source in which arguments are looked up.
_LARGEST = 4 * 2**20
_QUOTED = re.compile(r"['\"`]([A-Za-z_]\w{0,99})['\"`]")


class Places:
    """Looks up places in the files of a tree.

    :param tree: the folder.
    """

    def __init__(self, tree: str) -> None:
        self._tree = Path(tree)
        self._files: dict[str, _File | None] = {}
        self._spans: dict[CodeType, list[Span | None]] = {}

    def running(self, frame: FrameType) -> Span | None:
        """Return what a frame is at, None if Python does not know."""
        return self.span(frame.f_code, frame.f_lasti)

    def span(self, code: CodeType, instruction: int) -> Span | None:
        """Return where an instruction of a code is written, None if Python does not know.

        :param instruction: its offset in bytes.
        """
        if code not in self._spans:  # once for each code: a loop may make thousands of tasks
            self._spans[code] = [_span(each) for each in code.co_positions()]
        found, at = self._spans[code], instruction // 2
        return found[at] if 0 <= at < len(found) else None

    def argument(self, path: str, span: Span | None, *, names: Sequence[str], text: str = "") -> Place | None:
        """Return where a call has an argument, else where the name of what it calls is.

        :param span: the call.
        :param names: what the argument may be called; the first that is there counts.
        :param text: a text that it holds, for when none of the names is there.
        """
        if span is None or (file := self._file(path)) is None or (call := file.call(span)) is None:
            return None
        given = list(file.given(call))
        chosen: list[ast.expr | ast.keyword] = [e for name in names for e in given if e.arg == name]
        if text and not chosen:
            chosen += [each for each in call.args if text in _texts(each)]
            chosen += [each for each in given if any(text in found for found in _texts(each.value))]
        return file.place(next(iter(chosen), call.func))

    def module(self, path: str) -> ast.Module | None:
        """Return what Python reads in a file, None if it cannot."""
        file = self._file(path)
        return file.module if file is not None else None

    def of(self, path: str, node: ast.expr) -> Place | None:
        """Return where a part of a file is."""
        file = self._file(path)
        return file.place(node) if file is not None else None

    def failed(self, path: str, span: Span | None, message: str) -> Place | None:
        """Return what an error is about: the argument that it names, else what was running."""
        if span is None or (file := self._file(path)) is None:
            return None
        names = _QUOTED.findall(message[:10_000])
        call = file.call(span)
        named = [each for each in file.given(call) if each.arg in names] if call is not None else []
        if named:
            return file.place(named[0])
        if call is not None and span[0] != span[1]:
            return file.place(call.func)
        return file.spot(span)

    def _file(self, path: str) -> _File | None:
        if path not in self._files:
            self._files[path] = _read(self._tree / path)
        return self._files[path]


class _File:
    """What is looked up in one file."""

    def __init__(self, source: str) -> None:
        self._lines = source.split("\n")
        self._calls: dict[tuple[int, int], ast.Call] = {}
        self._functions: dict[str, list[ast.expr]] = {}
        self.module = ast.parse(source)
        for node in ast.walk(self.module):
            if isinstance(node, ast.Call):
                _, line, _, column = _span_of(node)
                self._calls[line, column] = node
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._functions[node.name] = node.decorator_list

    def call(self, span: Span) -> ast.Call | None:
        """Return the call that is written there: Python tells its end, but of a chain only the last start."""
        _, line, _, column = span
        return self._calls.get((line, column))

    def given(self, call: ast.Call) -> Iterator[ast.keyword]:
        """Iterate over the named arguments of a call, of those before it in a chain, and of decorators."""
        node: ast.expr = call
        for _ in range(100):
            if isinstance(node, ast.Call):
                yield from node.keywords
                node = node.func
            elif isinstance(node, ast.Attribute):
                node = node.value
            else:
                break
        if isinstance(node, ast.Name):
            for decorator in self._functions.get(node.id, ()):
                if isinstance(decorator, ast.Call):
                    yield from decorator.keywords

    def place(self, node: ast.expr | ast.keyword) -> Place | None:
        """Return where a part of the file is; of a long chain of calls its last name only."""
        span = _span_of(node)
        if isinstance(node, ast.Attribute) and span[0] != span[1] and node.end_col_offset is not None:
            span = (span[1], span[1], node.end_col_offset - len(node.attr.encode()), node.end_col_offset)
        return self.spot(span)

    def spot(self, span: Span) -> Place | None:
        """Return a place as editors count."""
        line, end_line, column, end_column = span
        if not 1 <= line <= end_line <= len(self._lines):
            return None
        return line, self._characters(line, column), end_line, self._characters(end_line, end_column)

    def _characters(self, line: int, column: int) -> int:
        return len(self._lines[line - 1].encode("utf-8", "replace")[:column].decode("utf-8", "ignore")) + 1


def _read(path: Path) -> _File | None:
    try:
        if path.stat().st_size > _LARGEST:
            return None
        return _File(path.read_text(encoding="utf-8").removeprefix("\ufeff"))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _texts(node: ast.expr) -> Iterator[str]:
    for part in itertools.islice(ast.walk(node), 1000):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _span_of(node: ast.expr | ast.keyword) -> Span:
    return (
        node.lineno,
        node.end_lineno or node.lineno,
        node.col_offset,
        node.col_offset if node.end_col_offset is None else node.end_col_offset,
    )


def _span(positions: tuple[int | None, int | None, int | None, int | None]) -> Span | None:
    line, end_line, column, end_column = positions
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return line, end_line, column, end_column
