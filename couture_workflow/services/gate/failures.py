"""Why a DAG file could not be parsed, in words: the place in the user's own file, and what to do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from couture_workflow.services.gate.problems import Problem
from couture_workflow.services.gate.sandbox import Parsed
from couture_workflow.services.processes.walls import Limits
from couture_workflow.services.upgrade import apart as upgrade_apart
from couture_workflow.services.upgrade.upgrading import knows_module, looks_old
from couture_workflow.store.names import quote

UPGRADE = "It was written for an older Airflow. Upgrade this file."
_OUTSIDE = (
    "While a file is checked it cannot start programs, use the network, read files outside of the DAG "
    "repository or write any but temporary ones. Do that in a task."
)
_NO_EXIT = "Do not exit outside of tasks."
_LONGEST = 1000


def failures(parsed: Iterable[Parsed], files: Mapping[str, bytes], *, limits: Limits) -> list[Problem]:
    """Return why files could not be parsed; an error in a module that many import is told once."""
    found: dict[Problem, list[str]] = {}
    late = 0
    parsed = list(parsed)
    old = _old(parsed, files)
    for each in parsed:
        if each.why == "late":
            late += 1
        elif each.why:
            found.setdefault(_ended(each, limits), []).append(each.path)
        for error in _errors(each):
            found.setdefault(_problem(each, error, old), []).append(each.path)
    if late:
        text = f"For want of time, {late} DAG files that need a changed one were not loaded."
        found[Problem("warning", "not-checked", text, advice="Look at Manage DAGs after the save.")] = []
    return [_with_importers(problem, paths) for problem, paths in found.items()]


def parse_warnings(parsed: Iterable[Parsed], *, concerned: Collection[str]) -> Iterator[Problem]:
    """Iterate over what Airflow and Python warned of while files were parsed.

    :param concerned: files that are told about it.
    """
    for each in parsed:
        for warning in each.found.get("warnings") or ():
            if isinstance(warning, dict) and (path := str(warning.get("path"))) in concerned:
                kind = str(warning.get("type"))
                deprecated = "Deprecat" in kind or "RemovedIn" in kind
                yield Problem(
                    "note" if deprecated else "warning",
                    "deprecated" if deprecated else "parse-warning",
                    str(warning.get("message"))[:_LONGEST],
                    path,
                    _number(warning.get("line")),
                )


def _errors(each: Parsed) -> list[Mapping[str, Any]]:
    found = each.found.get("errors")
    return [error for error in found if isinstance(error, dict)] if isinstance(found, list) else []


def _ended(each: Parsed, limits: Limits) -> Problem:
    how = f"by signal {-each.status}" if each.status < 0 else f"with the exit code {each.status}"
    code, message, advice = {
        "time": (
            "too-slow",
            f"The file takes more than {limits.seconds} seconds to load.",
            "Move what takes long into a task. Airflow loads the file again and again.",
        ),
        "threads": ("sandbox", "The file starts too many threads while it is loaded.", _OUTSIDE),
        "scratch": (
            "sandbox",
            f"The file writes more than {limits.scratch // 2**20} MB of files while it is loaded.",
            _OUTSIDE,
        ),
        "output": ("sandbox", "The DAGs of the file are too large to be looked at.", "Split the file."),
        "forged": (
            "sandbox",
            "The file writes into the channel by which the process that loads it answers, so nobody knows "
            "what is in it.",
            "Write to no file descriptor that the file did not open itself.",
        ),
        "failed": ("not-checked", "The file could not be checked: the check itself failed.", "Try again."),
        "ended": (
            "ended",
            f"The file ends the process that loads it, {how}.",
            f"{_NO_EXIT} If the file does not, a library that it imports crashes, or "
            f"needs more than {limits.memory // 2**20} MB of memory.",
        ),
    }.get(each.why, ("not-checked", "The file could not be checked.", "Try again."))
    return Problem("error", code, message, each.path, advice=advice)


def _old(parsed: Iterable[Parsed], files: Mapping[str, bytes]) -> set[str]:
    """Return the files with errors that an upgrade would change: all of them are asked about at once."""
    paths = {_place(error, each.path)[0] for each in parsed for error in _errors(each) if _may_be_old(error)}
    texts = [(path, files.get(path, b"").decode("utf-8", "replace")) for path in sorted(paths)]
    asked = [(path, text) for path, text in texts if looks_old(text)]
    return {path for (path, _), old in zip(asked, upgrade_apart.would_change(asked), strict=True) if old}


def _problem(each: Parsed, error: Mapping[str, Any], old: Collection[str]) -> Problem:
    kind = str(error.get("type"))
    message = _SERVER_PATH.sub("", str(error.get("message"))[:_LONGEST])
    path, line = _place(error, each.path)
    code, text, advice = _explained(kind, message, error)
    if code == "import" and path in old and _may_be_old(error):
        advice = UPGRADE
    made_up = [str(name) for name in (each.found.get("asked") or {}).get("made_up") or ()]
    if made_up and code == "import":
        names = ", ".join(sorted(set(made_up))[:5])
        return Problem(
            "warning",
            "needs-variable",
            f"The file could not be checked to its end without the value of the variable {names}: {text}",
            path,
            line,
            *_part(error, line),
            advice=f"Set AIRFLOW_VAR_{made_up[0].upper()} in the environment, or read it in a task.",
        )
    if not any(place := _part(error, line)) and kind in _SYNTAX:
        place = (_number(error.get("column")), 0, 0)
    return Problem("error", code, text, path, line, *place, advice=advice)


#: Where a module lies on the server, at the end of Python's message.
_SERVER_PATH = re.compile(r" \((?:/[^()]*|unknown location)\)$")
#: A module that is not there, or has not what is imported.
_MISSING = re.compile(
    r"No module named '([\w.]+)'|cannot import name '\w+' from (?:partially initialized module )?'([\w.]+)'"
)
_VARIABLE = re.compile(r"Variable (.+?) not found")
#: Errors that have words of their own -> code, message with the error's at {}, advice.
_KINDS = {
    "AirflowDagCycleException": ("cycle", "{}", "Remove one of these dependencies."),
    "DuplicateTaskIdFound": ("duplicate-task", "{}", "Give one of them another task_id."),
    "NotStoredError": (
        "not-stored",
        "{} The DAG would never appear.",
        "Give such a value as text, or make it in the task itself: Airflow keeps arguments in its database.",
    ),
    "MemoryError": (
        "memory",
        "The file needs too much memory while it is loaded.",
        "Move the work into a task.",
    ),
    "KeyboardInterrupt": (
        "ended",
        "The file ends the process that loads it, by raising KeyboardInterrupt.",
        _NO_EXIT,
    ),
    "AirflowTaskTimeout": (
        "too-slow",
        "The file takes too long to load.",
        "Move what takes long into a task.",
    ),
}
_SYNTAX = ("SyntaxError", "IndentationError", "TabError")


def _explained(kind: str, message: str, error: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return code, message and advice."""
    if kind in _SYNTAX:
        return "syntax", _sentence(f"Syntax error: {message}"), ""
    if "VARIABLE_NOT_FOUND" in message:
        name = _VARIABLE.search(message)
        return (
            "missing-variable",
            f"The variable {quote(name[1])} does not exist." if name else _sentence(message),
            "Add it under Admin > Variables, or give Variable.get a default.",
        )
    if kind == "AirflowNotFoundException" and "conn_id" in message:
        return "missing-connection", _sentence(message), "Add it under Admin > Connections."
    if kind in _KINDS:
        code, text, advice = _KINDS[kind]
        return code, text.format(_sentence(message)), advice
    if error.get("errno") in (1, 13, 30) or kind in ("PermissionError", "ConnectionError"):
        return "sandbox", _sentence(f"{kind}: {message}"), _OUTSIDE
    if kind == "ModuleNotFoundError":
        return "import", _sentence(message), _missing_module(str(error.get("name") or ""))
    return "import", _sentence(f"{kind}: {message}" if message else kind), ""


