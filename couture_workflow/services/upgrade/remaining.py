"""What an upgraded file still has of earlier days: by ruff's Airflow rules, and imports that are gone."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from dataclasses import dataclass
from typing import Any

from couture_workflow.services.upgrade.modules import EMPTY, without_modules
from couture_workflow.services.upgrade.present import is_missing
from couture_workflow.services.upgrade.table import CONTEXT, CONTEXT_LOST, GONE
from couture_workflow.services.upgrade.text import NEWLINE, problem

_RULES = "AIR301,AIR302,AIR303,F401"
_UNUSED = "F401"
_IMPORTED = re.compile(r"`([\w.]+)(?: as \w+)?` imported but unused")
_REMOVED = "the import of {} is removed, for nothing uses it now"
#: How often it is looked whether a removed import leaves another one that nothing uses.
_ROUNDS = 3
_MOVED = "AIR302"
_KEYS = frozenset(CONTEXT) | CONTEXT_LOST
_TIMEOUT = 30.0
_ADVICE = {
    "airflow.operators": "Import it from the provider that has it: airflow.providers.<name>.operators.",
    "airflow.contrib": "Import it from the provider that has it: airflow.providers.<name>.",
}


@dataclass(frozen=True)
class Remaining:
    """The text with names moved that ruff knows, and what is left; lines are those of this text."""

    text: str
    changes: tuple[tuple[int, str], ...] = ()
    notes: tuple[tuple[int, str, str], ...] = ()


def remaining(text: str, *, before: str) -> Remaining:
    """Look at a source that was upgraded; without ruff only its imports are looked at.

    :param before: the source as it was: an import that nothing used then stays, if there is such a thing.
    """
    changes: list[tuple[int, str]] = []
    found = _check(text)
    movable = [each for each in found if each["code"] == _MOVED and each.get("fix")]
    if movable:
        moved = _ruff(text, "--fix-only", "--unsafe-fixes", "--select", _MOVED)
        if moved and moved != text and problem(moved) is None:
            changes = [(_row(each), f"{_message(each)} (the import was changed)") for each in movable]
            text = moved
            found = _check(text)
    cut, modules = without_modules(text)
    if modules and problem(cut) is None:
        changes += [(line, _REMOVED.format(name)) for line, name in modules]
        text = cut
        found = _check(text)
    was = _check(before) if any(each["code"] == _UNUSED for each in found) else []
    for _ in range(_ROUNDS):
        doomed = _doomed(found, text, {_local(each, before) for each in was if each["code"] == _UNUSED})
        cut = _without(text, doomed)
        if not doomed or problem(cut) is not None:
            break
        changes += [(_row(each), _REMOVED.format(_full(each))) for each in doomed]
        text = cut
        found = _check(text)
    notes = [(_row(each), f"{_message(each)}.", _advice(each)) for each in found if each["code"] != _UNUSED]
    notes += _old_imports(text)
    return Remaining(text, tuple(changes), tuple(notes))


def _doomed(found: list[dict[str, Any]], text: str, was: set[str]) -> list[dict[str, Any]]:
    """Return the imports that nothing uses because of the upgrade, and those of what there is no more.

    :param was: local names of the imports that nothing used before.
    """
    doomed = []
    for each in found:
        if each["code"] != _UNUSED or not each.get("fix") or not (full := _full(each)):
            continue
        module, _, name = full.rpartition(".")
        gone = full in EMPTY or (is_missing(full) and is_missing(module, name) and name not in GONE)
        if _local(each, text) not in was or gone:
            doomed.append(each)
    return doomed


def _full(found: dict[str, Any]) -> str:
    """Return the full name of an import that nothing uses."""
    match = _IMPORTED.search(str(found["message"]))
    return match[1] if match else ""


def _local(found: dict[str, Any], text: str) -> str:
    """Return the local name of an import that nothing uses, as the source has it."""
    begin, end = found["location"], found["end_location"]
    lines = NEWLINE.split(text)
    shown = lines[begin["row"] - 1][begin["column"] - 1 :] if begin["row"] <= len(lines) else ""
    if begin["row"] == end["row"]:
        shown = shown[: end["column"] - begin["column"]]
    return shown.split()[-1].rpartition(".")[2] if shown.strip() else ""


def _without(text: str, doomed: list[dict[str, Any]]) -> str:
    """Return a text with ruff's fixes of some findings made, the last one first; what overlaps is left."""
    starts = [0, *(match.end() for match in NEWLINE.finditer(text))]
    edits = {
        (_offset(edit["location"], starts), _offset(edit["end_location"], starts), edit["content"])
        for each in doomed
        for edit in each["fix"]["edits"]
    }
    limit = len(text)
    for begin, end, new in sorted(edits, reverse=True):
        if end <= limit:
            text, limit = text[:begin] + new + text[end:], begin
    return text


