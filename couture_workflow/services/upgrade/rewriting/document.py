"""A parsed source with the edits to be made to it. Whatever no edit touches stays byte for byte as it is."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import (
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    QualifiedName,
    QualifiedNameProvider,
    QualifiedNameSource,
)

from couture_workflow.services.upgrade.text import NEWLINE

#: Lines of nothing but form feeds, which the parser does not give back.
_FORM_FEEDS = re.compile(r"(?m)^[ \t\f]*\f[ \t\f]*(?=\r?$)")
Statement = (cst.SimpleStatementLine, cst.BaseCompoundStatement)


@dataclass(frozen=True)
class Edit:
    """Text put in the place of ``text[start:end]``; an insertion where both are the same."""

    start: int
    end: int
    new: str


class Document:
    """A source that can be parsed: names and positions of its nodes, and what shall become of them.

    :param text: the source, without a byte order mark.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.parsed = _FORM_FEEDS.sub(lambda match: " " * len(match[0]), text)
        wrapper = MetadataWrapper(cst.parse_module(self.parsed))
        self.module = wrapper.module
        self._positions = wrapper.resolve(PositionProvider)
        self._names = wrapper.resolve(QualifiedNameProvider)
        self._parents = wrapper.resolve(ParentNodeProvider)
        self._lines = [0, *(match.end() for match in NEWLINE.finditer(text))]
        self.newline = self.module.default_newline
        self.edits: list[Edit] = []
        self.changes: list[tuple[int, str]] = []
        self.notes: list[tuple[int, str, str]] = []
        #: Import statements that the edits need, and those that they write in the place of others.
        self.imports: set[str] = set()
        self.written_imports: set[str] = set()

    def line(self, node: cst.CSTNode) -> int:
        """Return the line that a node begins in, the first is 1."""
        return int(self._positions[node].start.line)

    def start(self, node: cst.CSTNode) -> int:
        """Return the offset of a node's first character."""
        place = self._positions[node].start
        return int(self._lines[place.line - 1] + place.column)

    def end(self, node: cst.CSTNode) -> int:
        """Return the offset behind a node's last character."""
        place = self._positions[node].end
        return int(self._lines[place.line - 1] + place.column)

    def code(self, node: cst.CSTNode) -> str:
        """Return the source of a node."""
        return self.text[self.start(node) : self.end(node)]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode:
        """Return the node above."""
        return self._parents[node]

    def statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """Return the statement that begins a line of its own and has the node in it."""
        while not isinstance(node, Statement):
            node = self.parent(node)
        return node

    def names(self, node: cst.CSTNode) -> frozenset[str]:
        """Return the full names that an expression may stand for because of the imports."""
        return frozenset(
            each.name for each in self._qualified(node) if each.source is QualifiedNameSource.IMPORT
        )

    def is_local(self, node: cst.CSTNode) -> bool:
        """Tell whether a name is of this file."""
        return any(each.source is QualifiedNameSource.LOCAL for each in self._qualified(node))

    def _qualified(self, node: cst.CSTNode) -> Sequence[QualifiedName]:
        found = self._names.get(node, ())
        return sorted(found() if callable(found) else found, key=lambda each: each.name)

    def replace(self, node: cst.CSTNode, new: str) -> None:
        """Put text in the place of a node."""
        self.edits.append(Edit(self.start(node), self.end(node), new))

    def delete(self, start: int, end: int) -> None:
        """Remove text."""
        self.edits.append(Edit(start, end, ""))

    def insert(self, at: int, new: str) -> None:
        """Put text before an offset."""
        self.edits.append(Edit(at, at, new))

    def changed(self, node: cst.CSTNode, message: str) -> None:
        """Record what was done to a node."""
        self.changes.append((self.line(node), message))

    def note(self, node: cst.CSTNode, message: str, advice: str) -> None:
        """Record what a person has to look at."""
        self.notes.append((self.line(node), message, advice))

    def comment(self, node: cst.CSTNode, words: str) -> None:
        """Write a comment above the statement that a node is in."""
        at = self.line_start(self.statement(node))
        indent = self.indent(at)
        self.insert(at, "".join(f"{indent}# {line}{self.newline}" for line in words.splitlines()))

    def line_start(self, statement: cst.CSTNode) -> int:
        """Return the offset of the line that a statement, its decorators included, begins in."""
        first: cst.CSTNode = statement
        if isinstance(statement, cst.FunctionDef | cst.ClassDef) and statement.decorators:
            first = statement.decorators[0]
        return self._lines[self.line(first) - 1]

    def indent(self, at: int) -> str:
        """Return the white space at an offset."""
        end = at
        while end < len(self.text) and self.text[end] in " \t":
            end += 1
        return self.text[at:end]

    def remove(self, items: Sequence[cst.CSTNode], doomed: Sequence[cst.CSTNode]) -> None:
        """Remove some of a call's arguments or a dict's elements, with their commas; comments stay.

        :param items: all of them, in order.
        """
        kept = [item for item in items if not any(item is each for each in doomed)]
        last = items.index(kept[-1]) if kept else -1
        tail = items[last + 1 :]
        for index, item in enumerate(items[: last + 1]):
            if not any(item is each for each in kept):
                self._remove_before(item, self.start(items[index + 1]))
        if not tail:
            return
        end = self.end(tail[-1])
        begin = self.end(kept[-1]) if kept else self.start(tail[0])
        gaps = [begin, *(self.end(item) for item in tail)]
        if any("#" in self.text[gap : self.start(item)] for gap, item in zip(gaps, tail, strict=False)):
            for item in tail:
                self.delete(self.start(item), self._behind_comma(self.end(item)))
        else:
            self.delete(begin, end if kept else self._behind_comma(end))

    def _remove_before(self, item: cst.CSTNode, following: int) -> None:
        """Remove an item that another one follows; comments between the two stay."""
        gap = self.text[self.end(item) : following]
        kept = gap.find("#")
        self.delete(self.start(item), self.end(item) + kept if kept >= 0 else following)

    def _behind_comma(self, at: int) -> int:
        end = at
        while end < len(self.text) and self.text[end] in " \t\r\n":
            end += 1
        return end + 1 if self.text[end : end + 1] == "," else at

    def result(self) -> tuple[str, tuple[int, ...]]:
        """Return the source with all edits made, and what line each old line became.

        What is inside of a removed or replaced part is dropped.
        """
        out: list[str] = []
        at = 0
        kept: list[tuple[int, int]] = []  # end of a part that stays, in the old text, and how far it moved
        gone: list[tuple[int, int]] = []  # start and end of the part behind it that does not stay
        moved = 0
        for edit in sorted(self.edits, key=_order):
            if edit.start < at:
                continue
            out += [self.text[at : edit.start], edit.new]
            kept.append((edit.start, moved))
            gone.append((edit.start, edit.end))
            moved += len(edit.new) - (edit.end - edit.start)
            at = edit.end
        out.append(self.text[at:])
        kept.append((len(self.text) + 1, moved))
        text = "".join(out)
        return text, tuple(self._new_lines(text, kept, gone))

    def _new_lines(
        self, text: str, kept: list[tuple[int, int]], gone: list[tuple[int, int]]
    ) -> Iterator[int]:
        ends = [end for end, _ in kept]
        starts = [0, *(match.end() for match in NEWLINE.finditer(text))]
        for begin in self._lines:
            offset = begin + len(self.indent(begin))
            part = min(bisect_right(ends, offset), len(kept) - 1)
            if part and offset < gone[part - 1][1]:  # where what stands in its place begins
                part, offset = part - 1, gone[part - 1][0]
            new = offset + kept[part][1]
            yield max(bisect_right(starts, min(max(new, 0), len(text))), 1)


def _order(edit: Edit) -> tuple[int, bool, int, bool]:
    """Return what edits are sorted by; of insertions in one place those of whole lines come first."""
    return edit.start, edit.end > edit.start, -edit.end, not edit.new.endswith(("\n", "\r"))


def keyword(argument: cst.Arg) -> str:
    """Return the name that an argument is given by, "" for a positional one."""
    return argument.keyword.value if argument.keyword else ""


def text_of(node: cst.CSTNode | None) -> str | None:
    """Return the content of a plain string without escapes, None for anything else."""
    if isinstance(node, cst.SimpleString) and "b" not in node.prefix.lower() and "\\" not in node.raw_value:
        return node.raw_value
    return None


def is_none(node: cst.CSTNode) -> bool:
    """Tell whether an expression is ``None``."""
    return isinstance(node, cst.Name) and node.value == "None"
