"""What an upgraded file still has of earlier days: by ruff's Airflow rules, and imports that are gone."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from dataclasses import dataclass
from typing import Any

from couture_workflow.services.upgrade.table import GONE
from couture_workflow.services.upgrade.text import problem

_OLD_IMPORT = re.compile(
    r"airflow\.(operators|sensors|hooks|contrib)(\..+)?|airflow\.utils\.(dates|helpers|weekday)"
)
_RULES = "AIR301,AIR302,AIR303"
_MOVED = "AIR302"
_TIMEOUT = 30.0
_ADVICE = {
    "airflow.operators": "Import it from the provider that has it: airflow.providers.<name>.operators.",
    "airflow.contrib": "Import it from the provider that has it: airflow.providers.<name>. Instead of "
    "SparkSubmitOperator, CoutureSparkOperator and CouturePySparkOperator can be used.",
}


@dataclass(frozen=True)
class Remaining:
    """The text with names moved that ruff knows, and what is left; lines are those of this text."""

    text: str
    changes: tuple[tuple[int, str], ...] = ()
    notes: tuple[tuple[int, str, str], ...] = ()


def remaining(text: str) -> Remaining:
    """Look at a source that was upgraded; without ruff only its imports are looked at."""
    changes: list[tuple[int, str]] = []
    found = _check(text)
    movable = [each for each in found if each["code"] == _MOVED and each.get("fix")]
    if movable:
        moved = _ruff(text, "--fix-only", "--unsafe-fixes", "--select", _MOVED)
        if moved and moved != text and problem(moved) is None:
            changes = [(_row(each), f"{_message(each)} (the import was changed)") for each in movable]
            text = moved
            found = _check(text)
    notes = [(_row(each), f"{_message(each)}.", _advice(each)) for each in found]
    notes += _old_imports(text)
    return Remaining(text, tuple(changes), tuple(notes))


def _check(text: str) -> list[dict[str, Any]]:
    shown = _ruff(text, "--select", _RULES, "--output-format", "json", "--exit-zero")
    try:
        found = json.loads(shown or "[]")
    except ValueError:
        return []
    return [each for each in found if str(each.get("code", "")).startswith("AIR")]


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
    notes = []
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{each.name}" for each in node.names if each.name not in GONE]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        for name in names:
            module = name.rpartition(".")[0] if isinstance(node, ast.ImportFrom) else name
            if isinstance(node, ast.stmt) and _OLD_IMPORT.fullmatch(module):
                advice = _ADVICE.get(
                    ".".join(name.split(".")[:2]), "Remove the import, or take its successor."
                )
                notes.append((node.lineno, f"{name} does not exist in Airflow 3.", advice))
    return notes
