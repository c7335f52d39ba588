"""What a DAG file does each time that it is loaded, and should not: from findings of the sandbox to words.

Ruff's rules look at the text while it is typed. Of a file that was loaded, what happened counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from couture_workflow.services.gate import findings, lint
from couture_workflow.services.gate.problems import Problem
from couture_workflow.services.gate.sandbox import Parsed
from couture_workflow.store.names import quote

#: Ruff's rules that the sandbox knows better, of files that it loaded.
_BY_TEXT, _CHANGING = "AIR003", "AIR304"
_AGAIN = "Airflow loads DAG files again and again, also for each task"
#: What was seen -> code, message with the name at {}, advice.
_SAID = {
    "variable": (
        "variable-at-load",
        f"The variable {{}} is read while the file is loaded. {_AGAIN}: each time costs a request.",
        "Read it in a task, or give an operator a template such as {{ var.value.name }}.",
    ),
    "connection": (
        "connection-at-load",
        f"The connection {{}} is read while the file is loaded. {_AGAIN}: each time costs a request.",
        "Give an operator the id of the connection, and use hooks in tasks only.",
    ),
    "import": (
        "import-at-load",
        f"{{}} is imported while the file is loaded. {_AGAIN}: each time costs its time and memory.",
        "Import it in the function of the task that uses it; for annotations, below if TYPE_CHECKING:.",
    ),
    "network": (
        "network-at-load",
        f"The network is used while the file is loaded. {_AGAIN}: with a slow answer all DAGs wait, and with "
        "another answer the DAG is another one.",
        "Ask in a task. What DAGs are made from belongs in a file beside them.",
    ),
}


def problems(
    parsed: Iterable[Parsed], text: Iterable[Problem], *, concerned: Collection[str]
) -> list[Problem]:
    """Return what files do while they are loaded.

    :param text: what ruff says.
    :param concerned: files that are told about it.
    """
    said: dict[str, list[int]] = defaultdict(list)
    for problem in text:
        if problem.code == _CHANGING:
            said[problem.path].append(problem.line)
    found = (problem for each in parsed for problem in _problems(each, said, concerned))
    return list(dict.fromkeys(found))


def instead(
    text: Iterable[Problem], found: Collection[Problem], *, unknown: Collection[str]
) -> Iterator[Problem]:
    """Iterate over what ruff says, without what it only supposes and what is known better now.

    :param found: what files do while they are loaded.
    :param unknown: files that could not be loaded.
    """
    seen = {(each.path, each.line) for each in found}
    for problem in text:
        if problem.code != _BY_TEXT or (problem.path in unknown and (problem.path, problem.line) not in seen):
            yield problem


def _problems(
    each: Parsed, said: Mapping[str, Sequence[int]], concerned: Collection[str]
) -> Iterator[Problem]:
    failed = bool(each.found.get("errors"))
    for row in _rows(each.found.get("loading")):
        code, name = (str(row.get(key) or "") for key in ("code", "name"))
        path, place, where = _place(row, concerned)
        if path not in concerned:
            continue
        if code == "changing":
            first, last, origin = place[0], place[2], row.get("origin")
            if not any(first <= line <= last or line == origin for line in said.get(path, ())):
                told = ("changing-value", f"`{name}`{lint.CHANGES}", lint.FIXED)
                yield Problem("warning", told[0], told[1], path, *place, advice=told[2])
        elif code in _SAID and not (code == "network" and failed):  # then the error says it
            kind, message, advice = _SAID[code]
            yield Problem("warning", kind, message.format(quote(name)) + where, path, *place, advice=advice)


def _place(row: Mapping[str, Any], concerned: Collection[str]) -> tuple[str, findings.Place, str]:
    """Return file and place; of what a module does that did not change, those of the line that calls it."""
    path, place = str(row.get("path")), findings.place(row.get("place"))
    by = row.get("by")
    if path in concerned or row.get("code") == "import" or not isinstance(by, list) or len(by) != 2:
        return path, place, ""
    return str(by[0]), findings.place(by[1]), f" This is done in {quote(path)}, line {place[0]}."


def _rows(data: object) -> list[dict[str, Any]]:
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
