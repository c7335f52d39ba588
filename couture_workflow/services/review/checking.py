"""Changes of DAG files looked at before a save: the gate's report and what becomes of each DAG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags.repository import Changes
from couture_workflow.services.dags.versions import changed_files
from couture_workflow.services.gate import check as dag_gate
from couture_workflow.services.gate.problems import Known, Report
from couture_workflow.services.review.difference import DagDifference, difference, message
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.store.home import Store


@dataclass(frozen=True)
class Checked:
    """What a check found.

    :param unknown: DAG files of which no graph can be drawn, because they cannot be parsed.
    :param message: a first draft of what to write about the save.
    """

    report: Report
    differences: tuple[DagDifference, ...]
    unknown: tuple[str, ...]
    message: str

    def json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "passed": self.report.passed,
            "problems": [problem.json() for problem in self.report.problems],
            "dags": [each.json() for each in self.differences],
            "unknown": list(self.unknown),
            "message": self.message,
        }


def check(store: Store, changes: Changes, *, known: Known | None = None) -> Checked:
    """Check what the newest version would become by some changes, and compare its DAGs with today's."""
    head = store.dags.head()
    before = dag_repository.read_all(store, commit=head) if head else {}
    report = dag_saving.check(store, changes, known=known)
    concerned = {*changes, *(graph.path for graph in report.graphs)}
    drawn = {graph.path for graph in report.graphs}
    failed = {problem.path for problem in report.errors} - drawn
    unknown = tuple(sorted(path for path in failed & concerned if path.endswith(".py")))
    old = dag_gate.graphs(before, [path for path in concerned if path in before], store=store, known=known)
    found = difference([graph for graph in old if graph.path not in unknown], report.graphs)
    return Checked(report, tuple(found), unknown, message(found, _kinds(before, changes)))


def between(store: Store, old: str | None, new: str, *, path: str = "") -> list[DagDifference]:
    """Compare the DAGs of the files that differ between two versions; what cannot be parsed is left out.

    :param old: None: as if nothing had been there before.
    :param path: only this file or folder.
    """
    changes = changed_files(store, old, new, path)
    before = dag_repository.read_all(store, commit=old) if old else {}
    after = dag_repository.read_all(store, commit=new)
    paths = {change.path for change in changes} | {change.old_path for change in changes}
    first, second = (
        dag_gate.graphs(files, [each for each in sorted(paths) if each in files], store=store)
        for files in (before, after)
    )
    return difference(first, second)


def _kinds(before: Mapping[str, bytes], changes: Changes) -> dict[str, str]:
    return {
        path: "removed" if content is None else "changed" if path in before else "added"
        for path, content in changes.items()
        if content is not None or path in before
    }
