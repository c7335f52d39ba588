"""What can be said of a callable without running it: its arguments, their types and defaults, its help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

_FIELD = re.compile(r"^\s*:param\s+(?:[^:\n]*\s)?\*{0,2}(\w+)\s*:[ \t]*", re.MULTILINE)
_END_OF_FIELDS = re.compile(r"^\s*(?::\w|\.\. )|\n\s*\n", re.MULTILINE)
_ROLE = re.compile(r":[\w:]+:`~?(?:([^`<]+?)\s*<[^`]*>|([^`]+))`")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_HELP, _DEFAULT = 600, 60
_SKIPPED = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def summary(thing: Any) -> str:
    """Return the first paragraph of what is said about a class, function or module."""
    text = _own_doc(thing)
    paragraphs = (part.strip() for part in re.split(r"\n\s*\n", inspect.cleandoc(text)))
    first = next((part for part in paragraphs if part and not part.startswith((".. ", ":"))), "")
    return _plain(first)


def arguments(cls: type, *, until: type | None = None) -> list[dict[str, Any]]:
    """Return the arguments of a class, those of its ``__init__`` first, then those that its bases take.

    :param until: a base whose arguments are left out, and those of its own bases.
    """
    left_out = set(until.__mro__) if until else {object}
    kinds = [kind for kind in cls.__mro__ if kind not in left_out]
    texts = parameter_texts(cls)
    without = {item["name"] for item in arguments(until)} if until and until is not cls else set()
    found: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        if "__init__" in vars(kind):
            for parameter in _parameters(vars(kind)["__init__"]):
                if parameter.name not in without:
                    found.setdefault(parameter.name, describe(parameter, texts))
    return list(found.values())


def describe(parameter: inspect.Parameter, texts: dict[str, str]) -> dict[str, Any]:
    """Return one argument as data: name, type, default, help, whether it must be given."""
    required = parameter.default is inspect.Parameter.empty
    return {
        "name": parameter.name,
        "type": _type(parameter.annotation),
        "default": "" if required else _default(parameter.default),
        "help": texts.get(parameter.name, ""),
        **({"required": True} if required else {}),
    }


def function_arguments(function: Any) -> list[dict[str, Any]]:
    """Return the arguments of a function."""
    texts = _fields(inspect.getdoc(function) or "")
    return [describe(parameter, texts) for parameter in _parameters(function, skip_first=False)]


def parameter_texts(cls: type) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each argument."""
    texts: dict[str, str] = {}
    for kind in cls.__mro__:
        for text in (vars(kind).get("__doc__"), getattr(vars(kind).get("__init__"), "__doc__", None)):
            for name, help_text in _fields(text or "").items():
                texts.setdefault(name, help_text)
    return texts


def _fields(text: str) -> dict[str, str]:
    found = {}
    for match in _FIELD.finditer(text):
        rest = text[match.end() :]
        end = _END_OF_FIELDS.search(rest)
        found[match[1]] = _plain(rest[: end.start()] if end else rest)
    return found


def _parameters(function: Any, *, skip_first: bool = True) -> Iterator[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # written in C, without a signature
        return
    for parameter in parameters[1:] if skip_first else parameters:
        if parameter.kind not in _SKIPPED and not parameter.name.startswith("_"):
            yield parameter


def _type(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    for noise in ("typing.", "collections.abc.", "datetime.", " | ArgNotSet", "ArgNotSet | "):
        text = text.replace(noise, "")
    return text[:120]


def _default(value: Any) -> str:
    if type(value).__name__ in ("ArgNotSet", "NotSet", "_NothingType", "_Nothing"):
        return ""
    if inspect.isroutine(value) or inspect.isclass(value):
        return str(getattr(value, "__name__", ""))
    text = _ADDRESS.sub("", repr(getattr(value, "value", value))).replace("datetime.timedelta", "timedelta")
    return text if len(text) <= _DEFAULT else text[: _DEFAULT - 1] + "…"


def _own_doc(thing: Any) -> str:
    """Return the docstring of the thing itself; ``inspect.getdoc`` would take that of a base."""
    text = vars(thing).get("__doc__") if inspect.isclass(thing) else getattr(thing, "__doc__", "")
    return text if isinstance(text, str) else ""


def _plain(text: str) -> str:
    """Return text without the marks of reStructuredText, on one line, shortened."""
    text = _ROLE.sub(lambda match: match[1] or match[2], text).replace("``", "`")
    text = " ".join(text.split())
    return text if len(text) <= _HELP else text[: _HELP - 1].rstrip() + "…"