def _offset(place: dict[str, int], starts: list[int]) -> int:
    return starts[min(place["row"], len(starts)) - 1] + place["column"] - 1


def _check(text: str) -> list[dict[str, Any]]:
    shown = _ruff(text, "--select", _RULES, "--output-format", "json", "--exit-zero")
    try:
        found = json.loads(shown or "[]")
    except ValueError:
        return []
    # What the context has no more, the upgrade itself knows better: ruff takes every parameter for it.
    return [
        each
        for each in found
        if str(each.get("code", "")).startswith(("AIR", _UNUSED)) and _message(each).split()[0] not in _KEYS
    ]


def _ruff(text: str, *arguments: str) -> str:
    """Return what ruff writes about a text, "" if there is no ruff here or it fails."""
    from ruff import find_ruff_bin

    try:
        done = subprocess.run(  # noqa: S603
            [
                *(find_ruff_bin(), "check", "--isolated", "--no-cache", "--quiet", *arguments),
                *("--stdin-filename", "dag.py", "-"),
            ],
            input=text.encode(),
            capture_output=True,
            timeout=_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace")


def _row(found: dict[str, Any]) -> int:
    return int(found["location"]["row"])


def _message(found: dict[str, Any]) -> str:
    return str(found["message"]).replace("`", "").rstrip(";. ")


def _advice(found: dict[str, Any]) -> str:
    fix = found.get("fix") or {}
    return (
        str(fix.get("message") or "").replace("`", "")
        or 'See "Upgrading to Airflow 3" of Airflow\'s documentation.'
    )


def _old_imports(text: str) -> list[tuple[int, str, str]]:
    """Return notes of imports of what Airflow has no more; those that may fail are left out."""
    notes = []
    tree = ast.parse(text)
    guarded = {id(each) for node in ast.walk(tree) if _may_fail(node) for each in ast.walk(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom) or id(node) in guarded:
            continue
        gone: list[str] = []
        if isinstance(node, ast.Import):
            gone = [each.name for each in node.names if is_missing(each.name)]
        elif node.module and not node.level:
            gone = [
                f"{node.module}.{each.name}"
                for each in node.names
                if each.name not in GONE and each.name != "*" and is_missing(node.module, each.name)
            ]
        for name in gone:
            advice = _ADVICE.get(".".join(name.split(".")[:2]), "Remove the import, or take its successor.")
            notes.append((node.lineno, f"{name} does not exist in Airflow 3.", advice))
    return notes


def _may_fail(node: ast.AST) -> bool:
    """Tell whether a statement tries something that an ``except ImportError`` or the like takes."""
    if not isinstance(node, ast.Try):
        return False
    caught = {
        each.id if isinstance(each, ast.Name) else ""
        for handler in node.handlers
        for each in (handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type])
    }
    return bool(caught & {"ImportError", "ModuleNotFoundError", "Exception"}) or any(
        handler.type is None for handler in node.handlers
    )
