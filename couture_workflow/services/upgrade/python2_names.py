"""Names, methods and modules of Python 2 in a source that Python 3 can parse."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from couture_workflow.services.upgrade.text import NEWLINE

#: Names that are gone -> what they are now, where the file gives them no value of its own.
NAMES = {
    "xrange": "range",
    "unicode": "str",
    "basestring": "str",
    "long": "int",
    "unichr": "chr",
    "raw_input": "input",
}
_METHODS = {"iteritems": "items", "iterkeys": "keys", "itervalues": "values"}
#: Modules that are gone -> what they are now.
MODULES = {
    "urllib2": "urllib.request and urllib.error",
    "urlparse": "urllib.parse",
    "ConfigParser": "configparser",
    "cPickle": "pickle",
    "StringIO": "io",
    "cStringIO": "io",
    "Queue": "queue",
    "httplib": "http.client",
    "commands": "subprocess",
    "__builtin__": "builtins",
    "cookielib": "http.cookiejar",
    "HTMLParser": "html.parser",
}
_LISTS = frozenset({"keys", "values", "items"})
_LAZY = frozenset({"map", "filter", "zip"})


@dataclass
class Found:
    """A new text, with (line, message) of changes and (line, message, advice) of notes."""

    text: str
    changes: list[tuple[int, str]] = field(default_factory=list)
    notes: list[tuple[int, str, str]] = field(default_factory=list)


def modern(text: str, *, old: bool) -> Found:
    """Return a source with what Python 2 called otherwise.

    :param text: a source that Python can parse.
    :param old: the file was written for Python 2, so that methods of dicts and divisions are those of it.
    """
    if not old and not any(name in text for name in (*NAMES, *_METHODS, *MODULES, "has_key", "maxint")):
        return Found(text)
    tree = ast.parse(text)
    return _Reader(text, tree, old).read()


class _Reader:
    """Reads a tree and collects the edits."""

    def __init__(self, text: str, tree: ast.Module, old: bool) -> None:
        self.text = text
        self.tree = tree
        self.old = old
        self.found = Found(text)
        self.starts = [0, *(match.end() for match in NEWLINE.finditer(text))]
        self.lines = [line.encode() for line in NEWLINE.split(text)]
        self.edits: list[tuple[int, int, str]] = []
        self.bound = set(_bound(tree))

    def read(self) -> Found:
        """Return what was found, with the edits made."""
        tried = {
            id(each) for node in ast.walk(self.tree) if isinstance(node, ast.Try) for each in ast.walk(node)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self._name(node)
            elif isinstance(node, ast.Attribute):
                self._attribute(node)
            elif isinstance(node, ast.Subscript):
                self._subscript(node)
            elif isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in tried:
                self._module(node)
        if self.old:
            self._division()
        for begin, end, new in sorted(self.edits, reverse=True):
            self.found.text = self.found.text[:begin] + new + self.found.text[end:]
        return self.found

    def _offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + len(self.lines[line - 1][:column].decode())

    def _edit(self, node: ast.expr, old: str, new: str) -> None:
        """Replace the name that an expression ends in."""
        end = self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        self.edits.append((end - len(old), end, new))
        self.found.changes.append((node.lineno, f"Python 2: {old} is {new} in Python 3"))

    def _note(self, node: ast.expr | ast.stmt, message: str, advice: str) -> None:
        self.found.notes.append((node.lineno, message, advice))

    def _name(self, node: ast.Name) -> None:
        new = NAMES.get(node.id)
        if new and node.id not in self.bound and new not in self.bound:
            self._edit(node, node.id, new)
        elif node.id == "reload" and self.old and "reload" not in self.bound:
            self._note(node, "Python 3 has no reload.", "Remove it; text is Unicode, whatever the encoding.")

    def _attribute(self, node: ast.Attribute) -> None:
        name = node.attr
        if name == "maxint" and isinstance(node.value, ast.Name) and node.value.id == "sys":
            self._edit(node, "maxint", "maxsize")
        elif name in _METHODS and name not in self.bound and not _is(node.value, "six"):
            if self.old:
                self._edit(node, name, _METHODS[name])
            else:
                self._note(node, f"A dict of Python 3 has no {name}.", f"Write {_METHODS[name]}.")
        elif name == "has_key" and name not in self.bound:
            self._note(node, "A dict of Python 3 has no has_key.", "Write: key in the_dict.")
        elif name == "setdefaultencoding":
            self._note(node, "Python 3 has no sys.setdefaultencoding.", "Remove it: the encoding is UTF-8.")
        elif name == "message" and self.old and isinstance(node.ctx, ast.Load) and _is(node.value, "e"):
            self._note(node, "An exception of Python 3 has no message.", "Write str(e).")

    def _subscript(self, node: ast.Subscript) -> None:
        call = node.value
        if not self.old or not isinstance(call, ast.Call):
            return
        method = isinstance(call.func, ast.Attribute) and call.func.attr in _LISTS and not call.args
        if method or (isinstance(call.func, ast.Name) and call.func.id in _LAZY):
            self._note(node, "This was a list in Python 2 and has no places now.", "Put list(...) around it.")

    def _module(self, node: ast.Import | ast.ImportFrom) -> None:
        names = [each.name for each in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else []
        for name in names:
            if name in MODULES:
                self._note(node, f"Python 3 has no module {name}.", f"Its successor is {MODULES[name]}.")

    def _division(self) -> None:
        future = {
            each.name
            for node in self.tree.body
            if isinstance(node, ast.ImportFrom) and node.module == "__future__"
            for each in node.names
        }
        divided = [
            node.lineno
            for node in ast.walk(self.tree)
            if (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
            or (isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div))
        ]
        if divided and "division" not in future:
            self.found.notes.append(
                (
                    min(divided),
                    "The / of two integers gave an integer in Python 2 (7 / 2 was 3); now a fraction.",
                    "Write // where an integer is meant, here and wherever else the file divides.",
                )
            )


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _bound(tree: ast.Module) -> Iterator[str]:
    """Return all names that a file gives a value, and the methods that it defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
