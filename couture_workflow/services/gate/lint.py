"""What the text of a DAG file tells without running it: syntax, and ruff's rules for Airflow.

Ruff is a process of its own, so that text made to break a parser cannot take this one along.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

from couture_workflow.services.gate import progress
from couture_workflow.services.gate.problems import Level, Problem
from couture_workflow.services.upgrade.present import is_missing

#: Rules that a DAG file is looked at with. AIR: Airflow's own; PLE and F: code that fails when it is reached;
#: B023: a loop variable that every task of a loop sees with its last value.
RULES = (
    "F",
    "AIR002",
    "AIR003",
    "AIR201",
    "AIR301",
    "AIR302",
    "AIR303",
    "AIR304",
    "AIR311",
    "AIR312",
    "AIR321",
    "B006",
    "B023",
    "E722",
    "PLE",
)
#: Rules of style: said, but nothing is wrong.
NOTES = frozenset({"AIR201", "AIR311", "AIR312", "AIR321", "F401", "F541", "F841"})

#: Those of names that Airflow 3.0 still had.
_STILL_WORKS = frozenset({"AIR311", "AIR312"})

#: Seconds that ruff may take for one file; it takes about 20 ms for an ordinary one.
PATIENCE = 10.0
#: Bytes of source that are looked at; more is a data file.
LARGEST = 4 * 2**20

_NEWLINE = re.compile(r"\r\n?|\n")
_READ = "AIR003"
_USED = re.compile(r"(?<![\w.])(\w+)[ \t]*\(")
_DEFINED = re.compile(r"\bdef[ \t]+(\w+)[ \t]*\(")
_AS_PROGRAM = re.compile(r"if\s+__name__\s*==")
_FUNCTION = re.compile(r"\s*(?:async\s+)?def\s+(\w+)")
_SIGNATURE_END = re.compile(r"\)[^()]*:\s*(?:#.*)?$|\):")

_SETTINGS = (
    "--isolated",
    "--no-cache",
    "--preview",
    "--config=lint.explicit-preview-rules=true",
    "--config=output-format='json'",
    f"--target-version=py3{sys.version_info.minor}",
    f"--select={','.join(RULES)}",
    "--exit-zero",
)

#: What is said of a value that changes, and what to do.
CHANGES = (
    " gives another value each time that the file is loaded: Airflow makes a new version of the DAG each "
    "time, and a start date that moves may never be reached."
)
FIXED = (
    "Give a fixed value, such as datetime(2026, 1, 1). A task reads the time when it runs: from its "
    "context, or by a template such as {{ ts }}."
)

#: Messages of ruff that contradict themselves or end in the middle -> what is said instead.
_SAID: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"^`sla` is removed in Airflow 3\.0.*$", re.S),
        "`sla` is Airflow 1.10's word. It still works here; task_sla(task, ...) says the same.",
    ),
    (re.compile(r"^(`.{1,500}`) produces a value that changes at runtime; .*$", re.S), rf"\1{CHANGES}"),
    (
        re.compile(r"^(`.{1,500}`) is removed in Airflow 3\.0; It still works in Airflow 3\.0 but .*$", re.S),
        r"\1 is deprecated since Airflow 3.0. It still works; a later version will not have it.",
    ),
    (
        re.compile(
            r"^(`.{1,500}`) is deprecated and (moved into `.{1,200}` provider in Airflow 3\.0); It still .*$",
            re.S,
        ),
        r"\1 was \2. The old place still works; a later version will not have it.",
    ),
    (re.compile(r"^(`.{1,500}`) is (moved into `.{1,200}` provider in Airflow 3\.0);$", re.S), r"\1 was \2."),
)

_ADVICE = {
    "AIR301": "Airflow 3 no longer has it. Remove it, or upgrade this file: that rewrites what it can.",
    "AIR302": "It moved out of Airflow's core. Import it from the provider that has it.",
    "AIR003": "It is read each time the file is parsed. Read it in a task, or with a template such as "
    "{{ var.value.name }}.",
    "AIR304": FIXED,
    "B023": "Give the function the value as an argument, such as def task(value=value).",
}


@dataclass(frozen=True)
class Fix:
    """A change of the text that removes a problem.

    :param safe: it cannot change what the code does.
    :param edits: each (line, column, end line, end column, new text), columns from 1.
    """

    title: str
    safe: bool
    edits: tuple[tuple[int, int, int, int, str], ...]


def quick(path: str, source: str) -> list[Problem]:
    """Return what is wrong with the text of one Python file, in well under 100 ms.

    :param path: shown in the problems; the file need not exist.
    """
    return [problem for problem, _ in look(path, source)]


def look(path: str, source: str) -> list[tuple[Problem, Fix | None]]:
    """Return what is wrong with the text of one Python file, each with ruff's way to put it right, if any.

    :param path: shown in the problems; the file need not exist.
    """
    if not path.endswith(".py"):
        return []
    if "\0" in source:
        return [
            (Problem("error", "syntax", "A Python file cannot contain the character NUL.", path, 1), None)
        ]
    if len(source) > LARGEST:
        return [(Problem("note", "not-linted", "The file is too large to be looked at by ruff.", path), None)]
    try:
        done = subprocess.run(  # noqa: S603
            [_ruff(), "check", *_SETTINGS, f"--stdin-filename={_file_name(path)}", "-"],
            input=source.encode("utf-8", "replace"),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            cwd="/",
        )
        found = json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        found = None
    if not isinstance(found, list):
        return [(Problem("warning", "not-linted", "Ruff gave up on this text.", path), None)]
    passed_over = _for_tasks(source) if any(finding.get("code") == _READ for finding in found) else set()
    return [
        (_problem(path, finding), _fix(finding))
        for finding in found
        if not _works_here(finding)
        and not (finding.get("code") == _READ and finding["location"]["row"] in passed_over)
    ]


def lint(files: Mapping[str, bytes], *, told: progress.Told = progress.to_nobody) -> list[Problem]:
    """Return what is wrong with the text of several files."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.map(lambda path: quick(path, files[path].decode("utf-8", "replace")), files)
        done = progress.counted(found, what="read", total=len(files), told=told)
        return [problem for problems in done for problem in problems]


