"""`couture-workflow dags lint`."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from couture_workflow.cli.commands import Command, Option, path, report
from couture_workflow.exceptions import InvalidError
from couture_workflow.store.names import printable

if TYPE_CHECKING:
    from couture_workflow.services.gate.folders import Folder
    from couture_workflow.services.gate.problems import Problem, Report

#: Level of a problem -> kind of an annotation on GitHub.
_GITHUB = {"error": "error", "warning": "warning", "note": "notice"}
#: Level of a problem -> severity in a report of GitLab.
_GITLAB = {"error": "blocker", "warning": "minor", "note": "info"}
#: Seconds between two lines that say how far a check is, and of how many files it has to be.
_EVERY, _MANY = 5.0, 50


def lint(arguments: argparse.Namespace) -> int:
    """Check DAG files as the save gate does, without a home or a database."""
    from couture_workflow.services.gate import folders as dag_folders

    dag_folders.without_home()
    try:
        folder = dag_folders.read(arguments.paths, root=arguments.root)
    except InvalidError as error:
        sys.stderr.write(f"couture-workflow: {error}\n")
        return 2
    found = folder.check(parse=arguments.parse, told=Waiting())
    _FORMATS[arguments.format](found, folder)
    return 1 if found.errors or (arguments.strict and found.warnings) else 0


class Waiting:
    """Says on standard error how far a check is, so that nobody takes a long one for one that hangs.

    :param every: seconds between two lines.
    :param many: files from which on it says something.
    """

    def __init__(self, every: float = _EVERY, many: int = _MANY) -> None:
        self._every, self._many = every, many
        self._next = time.monotonic() + every

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take note of how many files are done, and say so if it is time."""
        if total >= self._many and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            _aside(f"{what} {done:,} of {total:,} files")


def _text(found: Report, folder: Folder, *, say: Callable[[str], None] = report) -> None:
    for problem in found.problems:
        place = ":".join(
            [_shown(problem, folder), *(str(number) for number in (problem.line, problem.column) if number)]
        )
        say(f"{place}: {problem.level}: {problem.message} [{problem.code}]")
        if problem.advice:
            say(f"    {problem.advice}")
    say(_summary(found, folder))


def _json(found: Report, folder: Folder) -> None:
    problems = [{**problem.json(), "path": _shown(problem, folder)} for problem in found.problems]
    answer = {
        "passed": found.passed,
        "files": len(folder.chosen),
        "dags": sorted({graph.dag_id for graph in found.graphs}),
        "problems": problems,
    }
    report(json.dumps(answer, indent=2, ensure_ascii=False))


def _github(found: Report, folder: Folder) -> None:
    for problem in found.problems:
        places = {
            "file": _shown(problem, folder) if problem.path else "",
            "line": problem.line,
            "endLine": problem.end_line,
            "col": problem.column,
            "title": problem.code,
        }
        shown = ",".join(f"{name}={_property(str(value))}" for name, value in places.items() if value)
        text = f"{problem.message} {problem.advice}".strip()
        report(f"::{_GITHUB[problem.level]} {shown}::{_escaped(text)}")
    report(_summary(found, folder))


def _gitlab(found: Report, folder: Folder) -> None:
    """Write a report of GitLab's Code Quality; people find the text in the job's log."""
    rows = []
    for problem in found.problems:
        shown = _shown(problem, folder) if problem.path else "."
        told = f"{shown}:{problem.code}:{problem.message}"
        rows.append(
            {
                "description": f"{problem.message} {problem.advice}".strip(),
                "check_name": problem.code,
                "fingerprint": hashlib.sha256(f"{told}:{problem.line}".encode()).hexdigest(),
                "severity": _GITLAB[problem.level],
                "location": {"path": shown, "lines": {"begin": problem.line or 1}},
            }
        )
    report(json.dumps(rows, indent=2, ensure_ascii=False))
    _text(found, folder, say=_aside)


_FORMATS: dict[str, Callable[[Report, Folder], None]] = {
    "text": _text,
    "json": _json,
    "github": _github,
    "gitlab": _gitlab,
}


def _aside(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _summary(found: Report, folder: Folder) -> str:
    notes = len(found.problems) - len(found.errors) - len(found.warnings)
    return (
        f"{len(folder.chosen)} file(s) checked, {len(found.graphs)} DAG(s): {len(found.errors)} error(s), "
        f"{len(found.warnings)} warning(s), {notes} note(s)."
    )


def _shown(problem: Problem, folder: Folder) -> str:
    """Return a path as a person would type it where they are."""
    if not problem.path:
        return str(folder.root)
    return printable(os.path.relpath(folder.root / problem.path, Path.cwd()))


def _escaped(text: str) -> str:
    """Escape the text of an annotation as GitHub's own toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


COMMANDS: dict[str, Command] = {
    "dags lint": Command(
        lint,
        (
            Option(
                ("paths",),
                {"nargs": "+", "type": path, "metavar": "PATH", "help": "DAG file, or folder with DAG files"},
            ),
            Option(
                ("--root",),
                {
                    "type": path,
                    "metavar": "FOLDER",
                    "help": "folder that DAG files import modules from (default: the folder given, else the "
                    "current one)",
                },
            ),
            Option(
                ("--format",),
                {
                    "choices": sorted(_FORMATS),
                    "default": "text",
                    "help": "text, json, annotations of github, or a report of gitlab (default: %(default)s)",
                },
            ),
            Option(
                ("--no-parse",),
                {
                    "dest": "parse",
                    "action": "store_false",
                    "help": "look at the text only: syntax and ruff's rules",
                },
            ),
            Option(("--strict",), {"action": "store_true", "help": "exit with 1 on warnings too"}),
        ),
    )
}
