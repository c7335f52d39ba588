"""DAG files made from a template and a list: one file for each entry, and none that a person changed is lost.

What a template inserts is written as Python writes it, quotes and all, so no value can become code. Templates
are rendered in a process of its own: one that never ends, or wants all memory, ends there.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.processes import apart
from couture_workflow.services.texts import plain_yaml
from couture_workflow.store import atomic
from couture_workflow.store.names import check_name, quote

if TYPE_CHECKING:
    from jinja2 import Template

#: Seconds that one file may take; one takes about a thousandth.
PATIENCE = 10.0
#: Bytes of a template, of a list and of a file that is made.
LARGEST = 2**20
#: Entries of a list.
MOST = 5000
#: Paths and entries that a message names.
_SHOWN = 5
_HEAD = "# Made by `couture-workflow dags generate`: change what it is made from, not this file."
_SIGN = ("template", "list", "sha256")
_PLAIN = frozenset(" ._-+/:@,")
_FAILED = {
    "time": f"it takes more than {PATIENCE:.0f} seconds. Look for a loop that does not end",
    "late": "there is no time left for it. Look for what takes long, or split the list",
    "crashed": "it wants too much memory, or is nested too deeply",
}


@dataclass(frozen=True)
class Plan:
    """What has to be done so that a folder holds what a template and a list say.

    :param written: files that are new or differ.
    :param removed: files of entries that are gone.
    :param same: how many files are as they should be.
    """

    written: Mapping[Path, bytes]
    removed: tuple[Path, ...]
    same: int

    def carry_out(self) -> None:
        """Do it; a file is written whole or not at all."""
        for path, content in self.written.items():
            with atomic.storage_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic.write(path, content)
        for path in self.removed:
            with atomic.storage_errors(path):
                path.unlink(missing_ok=True)


def plan(template: Path, entries: Path, into: Path) -> Plan:
    """Return what has to be done, or raise ``InvalidError``; nothing is changed.

    :param template: a DAG file with ``${{ name }}`` in the place of what differs.
    :param entries: a YAML or JSON file with the list.
    :param into: the folder of the files that are made.
    """
    origin = {"template": template.name, "list": entries.name}
    found = _entries(entries)
    made = {into / f"{name}.py": _signed(text, origin) for name, text in _rendered(template, found)}
    there = {path: _state(path, origin) for path in {*made, *_made_before(into, origin)}}
    lost = sorted(path for path, state in there.items() if state in ("other", "edited"))
    if lost:
        raise InvalidError(_refusal(lost, there, origin))
    written = {
        path: text for path, text in made.items() if there[path] != "ours" or path.read_bytes() != text
    }
    gone = sorted(there.keys() - made.keys())
    return Plan(written, tuple(gone), len(made) - len(written))


def _refusal(lost: list[Path], there: Mapping[Path, str], origin: Mapping[str, str]) -> str:
    named = ", ".join(quote(path.name) for path in lost[:_SHOWN]) + (" ..." if len(lost) > _SHOWN else "")
    if any(there[path] == "edited" for path in lost):
        return (
            f"Nothing was changed: {named} would be overwritten or removed, and was changed by hand since "
            "it was made. Bring the change into the template or the list, then delete the file."
        )
    return (
        f"Nothing was changed: {named} would be overwritten, and was not made from "
        f"{quote(origin['template'])} and {quote(origin['list'])}. Choose another folder, or delete the file."
    )


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of a list by their names."""
    try:
        data = plain_yaml.load(_text(path))
    except yaml.YAMLError as error:
        raise InvalidError(f"{path.name} is no YAML: {error}.") from error
    if isinstance(data, dict):
        data = [{**(value if isinstance(value, dict) else {"value": value}), "name": name}
                for name, value in data.items()]  # fmt: skip
    if not isinstance(data, list) or not data:
        raise InvalidError(
            f"{path.name} is no list. Write one entry for each file, such as: - name: acme. To remove the "
            "last file, delete it."
        )
    if len(data) > MOST:
        raise InvalidError(f"{path.name} has {len(data)} entries; {MOST} are the most. Split it.")
    found: dict[str, dict[str, Any]] = {}
    seen: dict[str, str] = {}
    for number, entry in enumerate(data, 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise InvalidError(f"Entry {number} of {path.name} has no name, which is a text. Give it one.")
        name = check_name(name, what=f"name of entry {number} of {path.name}")
        if (other := seen.setdefault(name.casefold(), name)) in found:
            raise InvalidError(
                f"{path.name} has {quote(other)} twice. Names tell files apart, and "
                "capitals do not: rename one."
            )
        found[name] = _plain(entry, f"{quote(name)} of {path.name}") | {"name": name}
    return found


def _plain(value: Any, where: str) -> Any:
    """Return data as JSON has it: dates as text."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(each, where) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, where) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise InvalidError(
        f"A value of {where} is neither text, number, list nor mapping with texts as keys. Write it as "
        "a text."
    )


def _text(path: Path) -> str:
    with atomic.storage_errors(path):
        if not path.is_file():
            raise InvalidError(f"There is no file {path}. Correct the name.")
        if path.stat().st_size > LARGEST:
            raise InvalidError(f"{path.name} is larger than {LARGEST >> 20} MiB. Split it.")
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InvalidError(f"{path.name} is not written in UTF-8. Save it so.") from error


def _rendered(template: Path, entries: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    source = _text(template)
    answers = apart.each("dags.generating.render", source, list(entries.values()), seconds=PATIENCE)
    for name, answer in zip(entries, answers, strict=True):
        if answer.why:
            why = _FAILED[answer.why]
            raise InvalidError(f"{template.name} cannot be rendered for {quote(name)}: {why}.")
        if "message" in answer.value:
            line = f", line {answer.value['line']}" if answer.value["line"] else ""
            where = answer.value["where"].format(template.name)
            raise InvalidError(f"{where}{line}, for {quote(name)}: {answer.value['message']}")
        yield name, answer.value["text"]


def render(source: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Be the other process: return the text of a file, or what is wrong with the template.

    :param source: the template.
    """
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        template = _template(source)
        parts: list[str] = []
        size = 0
        for part in template.generate({**entry, "entry": entry}):
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                return _wrong("{}", 0, f"the file is larger than {LARGEST >> 20} MiB. Look at its loops.")
    except TemplateSyntaxError as error:
        return _wrong("{}", error.lineno, str(error.message))
    except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        return _wrong("{}", _line(error), str(error))
    text = "".join(parts)
    try:
        ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = error.lineno or 0 if isinstance(error, SyntaxError) else 0
        shown = (text.splitlines()[line - 1 : line] or [""])[0].strip()[:100]
        return _wrong("The file that {} makes", line, f"it is not Python: {error.args[0]}: {shown}")
    return {"text": text if text.endswith("\n") else f"{text}\n"}


def _wrong(where: str, line: int, message: str) -> dict[str, Any]:
    return {"where": where, "line": line, "message": f"{message.removesuffix('.')}."}


def _line(error: BaseException) -> int:
    """Return the line of the template that an error comes from, 0 if that is not known."""
    step, line = error.__traceback__, 0
    while step is not None:
        line = step.tb_lineno if step.tb_frame.f_code.co_filename == "<template>" else line
        step = step.tb_next
    return line


@cache
def _template(source: str) -> Template:
    """Return a template with delimiters that Airflow's own templates do not have."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        variable_start_string="${{",
        variable_end_string="}}",
        block_start_string="${%",
        block_end_string="%}",
        comment_start_string="${#",
        comment_end_string="#}",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        finalize=_literal,
        autoescape=False,  # what is made is Python, and each value a literal of it
    )
    environment.filters["text"] = _as_text
    return environment.from_string(source)


class _Text(str):
    """What is inserted as it is."""

    __slots__ = ()


def _literal(value: Any) -> str:
    """Return how Python writes a value."""
    from jinja2 import Undefined

    if isinstance(value, Undefined):
        return str(value)  # which raises
    return str(value) if isinstance(value, _Text) else _written(value)


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_written(key)}: {_written(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str):
        text = repr(str(value))  # in the quotes that formatters prefer
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in value else text
    if value is None or isinstance(value, int | float):
        return repr(value)
    raise TypeError(f"a {type(value).__name__} cannot be written into a file")


def _as_text(value: Any) -> _Text:
    """Be the filter ``text``."""
    text = str(value)
    if not all(each.isalnum() or each in _PLAIN for each in text):
        raise ValueError(
            f"the filter text inserts only letters, digits, blanks and . _ - + / : @ , and "
            f"{text[:60]!r} has others"
        )
    return _Text(text)


def _signed(text: str, origin: Mapping[str, str]) -> bytes:
    """Return the content of a file that is made, which tells whether somebody changed it."""
    told = {**origin, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    lines = [_HEAD, *(f"# {key}: {json.dumps(told[key])}" for key in _SIGN), text]
    return "\n".join(lines).encode()


def _state(path: Path, origin: Mapping[str, str]) -> str:
    """Tell of a path: "missing", "ours", "edited", or "other" if it was not made from this."""
    if not path.exists() and not path.is_symlink():
        return "missing"
    if path.is_symlink() or not path.is_file():
        return "other"
    with atomic.storage_errors(path):
        content = path.read_bytes()
    told, text = _sign(content)
    if {key: told.get(key) for key in origin} != origin:
        return "other"
    return "ours" if told.get("sha256") == hashlib.sha256(text).hexdigest() else "edited"


def _sign(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return what a file says of how it was made, and the rest."""
    head, *lines = content.split(b"\n", len(_SIGN) + 1)
    if head != _HEAD.encode() or len(lines) <= len(_SIGN):
        return {}, content
    try:
        told = {
            key: json.loads(line.removeprefix(f"# {key}: ".encode()))
            for key, line in zip(_SIGN, lines, strict=False)
        }
    except (ValueError, RecursionError):
        return {}, content
    return told, lines[-1]


def _made_before(into: Path, origin: Mapping[str, str]) -> Iterator[Path]:
    """Iterate over the files of a folder that were made from the same template and list."""
    with atomic.storage_errors(into):
        paths = sorted(into.glob("*.py")) if into.is_dir() else []
    for path in paths:
        if _state(path, origin) in ("ours", "edited"):
            yield path
