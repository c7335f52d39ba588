"""Rules for code bricks, and the code that a brick and the values of its parameters give."""

from __future__ import annotations

import ast
import io
import keyword
import math
import re
import tokenize
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.bricks.document import TYPES, Brick, Parameter, tidy
from couture_workflow.store.names import check_name, quote

MAX_CODE, MAX_TITLE, MAX_TAGS, MAX_PARAMETERS = 64 * 1024, 100, 10, 30
#: Characters of code that a brick and its values may give.
MAX_RENDERED = 1024 * 1024

_TAG = re.compile(r"[^\W_][\w .+-]{0,30}")
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: What a placeholder becomes while Python's own tokenizer tells where it stands: a name of its own kind.
_MARK = "_brick_{}_kcirb_"
_OPENING = re.compile(r"([A-Za-z]*)(\"{3}|'{3}|\"|')")
_MARKED = re.compile(r"_brick_([A-Za-z0-9_]+?)_kcirb_")


@dataclass(frozen=True)
class Rendered:
    """What is inserted.

    :param imports: one statement each, to be merged with those at the top of the file.
    :param body: the rest, from column 0 on.
    """

    imports: tuple[str, ...]
    body: str


def check(brick: Brick) -> None:
    """Raise ``InvalidError`` with the field at fault if a brick breaks a rule."""
    check_name(brick.name, what="brick")
    if not brick.title.strip() or len(brick.title) > MAX_TITLE or not brick.title.isprintable():
        raise InvalidError(
            f"A brick needs a title of at most {MAX_TITLE} characters in one line.", field="title"
        )
    if len(brick.tags) > MAX_TAGS:
        raise InvalidError(f"A brick has at most {MAX_TAGS} tags. Remove some.", field="tags")
    for tag in brick.tags:
        if not _TAG.fullmatch(tag):
            raise InvalidError(
                f"The tag {quote(tag)} is refused. A tag begins with a letter or digit and has at most 31 "
                "letters, digits, spaces and . _ - +.",
                field="tags",
            )
    if not brick.code.strip():
        raise InvalidError("A brick needs some code.", field="code")
    if len(brick.code) > MAX_CODE:
        raise InvalidError(f"The code of a brick has at most {MAX_CODE} characters.", field="code")
    _check_parameters(brick)
    render(brick, {})


def render(brick: Brick, values: Mapping[str, str]) -> Rendered:
    """Return a brick's code with the values, their defaults where none is given, or raise ``InvalidError``.

    A text within quotes is escaped for them; anywhere else it becomes a Python string. ``${...}`` that is
    no parameter is left alone: shells use it too.
    """
    parameters = {parameter.name: parameter for parameter in brick.parameters}
    if unknown := sorted(values.keys() - parameters.keys()):
        raise InvalidError(f"The brick {quote(brick.name)} has no parameter {unknown[0]}.", field=unknown[0])
    chosen = {name: values.get(name, parameter.default) for name, parameter in parameters.items()}
    literals = {name: _literal(parameters[name], value) for name, value in chosen.items()}
    marked = _PLACEHOLDER.sub(
        lambda found: _MARK.format(found[1]) if found[1] in parameters else found[0], tidy(brick.code)
    )
    code = _replaced(brick, marked, chosen, literals)
    return _split(brick, code)


def _check_parameters(brick: Brick) -> None:
    if len(brick.parameters) > MAX_PARAMETERS:
        raise InvalidError(f"A brick has at most {MAX_PARAMETERS} parameters.", field="parameters")
    seen: set[str] = set()
    for parameter in brick.parameters:
        name = parameter.name
        if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
            raise InvalidError(
                f"The parameter {quote(name)} is refused. Its name must be a Python name of ASCII letters, "
                "digits and _.",
                field="parameters",
            )
        if name in seen:
            raise InvalidError(f"There are two parameters {name}. Rename one.", field="parameters")
        seen.add(name)
        if parameter.type not in TYPES:
            raise InvalidError(
                f"The parameter {name} has the type {quote(parameter.type)}. Choose {', '.join(TYPES)}.",
                field="parameters",
            )
        if parameter.type == "choice" and not parameter.choices:
            raise InvalidError(f"The parameter {name} needs choices.", field="parameters")
        if f"${{{name}}}" not in brick.code:
            raise InvalidError(
                f"The code does not use the parameter {name}. Write ${{{name}}} where its value belongs, "
                "or remove the parameter.",
                field="parameters",
            )


