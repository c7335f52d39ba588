"""The parameters of a notebook: what the first cell tagged ``parameters`` assigns, with types for a form.

``found_in`` parses text that somebody wrote: it is called in a process apart (``document.look``).
"""

from __future__ import annotations

import ast
import io
import json
import keyword
import math
import re
import tokenize
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

#: Characters of a cell that is read, parameters that are told of it, characters of a default and a comment.
LONGEST, MOST, _VALUE, _HELP = 200_000, 200, 20_000, 500
#: Lists and dicts in each other that a value has at most.
_DEEPEST = 50
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TYPES = {"int": "int", "float": "float", "bool": "bool", "str": "str", "list": "list", "dict": "dict"}
_SAME = {"List": "list", "Dict": "dict", "tuple": "list", "Tuple": "list", "date": "date", "datetime": "date"}
_SECRET = re.compile(
    r"pass(word|wd|phrase)?|pwd|secrets?|token|api_?key|access_?key|private_?key|credentials?|auth(orization)?"
)
_MAGIC = re.compile(r"^[%!].*$", re.MULTILINE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a notebook.

    :param type: int, float, bool, str, date, list, dict, None, or "any" where nothing says it.
    :param default: its value in the notebook, None where that is no literal.
    :param literal: whether ``default`` is its value; if not, the notebook computes it unless one is given.
    :param code: the default as it is written.
    :param help: the comment beside it.
    """

    name: str
    type: str
    default: Any
    literal: bool
    code: str
    help: str = ""


def looks_secret(name: str) -> bool:
    """Tell whether the name of a parameter looks as if its value were a secret, such as ``api_key``."""
    words = [word for word in _CAMEL.sub("_", name[:200]).lower().split("_") if word]
    pairs = [*words, *(one + two for one, two in zip(words, words[1:], strict=False))]
    return any(_SECRET.fullmatch(word) for word in pairs)


def is_name(name: str) -> bool:
    """Tell whether a parameter can have this name: Python must take it for a variable, and for no other."""
    if len(name) > 100 or not name.isidentifier() or keyword.iskeyword(name):
        return False
    return unicodedata.normalize("NFKC", name) == name  # Python reads another name in its place


def found_in(source: str) -> tuple[list[Parameter], str]:
    """Return the parameters of a cell, and why there are none if it cannot be read."""
    if len(source) > LONGEST:
        return [], f"The cell of the parameters has more than {LONGEST:,} characters, so it is not read."
    if _MAGIC.search(source):
        source = _without_magics(source)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        return [], f"The cell of the parameters is not valid Python{where}, so its parameters are not known."
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for node in tree.body:
        parameter = _parameter(node, comments)
        if parameter is not None and (parameter.name in found or len(found) < MOST):
            found[parameter.name] = parameter
    return list(found.values()), ""


def _without_magics(source: str) -> str:
    """Return a cell without the lines that are IPython's alone, if it is no Python as it is."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _MAGIC.sub("", source)
    return source


def _parameter(node: ast.stmt, comments: dict[int, str]) -> Parameter | None:
    annotation: ast.expr | None = None
    target: ast.expr
    value: ast.expr | None
    if isinstance(node, ast.AnnAssign):
        target, annotation, value = node.target, node.annotation, node.value
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
    else:
        return None
    if not isinstance(target, ast.Name) or value is None or not is_name(target.id):
        return None
    default, plain = literal(value)
    kind = _annotated(annotation) if annotation is not None else ""
    return Parameter(
        name=target.id,
        type=kind or (_type(default) if plain else "any"),
        default=default,
        literal=plain,
        code=_unparsed(value),
        help=comments.get(node.end_lineno or 0, ""),
    )


def _unparsed(value: ast.expr) -> str:
    try:
        text = ast.unparse(value)
    except (RecursionError, ValueError):
        text = "..."
    return text if len(text) <= _VALUE else text[:_VALUE] + "..."


def literal(node: ast.expr) -> tuple[Any, bool]:
    """Return the value of a literal that JSON can carry, and whether it is one."""
    try:
        value = ast.literal_eval(node)
        plain = _plain(value, 0)
        size = len(json.dumps(plain, allow_nan=False))
    except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):
        return None, False
    return (plain, True) if size <= _VALUE else (None, False)


def _plain(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(each, depth + 1) for key, each in value.items()}
    raise ValueError


def _type(value: Any) -> str:
    if isinstance(value, str):
        return "date" if is_date(value) else "str"
    return "None" if value is None else type(value).__name__


def is_date(text: str) -> bool:
    """Tell whether a text is a day such as ``2026-11-28``."""
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _annotated(node: ast.expr) -> str:
    """Return the type that an annotation names, "" if it is none of ours: ``int | None`` is an int."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return next((found for each in _members(node) if (found := _annotated(each))), "")
    if isinstance(node, ast.Subscript):
        name = _name(node.value)
        return _annotated(node.slice) if name == "Optional" else _SAME.get(name, _TYPES.get(name, ""))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _SAME.get(node.value, _TYPES.get(node.value, ""))
    name = _name(node)
    return _SAME.get(name, _TYPES.get(name, ""))


def _members(node: ast.BinOp) -> Iterator[ast.expr]:
    left: ast.expr = node
    parts = []
    while isinstance(left, ast.BinOp) and isinstance(left.op, ast.BitOr):
        parts.append(left.right)
        left = left.left
    yield left
    yield from (part for part in reversed(parts) if not isinstance(part, ast.BinOp))


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _comments(source: str) -> dict[int, str]:
    """Return the comments of a text by line; those before a place that cannot be read."""
    found: dict[int, str] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = token.string.lstrip("# \t")[:_HELP].rstrip()
    except (tokenize.TokenError, SyntaxError):
        return found
    return found
