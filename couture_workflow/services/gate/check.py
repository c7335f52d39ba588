"""The save gate: whether DAG files, as they would be after a change, can go live.

Only what a change can have touched is parsed: changed DAG files, those that import a changed module, those
that read a changed file when they were last parsed. What the others define is known from earlier parses.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.dags import sources as dag_sources
from couture_workflow.services.dags.sources import Sources
from couture_workflow.services.gate import (
    failures,
    findings,
    lint,
    listing,
    loading,
    old_files,
    parses,
    progress,
    rules,
    sandbox,
)
from couture_workflow.services.gate.graph import DagGraph, graph_of
from couture_workflow.services.gate.lint import quick
from couture_workflow.services.gate.parses import Parse, Parses
from couture_workflow.services.gate.problems import Known, Problem, Report, ordered
from couture_workflow.services.gate.sandbox import Parsed, Question
from couture_workflow.services.processes.walls import Limits

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

__all__ = ["Known", "Problem", "Report", "check", "graphs", "quick"]

Content = TypeVar("Content")

#: Seconds that files may take in all which did not change, but need one that did.
_PATIENCE = 60.0


def check(
    files: Mapping[str, bytes],
    changed: Collection[str],
    *,
    store: Store | None,
    known: Known | None = None,
    parse: bool = True,
    replaced: Mapping[str, bytes] | None = None,
    told: progress.Told = progress.to_nobody,
) -> Report:
    """Check a whole tree as it would be.

    :param files: every file of the tree after the change.
    :param changed: paths that were written or deleted (deleted ones are not in ``files``).
    :param store: where artifacts and dependencies are looked up and parses are remembered; None: neither.
    :param parse: parse DAG files in the sandbox; without it, text is looked at only.
    :param replaced: what the changed files were before, those that there were.
    :param told: is told how far it is.
    """
    folder = dag_root.current(store.root) if store else ""
    chosen = frozenset(_inside(folder, dict.fromkeys(changed)))
    asked = _Check(
        _inside(folder, files),
        chosen,
        store,
        known or Known(),
        _inside(folder, replaced or {}),
        _beside(folder, files),
        told,
    )
    return _whole(folder, asked.run(parse=parse))


def graphs(
    files: Mapping[str, bytes],
    paths: Collection[str],
    *,
    store: Store | None = None,
    known: Known | None = None,
) -> tuple[DagGraph, ...]:
    """Return the DAGs of some files of a tree, those that cannot be parsed left out.

    :param files: every file of the tree.
    :param paths: the DAG files that are of interest.
    """
    folder = dag_root.current(store.root) if store else ""
    tree_files = _inside(folder, files)
    asked = _Check(tree_files, frozenset(), store, known or Known(), {})
    named = _inside(folder, dict.fromkeys(paths))
    chosen = [path for path in sorted(named) if path.endswith(".py") and path in tree_files]
    if chosen:
        with sandbox.Tree(tree_files, keep=store is not None) as tree:
            asked.parse(tree, chosen)
    return _whole(folder, Report((), tuple(asked.graphs))).graphs


def _inside(folder: str, files: Mapping[str, Content]) -> Mapping[str, Content]:
    """Return what Airflow reads of a tree, by its path from there."""
    if not folder:
        return files
    found = ((dag_root.inside(folder, path), content) for path, content in files.items())
    return {path: content for path, content in found if path}


def _beside(folder: str, files: Iterable[str]) -> frozenset[str]:
    """Return the notebooks beside the folder that Airflow reads, by their path below ``notebooks`` there."""
    if not folder:
        return frozenset()
    start = f"{folder.rpartition('/')[0]}/notebooks/".lstrip("/")
    return frozenset(path.removeprefix(start) for path in files if path.startswith(start))


def _whole(folder: str, report: Report) -> Report:
    """Return a report with paths of the repository."""
    if not folder:
        return report
    return Report(
        tuple(
            replace(problem, path=problem.path and dag_root.whole(folder, problem.path))
            for problem in report.problems
        ),
        tuple(
            replace(
                graph,
                path=dag_root.whole(folder, graph.path),
                tasks=tuple(
                    replace(task, path=task.path and dag_root.whole(folder, task.path))
                    for task in graph.tasks
                ),
            )
            for graph in report.graphs
        ),
    )


@dataclass
class _Check:
    """One check, while it grows."""

    files: Mapping[str, bytes]
    changed: frozenset[str]
    store: Store | None
    known: Known
    replaced: Mapping[str, bytes]
    outside: frozenset[str] = frozenset()
    told: progress.Told = progress.to_nobody
    limits: Limits = field(default_factory=Limits)
    problems: list[Problem] = field(default_factory=list)
    parsed: dict[str, Parsed] = field(default_factory=dict)
    graphs: list[DagGraph] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sources = Sources(self.files)
        self.parses = Parses(self.store)
        self.question = self._question()

    def run(self, *, parse: bool) -> Report:
        """Apply every rule."""
        written = {path: self.files[path] for path in sorted(self.changed) if path in self.files}
        self.problems += rules.colliding_paths(self.files.keys(), written.keys())
        self.problems += rules.ignore_files(self.files, written.keys(), syntax=_ignore_syntax())
        self.problems += self._linted({path: text for path, text in written.items() if path.endswith(".py")})
        if parse and self.changed:
            with sandbox.Tree(self.files, limits=self.limits, keep=self.store is not None) as tree:
                self._parse_all(tree, written)
        return Report(ordered(self.problems), tuple(self.graphs))

    def parse(self, tree: sandbox.Tree, paths: Sequence[str], *, seconds: float = math.inf) -> None:
        """Parse files that were not parsed yet.

        :param seconds: after which the rest is left out.
        """
        missing = [path for path in paths if path not in self.parsed]
        for each in tree.parse(missing, self.question, seconds=seconds, told=self.told):
            self.parsed[each.path] = each
            found = [graph_of(dag) for dag in _rows(each.found.get("dags"))]
            self.graphs += [graph for graph in found if graph.dag_id]
            if each.found and not each.found.get("errors"):
                reads = [str(read) for read in each.found.get("reads") or ()]
                self.parses.put(each.path, self.files[each.path], parses.of(found, reads))

    def _question(self) -> Question:
        literals = self.sources.literals()
        variables = self.known.variables
        shown = None if variables is None else {n: variables[n] for n in literals if n in variables}
        connections = self.known.connections
        return Question(
            variables=shown,
            connections=None if connections is None else sorted(connections & literals),
            environment=dag_sources.environment(literals),
            complete=self.known.complete,
        )

    def _linted(self, written: Mapping[str, bytes]) -> Iterator[Problem]:
        found = lint.lint(written, told=self.told)
        yield from found
        texts = {path: content.decode("utf-8", "replace") for path, content in written.items()}
        yield from old_files.problems(texts, found, hurry=self.store is not None, told=self.told)

    def _parse_all(self, tree: sandbox.Tree, written: Mapping[str, bytes]) -> None:
        listed = listing.dag_files(self.files, tree, limits=self.limits)
        if listed.why:
            self.problems.append(
                Problem("error", "not-checked", "The files could not be checked.", advice="Try again.")
            )
            return
        dag_files = listed.files
        remembered = self.parses.all_of({path: self.files[path] for path in dag_files})
        touched = self._touched(dag_files, remembered)
        self.parse(tree, sorted(touched & self.changed))
        self.parse(tree, sorted(touched - self.changed), seconds=_PATIENCE)
        ids = self._ids(dag_files, remembered)
        doubtful = _sharing(ids, self._duplicates(ids)) - self.parsed.keys()
        if doubtful:  # their ids are from memory or from their text: make sure
            self.parse(tree, sorted(doubtful))
            ids = self._ids(dag_files, remembered)
        while unknown := self._unknown_children(ids, remembered):  # what they run may lead back
            self.parse(tree, sorted(unknown))
            ids = self._ids(dag_files, remembered)
        self.problems += self._data_problems(tree, written)
        self.problems += self._ignored(written, dag_files)
        walls = next((each.walls for each in self.parsed.values() if each.walls), listed.walls)
        unknown = self._failed()
        did = loading.problems(self.parsed.values(), self.problems, concerned=self.changed)
        self.problems = [*loading.instead(self.problems, did, unknown=unknown), *did]
        self.problems += self._found(ids, remembered, walls)

    def _touched(self, dag_files: Collection[str], remembered: Mapping[str, Parse]) -> set[str]:
        found = {*self.changed, *self.sources.importers(self.changed)}
        found |= {path for path, parse in remembered.items() if any(map(parse.depends_on, self.changed))}
        return found & set(dag_files)

    def _ids(self, dag_files: Iterable[str], remembered: Mapping[str, Parse]) -> dict[str, Collection[str]]:
        """Return DAG file -> the DAGs in it: parsed, else remembered, else as its text seems to say."""
        defined: dict[str, set[str]] = defaultdict(set)
        for graph in self.graphs:
            defined[graph.path].add(graph.dag_id)
        found: dict[str, Collection[str]] = {}
        for path in dag_files:
            if path in self.parsed and self.parsed[path].found:
                found[path] = defined.get(path, set())
            elif path in remembered:
                found[path] = remembered[path].dag_ids
            else:
                found[path] = self.sources.dag_ids(path)
        return found

    def _unknown_children(
        self, ids: Mapping[str, Collection[str]], remembered: Mapping[str, Parse]
    ) -> set[str]:
        """Return files with DAGs that others run, of which only the text is known."""
        children = {child for _, _, child, _ in self._calls(remembered)}
        known = self.parsed.keys() | remembered.keys()
        return {path for path, found in ids.items() if path not in known and children & set(found)}

    def _calls(self, remembered: Mapping[str, Parse]) -> list[parses.Call]:
        others = (parse for path, parse in remembered.items() if path not in self.parsed)
        return [*parses.calls(self.graphs), *(call for parse in others for call in parse.calls)]

    def _duplicates(self, ids: Mapping[str, Collection[str]]) -> list[Problem]:
        return list(
            rules.duplicates(
                ids,
                self.graphs,
                self.known,
                concerned=self.parsed.keys() & self._own(),
                places=self._places(),
            )
        )

    def _own(self) -> set[str]:
        """Return the DAG files that the change concerns: what is wrong with others is not its fault."""
        return set(self.changed) | self.sources.importers(self.changed)

    def _found(
        self, ids: Mapping[str, Collection[str]], remembered: Mapping[str, Parse], walls: Collection[str]
    ) -> Iterator[Problem]:
        every = {dag_id for found in ids.values() for dag_id in found}
        wrong = {(problem.path, problem.code) for problem in self.problems}
        for problem in failures.failures(self.parsed.values(), self.files, limits=self.limits):
            if (problem.path, problem.code) != (problem.path, "syntax") or (
                problem.path,
                "syntax",
            ) not in wrong:
                yield problem
        yield from failures.parse_warnings(self.parsed.values(), concerned=self.changed)
        yield from self._duplicates(ids)
        for path in self.parsed.keys() & self._own():
            yield from findings.repeated(self.parsed[path].found.get("repeated"), path=path)
        calls = self._calls(remembered)
        yield from rules.call_loops(calls, self.graphs, places=self._places())
        if self.store is not None:
            yield from rules.missing_children(self.graphs, every, self.known, places=self._places())
        failed = self._failed()
        yield from rules.removed_tasks(
            [graph for graph in self.graphs if graph.path in self._own() - failed], self.known
        )
        yield from rules.vanished(self._old_ids(failed), every, calls)
        for each in self.parsed.values():
            for dag in _rows(each.found.get("dags")):
                yield from rules.references(graph_of(dag), dag, store=self.store, known=self.known)
                yield from findings.found(
                    dag,
                    path=each.path,
                    store=self.store,
                    known=self.known,
                    notebooks=frozenset() if "/" in each.path else self.outside,
                )
        yield from rules.walls_missing(walls)

    def _failed(self) -> set[str]:
        return {path for path, each in self.parsed.items() if each.why or each.found.get("errors")}

    def _places(self) -> dict[tuple[str, str], rules.Places]:
        rows = ((path, dag) for path, each in self.parsed.items() for dag in _rows(each.found.get("dags")))
        return {(path, str(dag.get("dag_id"))): findings.places(dag) for path, dag in rows}

    def _old_ids(self, failed: Collection[str]) -> dict[str, Collection[str]]:
        """Return what the changed files defined before; those that fail now say nothing about it."""
        found: dict[str, Collection[str]] = {}
        for path, content in self.replaced.items():
            if path in failed or not path.endswith(".py"):
                continue
            text = content.decode("utf-8", "replace")
            if (before := self.parses.get(path, content)) is not None:
                found[path] = before.dag_ids
            elif dag_sources.may_have_dags(text):
                found[path] = dag_sources.dag_ids(text)
        return found

    def _data_problems(self, tree: sandbox.Tree, written: Mapping[str, bytes]) -> Iterator[Problem]:
        paths = [path for path in written if path.endswith((".yaml", ".yml", ".json"))]
        if not paths:
            return
        for row in _rows(tree.data_files(paths).found.get("problems")):
            yield Problem(
                "warning",
                "data",
                str(row.get("message"))[:500],
                str(row.get("path")),
                line if isinstance(line := row.get("line"), int) and line >= 0 else 0,
            )

    def _ignored(self, written: Mapping[str, bytes], dag_files: Collection[str]) -> Iterator[Problem]:
        for path in written:
            text = self.sources.text(path)
            if path not in dag_files and dag_sources.may_have_dags(text) and dag_sources.dag_ids(text):
                yield Problem(
                    "note",
                    "ignored",
                    "Airflow does not look for DAGs in this file: .airflowignore says so.",
                    path,
                )


def _sharing(ids: Mapping[str, Collection[str]], problems: Iterable[Problem]) -> set[str]:
    """Return the files that have a DAG in common with one that a problem is about."""
    theirs = {dag_id for problem in problems for dag_id in ids.get(problem.path, ())}
    return {path for path, found in ids.items() if not theirs.isdisjoint(found)}


def _rows(data: object) -> list[dict[str, object]]:
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _ignore_syntax() -> str:
    from airflow.configuration import conf

    return str(conf.get("core", "dag_ignore_file_syntax", fallback="glob"))
