"""The syntax of Python 2 that Python 3 refuses: print, except, raise, numbers, as far as it is mechanical."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<string>(?:[uUbB]?[rR]?)(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'))"
    r"|(?P<comment>#[^\r\n]*)|(?P<continued>\\\r?\n)|(?P<newline>\r\n?|\n)|(?P<space>[ \t\f]+)"
    r"|(?P<number>\d[\w.]*)|(?P<name>\w+)|(?P<sign><>|>>=?|<<=?|[<>=!]=|.)",
    re.DOTALL,
)
_OCTAL = re.compile(r"0[0-7]+[lL]?$")
_LONG = re.compile(r"(0[xX][0-9a-fA-F]+|\d+)[lL]$")
_BLANK = ("space", "continued", "comment", "newline")


@dataclass
class Token:
    """A piece of the source: what it is, and its text, which may be changed."""

    kind: str
    text: str


def convert(source: str) -> str:
    """Return a source of Python 2 with what is mechanical converted; no line is added or lost."""
    tokens = [Token(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(source)]
    prints = not re.search(r"^from\s+__future__\s+import\b.*\bprint_function\b", source, re.MULTILINE)
    for token in tokens:
        if token.kind == "number":
            _number(token)
        elif token.text == "<>":
            token.text = "!="
        elif token.kind == "string" and token.text[:2].lower() == "ur":
            token.text = token.text[1:]
    _backticks(tokens)
    for statement in _statements(tokens):
        first = statement[0].text
        if first == "print" and prints:
            _print(statement)
        elif first == "except":
            _except(statement)
        elif first == "raise":
            _raise(statement)
        elif first == "exec":
            _exec(statement)
    return "".join(token.text for token in tokens)


def _number(token: Token) -> None:
    if _OCTAL.match(token.text) and token.text.strip("0lL"):
        token.text = "0o" + token.text[1:].rstrip("lL")
    elif long := _LONG.match(token.text):
        token.text = long[1]


def _backticks(tokens: list[Token]) -> None:
    """Write ``repr(x)`` for a pair of backticks on one line."""
    opened: Token | None = None
    for token in tokens:
        if token.kind == "newline":
            opened = None
        elif token.text == "`" and opened is None:
            opened = token
        elif token.text == "`" and opened is not None:
            opened.text, token.text, opened = "repr(", ")", None


def _statements(tokens: list[Token]) -> Iterator[list[Token]]:
    """Return the tokens of each simple statement, without the blanks around it."""
    depth = 0
    current: list[Token] = []
    for token in tokens:
        sign = token.text if token.kind == "sign" else ""
        depth += (sign in ("(", "[", "{")) - (sign in (")", "]", "}"))
        ends = depth <= 0 and (token.kind == "newline" or sign in (";", ":"))
        if ends or (token.kind == "comment" and depth <= 0):
            if sign == ":" and current and current[0].text == "except":
                current.append(token)
            yield from _stripped(current)
            current = []
        else:
            current.append(token)
    yield from _stripped(current)


def _stripped(tokens: list[Token]) -> Iterator[list[Token]]:
    begin, end = 0, len(tokens)
    while begin < end and tokens[begin].kind in _BLANK:
        begin += 1
    while end > begin and tokens[end - 1].kind in _BLANK:
        end -= 1
    if begin < end:
        yield tokens[begin:end]


def _split(tokens: list[Token]) -> list[list[Token]]:
    """Return what stands between the commas that are in no brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        sign = token.text if token.kind == "sign" else ""
        depth += (sign in ("(", "[", "{")) - (sign in (")", "]", "}"))
        if sign == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _text(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens).strip()


def _put(tokens: list[Token], text: str) -> None:
    """Give the first token a text, the others none."""
    for token in tokens:
        token.text = ""
    tokens[0].text = text


def _print(statement: list[Token]) -> None:
    parts = _split(statement[1:])
    texts = [_text(part) for part in parts]
    if texts == [""]:
        statement[0].text = "print()"
        return
    if texts[0].startswith("=") or texts[0][:1] == ".":
        return  # a name of the file
    if len(texts) == 1 and _in_brackets(parts[0]):
        inside = texts[0][1:-1].strip()
        inner = [token for token in parts[0] if token.kind != "space"][1:-1]
        if inside and len(_split(inner)) == 1:
            return  # it means the same
    end = ', end=" "' if len(texts) > 1 and not texts[-1] else ""
    texts = texts[:-1] if end else texts
    file = ""
    if texts[0].startswith(">>"):
        file = f"file={texts[0][2:].strip()}"
        texts = texts[1:]
    values = ", ".join(each for each in [*texts, file] if each)
    _put(statement, f"print({values}{end})")


def _in_brackets(tokens: list[Token]) -> bool:
    """Tell whether tokens are one pair of brackets, with what is inside."""
    kept = [token for token in tokens if token.kind not in _BLANK]
    depth = 0
    for number, token in enumerate(kept):
        if token.kind == "sign":
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth == 0:
            return number == len(kept) - 1 and kept[0].text == "("
    return False


def _except(statement: list[Token]) -> None:
    parts = _split(statement[1:])
    if len(parts) == 2 and _text(parts[1]).removesuffix(":").strip().isidentifier():
        depth = 0
        for token in statement[1:]:
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            if token.text == "," and depth == 0:
                token.text = " as" if parts[1][0].kind == "space" else " as "
                return


def _raise(statement: list[Token]) -> None:
    texts = [_text(part) for part in _split(statement[1:])]
    if len(texts) == 2 and all(texts):
        _put(statement, f"raise {texts[0]}({texts[1]})")
    elif len(texts) == 3 and all(texts):
        _put(statement, f"raise {texts[0]}({texts[1]}).with_traceback({texts[2]})")


def _exec(statement: list[Token]) -> None:
    body = statement[1:]
    if len(body) > 1 and _text(body)[:1] not in ("(", "=", "."):
        code, _, names = _text(body).partition(" in ")
        _put(statement, f"exec({code}{', ' + names if names else ''})")