def _works_here(finding: Mapping[str, Any]) -> bool:
    """Tell whether ruff misses something of Airflow that this product has: see ``services.sla``."""
    return finding.get("code") == "AIR301" and str(finding["message"]).startswith("`sla_miss_callback`")


def _for_tasks(source: str) -> set[int]:
    """Return the lines of functions that nothing in the file calls, so that they are handed to an operator.

    With them those that count only where the file is run as a program.

    The lines are looked at, not parsed: what they do not show is left to ruff.
    """
    lines = _NEWLINE.split(source)
    uses = Counter(_USED.findall(source))
    uses.subtract(_DEFINED.findall(source))
    found: set[int] = set()
    above: list[tuple[int, bool]] = []  # the lines around one: depth, and whether they are such a function
    signature = False
    for at, line in enumerate(lines):
        if not signature and line.strip() and not line.lstrip().startswith(("#", ")")):
            while above and above[-1][0] >= _depth(line):
                above.pop()
            handed_on = bool(above) and above[-1][1]
            if handed_on:
                found.add(at + 1)
            if function := _FUNCTION.match(line):
                decorated = at > 0 and lines[at - 1].lstrip().startswith("@")
                by_python = function[1].startswith("__")
                handed_on = uses[function[1]] <= 0 and not decorated and not by_python
                signature = True
            elif _AS_PROGRAM.match(line):
                handed_on = True
            above.append((_depth(line), handed_on))
        if signature and _SIGNATURE_END.search(line):
            signature = False
    return found


def _depth(line: str) -> int:
    expanded = line.expandtabs()
    return len(expanded) - len(expanded.lstrip())


@cache
def _ruff() -> str:
    from ruff import find_ruff_bin

    return str(find_ruff_bin())


def _file_name(path: str) -> str:
    """Return a name that makes ruff see Python, whatever the path holds (it treats __init__.py apart)."""
    return "__init__.py" if path.rpartition("/")[2] == "__init__.py" else "dag.py"


def _problem(path: str, finding: Mapping[str, Any]) -> Problem:
    code, start, end = finding.get("code") or "", finding["location"], finding["end_location"]
    is_syntax = code in ("", "invalid-syntax", "E999") or finding.get("name") == "invalid-syntax"
    level: Level = "error" if is_syntax else "note" if code in NOTES else "warning"
    message = _said(str(finding["message"]))
    if code in _STILL_WORKS and (gone := _gone(str(finding["message"]))):
        level, message = "warning", f"`{gone}` does not exist in the Airflow that is installed here."
    return Problem(
        level,
        "syntax" if is_syntax else code,
        _sentence(f"Syntax error: {message.removeprefix('SyntaxError: ')}" if is_syntax else message),
        path,
        start["row"],
        start["column"],
        end["row"],
        end["column"],
        _advice(code, finding),
    )


def _advice(code: str, finding: Mapping[str, Any]) -> str:
    """Return what to do: with Airflow's rules the name of the new thing, which ruff tells of the fix only."""
    title = str((finding.get("fix") or {}).get("message") or "")
    return _sentence(title) if title and code.startswith("AIR") else _ADVICE.get(code, "")


def _gone(message: str) -> str:
    """Return the name that a message is about if Airflow has it no more, else ""."""
    name = message.removeprefix("`").partition("`")[0]
    module, _, last = name.rpartition(".")
    return name if module and is_missing(module, last) and is_missing(name) else ""


def _said(message: str) -> str:
    """Return a message of ruff in words that agree with each other."""
    for pattern, words in _SAID:
        if pattern.match(message):
            return pattern.sub(words, message)
    return message


def _fix(finding: Mapping[str, Any]) -> Fix | None:
    fix = finding.get("fix")
    if not fix or fix["applicability"] == "display":
        return None
    edits = tuple(
        (
            *(edit[end][part] for end in ("location", "end_location") for part in ("row", "column")),
            edit["content"],
        )
        for edit in fix["edits"]
    )
    return Fix(str(fix.get("message") or "Apply ruff's fix"), fix["applicability"] == "safe", edits)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