def _literal(parameter: Parameter, value: str) -> str:
    """Return how a value stands in the code outside of quotes."""
    check_value, rule = _VALUES[parameter.type]
    text = value if parameter.type in ("text", "code") else value.strip()
    if parameter.type == "choice" and text not in parameter.choices:
        raise _refused(parameter, value, f"one of {', '.join(parameter.choices)}")
    try:
        return check_value(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise _refused(parameter, value, rule) from error


def _string(text: str) -> str:
    return '"' + _escaped(text, '"') + '"'


def _identifier(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise ValueError(text)
    return text


def _number(text: str) -> str:
    if not math.isfinite(float(text)):
        raise ValueError(text)
    return text


def _boolean(text: str) -> str:
    found = {"true": "True", "false": "False"}.get(text.casefold())
    if found is None:
        raise ValueError(text)
    return found


def _expression(text: str) -> str:
    ast.parse(text)
    return text


_VALUES: dict[str, tuple[Callable[[str], str], str]] = {
    "text": (_string, "text"),
    "choice": (_string, "one of its choices"),
    "name": (_identifier, "a Python name"),
    "integer": (lambda text: str(int(text)), "a whole number"),
    "number": (_number, "a number"),
    "boolean": (_boolean, "true or false"),
    "code": (_expression, "Python code"),
}


def _refused(parameter: Parameter, value: str, rule: str) -> InvalidError:
    return InvalidError(
        f"{parameter.name}: {quote(value)} is refused. It must be {rule}.", field=parameter.name
    )


def _replaced(brick: Brick, marked: str, chosen: Mapping[str, str], literals: Mapping[str, str]) -> str:
    """Return the code with each mark replaced: outside of quotes by a literal, within them by the text."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(marked).readline))
    except (tokenize.TokenError, SyntaxError) as error:
        raise _unparsable(brick, error) from error
    tokens = [token for token in tokens if token.start < token.end]
    starts = [token.start for token in tokens]
    parts: list[str] = []
    size = 0
    for row, line in enumerate(marked.split("\n"), start=1):
        done = 0
        for found in _MARKED.finditer(line):
            place = (row, found.start())
            token = tokens[index] if (index := bisect_right(starts, place) - 1) >= 0 else None
            inside = token if token is not None and place < token.end else None
            parts += (line[done : found.start()], _in_token(inside, found[1], chosen, literals))
            size += len(parts[-1])
            if size > MAX_RENDERED:
                raise InvalidError(
                    f"The values of {quote(brick.name)} give more than {MAX_RENDERED:,} characters of code. "
                    "Type shorter ones.",
                    field=found[1],
                )
            done = found.end()
        parts += (line[done:], "\n")
    return "".join(parts[:-1])


def _in_token(
    token: tokenize.TokenInfo | None, name: str, chosen: Mapping[str, str], literals: Mapping[str, str]
) -> str:
    value = chosen[name]
    if token is None or token.type == tokenize.COMMENT:
        return "".join(character if character.isprintable() else " " for character in value)
    if token.type == tokenize.NAME:
        return literals[name] if token.string == _MARK.format(name) else _part_of_name(name, value)
    # A string, or from Python 3.12 on the text between the braces of an f-string.
    opening = _OPENING.match(token.string) if token.type == tokenize.STRING else None
    prefix, quotes = (opening[1].casefold(), opening[2][0]) if opening else ("f", "\"'")
    text = _bare(name, value, quotes) if "r" in prefix else _escaped(value, quotes)
    return text.replace("{", "{{").replace("}", "}}") if "f" in prefix else text


def _bare(name: str, value: str, quotes: str) -> str:
    """Return text for a raw string, in which nothing can be escaped."""
    if value.isprintable() and quotes not in value and not value.endswith("\\"):
        return value
    raise InvalidError(
        f"{name}: {quote(value)} is refused. It stands in a raw string, so it cannot hold {quotes}, a line "
        "break, or a backslash at its end.",
        field=name,
    )


def _part_of_name(name: str, value: str) -> str:
    if not f"x{value.strip()}".isidentifier():
        raise InvalidError(
            f"{name}: {quote(value)} is refused. It becomes a part of a Python name, so it must have only "
            "letters, digits and _.",
            field=name,
        )
    return value.strip()


def _escaped(text: str, quotes: str) -> str:
    """Return text as it stands within quotes of these characters."""
    escaped = text.replace("\\", "\\\\")
    for character in quotes:
        escaped = escaped.replace(character, "\\" + character)
    return escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\x00")


def _split(brick: Brick, code: str) -> Rendered:
    """Part the imports at the top from the rest."""
    try:
        statements = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _unparsable(brick, error) from error
    imports, end = [], 0
    for statement in statements:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            break
        if not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            imports.append(ast.unparse(statement))
        end = statement.end_lineno or end
    body = "\n".join(code.split("\n")[end:]).strip("\n")
    return Rendered(tuple(imports), body + "\n" if body else "")


def _unparsable(brick: Brick, error: Exception) -> InvalidError:
    line = getattr(error, "lineno", None)
    where = f" (line {line})" if line else ""
    reason = getattr(error, "msg", None) or (error.args[0] if error.args else "it is nested too deeply")
    return InvalidError(
        f"The code of the brick {quote(brick.name)} is not Python{where}: {reason}. Correct it.", field="code"
    )
