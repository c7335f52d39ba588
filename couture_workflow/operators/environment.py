"""Read a file of environment variables strictly: ``env_file("load.env")``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from couture_workflow.exceptions import InvalidError, NotFoundError

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*)", re.ASCII)
#: After a value in quotes nothing may come but a comment.
_QUOTED = {
    '"': re.compile(r'"((?:\\.|[^"\\])*)"\s*(?:#.*)?'),
    "'": re.compile(r"'([^']*)'\s*(?:#.*)?"),
}
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*")
#: Nothing else ends a line, so a value may hold what only some programs take for an end.
_LINES = re.compile(r"\r\n|\n|\r")
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_RULE = "A line is NAME=value, NAME=\"value\" or NAME='value', empty, or a comment that begins with #."


def env_file(path: str | Path, *, secret: bool = False) -> dict[str, str]:
    """Return the variables of a file, for ``environment=`` or ``private_environment=`` of a task.

    Nothing is expanded: ``$`` stands for itself, so nothing of the worker's own environment gets in.

    :param path: relative to the folder of the DAG file that calls this, or absolute.
    :param secret: show ``***`` in logs and on pages in place of each of the values.
    """
    caller = Path(sys._getframe(1).f_code.co_filename)
    file = caller.parent / path
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise NotFoundError(
            f"The file of environment variables {file} cannot be read: {why}. Put it beside the DAG file, "
            "or name a path that the DAG processor and every worker have."
        ) from None
    found: dict[str, str] = {}
    for number, line in enumerate(_LINES.split(text), start=1):
        where = f"{file.name}, line {number}"
        if (variable := _variable(line.strip(" \t"), where)) is None:
            continue
        name, value = variable
        if name in found:
            raise InvalidError(f"{where}: {name} has a value in an earlier line. Remove one of the two.")
        found[name] = value
    if secret:
        _hide(found)
    return found


def _variable(line: str, where: str) -> tuple[str, str] | None:
    """Return name and value of a line, None where it has none; an error never shows what may be a secret."""
    if not line or line.startswith("#"):
        return None
    match = _ASSIGNMENT.fullmatch(line)
    if match is None or "\0" in line:
        raise InvalidError(f"{where} is no variable. {_RULE}")
    name, value = match.groups()
    quote = value[:1]
    if quote not in _QUOTED:
        return name, _COMMENT.sub("", value)
    quoted = _QUOTED[quote].fullmatch(value)
    if quoted is None:
        raise InvalidError(
            f"{where}: the value of {name} begins with {quote} and does not end with it. {_RULE}"
        )
    text = quoted[1]
    return name, _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), text) if quote == '"' else text


def _hide(variables: dict[str, str]) -> None:
    from airflow.sdk.log import mask_secret

    for value in variables.values():
        mask_secret(value)