def _missing_module(name: str) -> str:
    if name.startswith("airflow.providers."):
        words = name.split(".")[2:4]
        return f"Install the provider on the server: apache-airflow-providers-{'-'.join(words[:1])}."
    return "Install it on the server, add it to the DAG repository, or correct the name." if name else ""


def _may_be_old(error: Mapping[str, Any]) -> bool:
    message = str(error.get("message"))[:_LONGEST]
    if found := _MISSING.match(message):
        return knows_module(str(found[1] or found[2]))
    kinds = ("ModuleNotFoundError", "ImportError", "TypeError", "ValueError", "AttributeError")
    return error.get("type") in kinds or "airflow" in message.lower()


def _place(error: Mapping[str, Any], path: str) -> tuple[str, int]:
    frames = error.get("frames")
    if isinstance(frames, list) and frames and isinstance(frames[-1], list) and len(frames[-1]) == 2:
        return str(frames[-1][0]), _number(frames[-1][1])
    return path, 0


def _part(error: Mapping[str, Any], line: int) -> tuple[int, int, int]:
    """Return column, end line and end column of an error, 0 if its place is another one than its line."""
    place = error.get("place")
    if isinstance(place, list) and len(place) == 4 and place[0] == line:
        _, column, end_line, end_column = map(_number, place)
        return column, end_line, end_column
    return 0, 0, 0


def _with_importers(problem: Problem, paths: list[str]) -> Problem:
    importers = sorted({path for path in paths if path != problem.path})
    if not importers or not problem.path:
        return problem
    named = ", ".join(quote(path) for path in importers[:3]) + (" and others" if len(importers) > 3 else "")
    values = {**problem.json(), "message": f"{problem.message} It is imported by {named}."}
    return Problem(**values)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _number(data: object) -> int:
    return data if isinstance(data, int) and 0 <= data < 2**31 else 0
