"""The rules of the save gate: from what a parse found, and what stands elsewhere, to problems in words."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.dags.triggers import loops
from couture_workflow.services.files.artifacts import KIND as ARTIFACTS
from couture_workflow.services.files.dependencies import KIND as DEPENDENCIES
from couture_workflow.services.files.kinds import FileKind
from couture_workflow.services.gate import findings
from couture_workflow.services.gate.graph import DagGraph
from couture_workflow.services.gate.parses import Call
from couture_workflow.services.gate.problems import Known, Level, Problem
from couture_workflow.store.names import quote

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

#: (task, name) -> where the name stands: line, column, end line, end column.
Places = Mapping[tuple[str, str], tuple[int, int, int, int]]

#: The operator that waits for the DAG that it runs.
_WAITS = "DagOperator"
_KINDS: dict[str, FileKind] = {kind.noun: kind for kind in (ARTIFACTS, DEPENDENCIES)}
_REGULAR_EXPRESSION = re.compile(r"\.\*|\.\+|^\^|\$$|\\[.\w]|\.\{")
_IGNORE_FILE = ".airflowignore"


def colliding_paths(files: Collection[str], changed: Collection[str]) -> Iterator[Problem]:
    """Find paths that are one on a file system that does not tell capitals from small letters."""
    spelled: dict[str, set[str]] = defaultdict(set)
    for path in files:
        for prefix in _prefixes(path):
            spelled[unicodedata.normalize("NFC", prefix).casefold()].add(prefix)
    first: dict[str, str] = {}  # what is colliding -> the first changed file that it is, or that is in it
    for path in sorted(changed):
        for prefix in _prefixes(path):
            first.setdefault(prefix, path)
    for same in spelled.values():
        touched = [first[each] for each in same if each in first] if len(same) > 1 else []
        if touched:
            others = ", ".join(quote(each) for each in sorted(same))
            yield Problem(
                "error",
                "same-path",
                f"{others} differ in capital letters only. On some computers they are one file.",
                min(touched),
                advice="Rename one of them.",
            )


def _prefixes(path: str) -> Iterator[str]:
    """Iterate over the folders that a file is in, and the file."""
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))


def ignore_files(files: Mapping[str, bytes], changed: Collection[str], *, syntax: str) -> Iterator[Problem]:
    """Find lines of changed ``.airflowignore`` files that are regular expressions where globs go."""
    if syntax != "glob":
        return
    for path in changed:
        if path.rpartition("/")[2] != _IGNORE_FILE or path not in files:
            continue
        for number, line in enumerate(files[path].decode("utf-8", "replace").splitlines(), 1):
            pattern = line.partition("#")[0].strip()
            if _is_regular_expression(pattern):
                yield Problem(
                    "warning",
                    "ignore-syntax",
                    f"{quote(pattern)} looks like a regular expression. Airflow 3 reads this file like "
                    ".gitignore, so it matches something else or nothing.",
                    path,
                    number,
                    advice='Write it as a glob, such as "tests/" or "*_draft.py"; or set [core] '
                    "dag_ignore_file_syntax to regexp.",
                )


def _is_regular_expression(pattern: str) -> bool:
    opening, closing = pattern.find("("), pattern.rfind(")")
    choice = 0 <= opening < closing and "|" in pattern[opening:closing]
    return choice or _REGULAR_EXPRESSION.search(pattern) is not None


def duplicates(
    ids: Mapping[str, Iterable[str]],
    graphs: Iterable[DagGraph],
    known: Known,
    *,
    concerned: Collection[str],
    places: Mapping[tuple[str, str], Places],
) -> Iterator[Problem]:
    """Find DAG ids that more than one file defines.

    :param ids: DAG file -> the DAGs in it.
    :param concerned: files that are told about it.
    :param places: (DAG file, DAG) -> where names stand in it.
    """
    spots = {
        (graph.path, graph.dag_id): places.get((graph.path, graph.dag_id), {}).get(
            ("", graph.dag_id), (graph.line, 0, 0, 0)
        )
        for graph in graphs
    }
    owners: dict[str, list[str]] = defaultdict(list)
    for path in sorted(ids):
        for dag_id in set(ids[path]):
            owners[dag_id].append(path)
    for dag_id, paths in sorted(owners.items()):
        elsewhere = [known.dag_ids[dag_id]] if dag_id in known.dag_ids else []
        for path in paths:
            others = [*islice((other for other in paths if other != path), 3), *elsewhere]
            if others and path in concerned:
                yield Problem(
                    "error",
                    "duplicate-dag",
                    f"The DAG id {quote(dag_id)} is also defined in {' and '.join(others[:3])}. Airflow "
                    "would show now one, now the other.",
                    path,
                    *spots.get((path, dag_id), (0, 0, 0, 0)),
                    advice="Give one of them another dag_id.",
                )


def call_loops(
    calls: Iterable[Call], graphs: Iterable[DagGraph], *, places: Mapping[tuple[str, str], Places]
) -> Iterator[Problem]:
    """Find DAGs that run themselves in the end, and name the way.

    A loop of our own operator, which waits, can never end. One through Airflow's trigger may be meant.

    :param calls: those of the whole tree.
    :param places: (DAG file, DAG) -> where names stand in it.
    """
    spots = {
        (graph.dag_id, task.id): (
            graph.path,
            *places.get((graph.path, graph.dag_id), {}).get((task.id, task.child), (task.line, 0, 0, 0)),
        )
        for graph in graphs
        for task in graph.tasks
        if task.child
    }
    of: dict[str, list[tuple[str, str]]] = defaultdict(list)
    waiting: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for dag_id, task, child, operator in calls:
        of[dag_id].append((task, child))
        if operator == _WAITS:
            waiting[dag_id].append((task, child))
    endless = set(loops(waiting))
    levels: list[tuple[Level, tuple[tuple[str, str], ...]]] = [("error", loop) for loop in endless]
    levels += [("warning", loop) for loop in loops(of) if loop not in endless]
    for level, loop in levels:
        place = next((spots[step] for step in loop if step in spots), None)
        if place is not None:
            way = " → ".join([*(f"{dag_id} (task {task})" for dag_id, task in loop), loop[0][0]])
            yield Problem(
                level,
                "dag-loop",
                f"These DAGs would run each other for ever: {way}.",
                *place,
                advice="Let one of these tasks run another DAG.",
            )


def missing_children(
    graphs: Iterable[DagGraph],
    ids: Collection[str],
    known: Known,
    *,
    places: Mapping[tuple[str, str], Places],
) -> Iterator[Problem]:
    """Find tasks that run a DAG which nobody defines.

    :param places: (DAG file, DAG) -> where names stand in it.
    """
    for graph in graphs:
        for task in graph.tasks:
            if task.child and task.child not in ids and task.child not in known.dag_ids:
                yield Problem(
                    "warning",
                    "missing-dag",
                    f"The task {quote(task.id)} runs the DAG {quote(task.child)}, which does not exist.",
                    task.path or graph.path,
                    *places.get((graph.path, graph.dag_id), {}).get(
                        (task.id, task.child), (task.line, 0, 0, 0)
                    ),
                    advice="Add that DAG, or correct the name.",
                )


def vanished(
    old: Mapping[str, Iterable[str]], ids: Collection[str], calls: Collection[Call]
) -> Iterator[Problem]:
    """Find DAGs that a changed file had and that no file has any more.

    :param old: changed file -> the DAGs that it had.
    """
    users: dict[str, set[str]] = defaultdict(set)
    for user, task, child, _ in calls:
        users[child].add(f"the task {task} of {user}")
    for path, had in sorted(old.items()):
        for dag_id in sorted(set(had)):
            if dag_id not in ids:
                named = sorted(users.get(dag_id, ()))
                used = f" It is run by {', '.join(named[:3])}." if named else ""
                yield Problem(
                    "warning",
                    "vanished-dag",
                    f"The DAG {quote(dag_id)} is no longer defined: it will not run any more.{used}",
                    path,
                )


def removed_tasks(graphs: Collection[DagGraph], known: Known) -> Iterator[Problem]:
    """Find tasks that unfinished runs still have to do, and that their DAG has no more."""
    now = {graph.dag_id: graph for graph in graphs}
    if not now or known.waiting is None:
        return
    tasks = {dag_id: {task.id for task in graph.tasks} for dag_id, graph in now.items()}
    for each in known.waiting(now.keys()):
        if each.task not in tasks.get(each.dag_id, {each.task}):
            runs = "1 unfinished run has" if each.runs == 1 else f"{each.runs} unfinished runs have"
            what = (
                "A run goes on with the version of the DAG that it started with, so it does the task; not if "
                "it is cleared to run with the latest version."
                if each.pinned
                else "Without versions of DAG bundles a run goes on with the newest DAG: the task is marked "
                "as removed and not done."
            )
            yield Problem(
                "warning",
                "removed-task",
                f"The task {quote(each.task)} of the DAG {quote(each.dag_id)} is removed, and {runs} still "
                f"to do it. {what}",
                now[each.dag_id].path,
                now[each.dag_id].line,
                advice="Let these runs end first if that matters. A task that gets another name counts as "
                "removed.",
            )


def references(
    graph: DagGraph, found: Mapping[str, Any], *, store: Store | None, known: Known
) -> Iterator[Problem]:
    """Find files, connections and variables that a DAG names and that are not there.

    :param found: the DAG as the sandbox told it.
    """
    tasks = {task.id: (task.path or graph.path, task.line) for task in graph.tasks}
    places = findings.places(found)

    def missing(code: str, what: str, name: str, task: str, advice: str) -> Problem:
        path, line = tasks.get(task, (graph.path, 0))
        return Problem(
            "warning", code, f"The task {quote(task)} names the {what} {quote(name)}, which does not exist.",
            path, *places.get((task, name), (line, 0, 0, 0)), advice=advice,
        )  # fmt: skip

    for noun, name, task in _rows(found.get("mentions"), 3):
        kind = _KINDS.get(noun)
        if (
            store is not None
            and kind is not None
            and name
            and "{" not in name
            and not _exists(store, noun, name)
        ):
            yield missing(f"missing-{noun}", kind.one, name, task, "Upload it, or correct the name.")
    templates = _rows(found.get("templates"), 3)
    wanted = [(name, task) for name, task in _rows(found.get("connections"), 2)]
    wanted += [(name, task) for kind_, name, task in templates if kind_ == "connection"]
    if known.connections is not None and known.complete:
        for name, task in dict.fromkeys(wanted):
            if name not in known.connections:
                yield missing(
                    "missing-connection", "connection", name, task, "Add it under Admin > Connections."
                )
    if known.variables is not None and known.complete:
        for name, task in dict.fromkeys(
            (name, task) for kind_, name, task in templates if kind_ == "variable"
        ):
            if name not in known.variables:
                yield missing("missing-variable", "variable", name, task, "Add it under Admin > Variables.")


def _exists(store: Store, noun: str, name: str) -> bool:
    try:
        getattr(store, noun).get(name)
    except CoutureError:
        return False
    return True


def _rows(data: object, length: int) -> list[tuple[str, ...]]:
    rows = data if isinstance(data, list) else []
    return [tuple(map(str, row)) for row in rows[:10_000] if isinstance(row, list) and len(row) == length]


def walls_missing(standing: Collection[str]) -> Iterator[Problem]:
    """Tell which walls of the sandbox this system does not offer."""
    texts: tuple[tuple[str, Level, str, str], ...] = (
        (
            "landlock",
            "note",
            "This system does not offer Landlock: a DAG file that is checked could read the server's files"
            + ("." if "mounts" not in standing else ", but not this product's state."),
            "Use Linux 5.13 or newer with Landlock enabled.",
        ),
        (
            "seccomp",
            "note",
            "This system does not offer seccomp: a DAG file that is checked could start processes or use the "
            "network.",
            "Use Linux on x86-64 or 64-bit Arm.",
        ),
        (
            "namespaces",
            "note",
            "This system does not let the server make namespaces, as in most containers: one wall less "
            "around a DAG file that is checked. "
            + ("The others hold." if {"landlock", "seccomp"} <= set(standing) else ""),
            "Nothing needs to be done.",
        ),
    )
    for wall, level, message, advice in texts:
        if wall not in standing:
            yield Problem(level, "sandbox", message, advice=advice)
