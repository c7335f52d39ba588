"""``.airflowignore``: regular expressions, which Airflow 3 does not read unless told to, as glob patterns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: What only a regular expression has. A name and ``.*`` at its end may be either.
_REGEXP = re.compile(r"\\[.dwsDWSb/_-]|^\^|\$$|\(|\||\.\+|\.\*(?=.)|(?<=/)\.\*$|\]\+|\]\*|\{\d")
_EITHER = re.compile(r"\w\.\*$")
_PIECE = re.compile(r"\.\*|\.\+|\\d|\\.|\[(?:\\.|[^\]\\])+\]|.")
#: Stands for ``.*`` while a glob is made.
_ANY = "\0"
_REFUSED = frozenset("+?{}()")


@dataclass
class Rewritten:
    """A new text, with (line, message) of changes and (line, message, advice) of notes."""

    text: str
    changes: list[tuple[int, str]] = field(default_factory=list)
    notes: list[tuple[int, str, str]] = field(default_factory=list)


def rewrite_ignore(text: str) -> Rewritten:
    """Return an ``.airflowignore`` in glob syntax; one without a regular expression comes back as it is."""
    found = Rewritten(text)
    lines = text.splitlines(keepends=True)
    if not any(_REGEXP.search(_pattern(line)) for line in lines):
        for number, line in enumerate(lines, 1):
            if _EITHER.search(_pattern(line)):
                found.notes.append(
                    (
                        number,
                        f"{_pattern(line)!r} is read as a glob: names that go on with a dot.",
                        "If it was meant as a regular expression, write "
                        f"{_pattern(line).removesuffix('.*') + '*'!r}.",
                    )
                )
        return found
    out: list[str] = []
    for number, line in enumerate(lines, 1):
        out.append(_line(line, number, found))
    found.text = "".join(out)
    return found


def _pattern(line: str) -> str:
    return re.sub(r"\s*#.*", "", line).strip()


def _line(line: str, number: int, found: Rewritten) -> str:
    pattern = _pattern(line)
    if not pattern:
        return line
    parts = pattern.split("|") if "(" not in pattern else []
    globs = [glob for part in parts for glob in _globs(part) or [None]] or [None]
    end = line[len(line.rstrip("\r\n")) :]
    comment = line.partition("#")[2].strip()
    head = f"# {comment}{end or chr(10)}" if comment else ""
    known = [glob for glob in globs if glob is not None]
    if any("/**/" in glob and not glob.startswith(("/", "**/", "*")) for glob in known):
        found.notes.append(
            (
                number,
                f"The regular expression {pattern!r} also meant folders of that name below others.",
                f"If there are such, write {f'**/{known[0]}'!r} in its place.",
            )
        )
    if len(known) < len(globs):
        found.notes.append(
            (
                number,
                f"The regular expression {pattern!r} has no one glob that says the same: it ignores nothing "
                "in Airflow 3.",
                "Write one glob, as in .gitignore, for each name that it stood for.",
            )
        )
        return f"{head}# TODO: a regular expression of Airflow 1.10: {pattern}{end}"
    if known != [pattern] or head:
        found.changes.append((number, f"regular expression {pattern!r} is now {', '.join(known)}"))
    return head + (end or "\n").join(known) + end


def _globs(pattern: str) -> list[str | None]:
    """Return the globs that ignore what a regular expression did, none if there are no plain ones.

    ``.*`` goes across folders, which ``*`` does not.
    """
    start, body, stop = pattern.startswith("^"), pattern.removeprefix("^"), False
    if body.endswith("$") and not body.endswith(r"\$"):
        body, stop = body[:-1], True
    parts = [_piece(piece) for piece in _PIECE.findall(body)]
    if not parts or None in parts:
        return []
    glob = re.sub(f"{_ANY}+", _ANY, "".join(part for part in parts if part))
    glob = re.sub(f"(?<=/){_ANY}/", "*/**/", glob)
    glob = re.sub(f"(?<=[^/]){_ANY}/", "*/**/", glob)
    below = re.sub(f"(?<=/){_ANY}(?=[^/])", "**/*", glob)
    across = re.sub(f"(?<=[^/*]){_ANY}(?=[^/])", "*/**/*", below)
    variants = dict.fromkeys(each.replace(_ANY, "*") for each in (below, across))
    return [_placed(each, start=start, stop=stop) for each in variants]


def _placed(glob: str, *, start: bool, stop: bool) -> str:
    """Return a glob with the signs for what may stand before and behind it."""
    folder = glob.endswith(("/", "/*"))
    glob = glob.removesuffix("*") if folder else glob
    if not start:
        inner = glob.strip("/").removeprefix("*/")
        if "/" in inner and not re.match(r"[\w./-]+/\*\*/", glob):
            glob = f"**/{glob.removeprefix('*/').removeprefix('**/').lstrip('/')}"
        if "/" not in inner and not glob.startswith(("*", "/")):
            glob = "*" + glob
    elif not glob.startswith("/"):
        glob = "/" + glob
    if not stop and not folder and not glob.endswith("*") and not glob.endswith("/**/*.py"):
        glob += "*"
    return glob


def _piece(piece: str) -> str | None:
    """Return one piece of a regular expression as a glob, None if it has no counterpart."""
    known = {".*": _ANY, ".+": "?*", ".": "?", r"\d": "[0-9]"}
    if piece in known:
        return known[piece]
    if piece.startswith("["):
        inside = piece[1:-1].replace(r"\d", "0-9")
        return None if "\\" in inside else "[" + re.sub(r"^\^", "!", inside) + "]"
    if piece.startswith("\\"):
        if piece[1:].isalnum() or len(piece) == 1:
            return None
        return "\\" + piece[1] if piece[1] in "*?[" else piece[1]
    if piece in _REFUSED or piece in "*^$":
        return None
    return piece
