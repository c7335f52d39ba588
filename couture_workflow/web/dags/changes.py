"""A change of DAG files as a page shows it before the save, and the save: alike for every kind of change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from flask import g

from couture_workflow.exceptions import NotFoundError
from couture_workflow.permissions import EDIT, SAVE_GATE, Permission
from couture_workflow.services.dags import downloads as dag_downloads
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import uses as dag_uses
from couture_workflow.services.saving import plans as dag_plans
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.services.saving.plans import Planned
from couture_workflow.store.names import quote
from couture_workflow.web.dags.files import active_runs
from couture_workflow.web.dags.saving import known, save_dags
from couture_workflow.web.dags.states import states
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

#: Characters of a difference that is shown when somebody saved meanwhile.
_MOST_DIFFERENCE = 40_000


@dataclass(frozen=True)
class Tree:
    """The newest version: its commit and the content of every file."""

    head: str | None
    files: Mapping[str, bytes]

    @classmethod
    def newest(cls) -> Tree:
        """Read it."""
        head = store().dags.head()
        return cls(head, dag_repository.read_all(store(), commit=head) if head else {})

    def chosen(self, paths: Iterable[str]) -> list[str]:
        """Return the files that some paths of files and folders name, or raise ``NotFoundError``."""
        wanted = list(paths)
        found = dag_downloads.chosen(self.files, wanted)
        if not found:
            named = ", ".join(quote(path) for path in wanted[:3]) or "nothing"
            raise NotFoundError(f"There is no DAG file {named} any more. Reload the page.")
        return found


@dataclass(frozen=True)
class Change:
    """A change, and what is told of it.

    :param changes: new content by path, None to delete it.
    :param gone: files whose users are told.
    """

    base: str | None
    changes: Mapping[str, bytes | None]
    files: Sequence[Planned]
    message: str
    left_out: Sequence[str] = ()
    gone: Collection[str] = field(default_factory=tuple)

    @property
    def real(self) -> dict[str, bytes | None]:
        """The changes without files that stay the same."""
        same = {plan.path for plan in self.files if plan.kind == "same"}
        return {path: content for path, content in self.changes.items() if path not in same}


def look(change: Change, tree: Tree) -> dict[str, Any]:
    """Return what a change would do, for a script: files, uses, runs and what the gate says."""
    report = dag_saving.check(store(), change.real, known=known())
    ids = _dag_ids(change.gone)
    moved = {graph.dag_id for graph in report.graphs}  # they stay, in another file
    return {
        "base": change.base,
        "files": [plan.json() for plan in change.files],
        "count": len(change.real),
        "left_out": list(change.left_out),
        "uses": [asdict(use) for use in dag_uses.uses(tree.files, change.gone, ids - moved)],
        "dags": sorted(ids - moved),
        "runs": active_runs(g.user, ids - moved),
        "problems": [problem.json() for problem in report.problems],
        "passed": report.passed,
        "may_override": allowed(g.user, Permission(EDIT, SAVE_GATE)),
        "message": change.message,
    }


def save(change: Change, decision: Mapping[str, Any]) -> dict[str, Any]:
    """Save a change as the page that showed it asks for, and return what became of it.

    :param decision: ``base`` and ``message`` as they were shown, ``override`` to save in spite of errors.
    """
    if not change.real:
        return {"unchanged": True, "overridden": False, "message": change.message, "problems": []}
    saved = save_dags(
        change.real,
        user=g.user,
        message=str(decision.get("message") or change.message)[:2000],
        base=decision.get("base") or None,
        override=decision.get("override") is True,
    )
    return {
        "commit": saved.commit.id,
        "message": saved.commit.message,
        "unchanged": saved.commit.id == decision.get("base"),
        "overridden": saved.overridden,
        "problems": [problem.json() for problem in saved.report.problems],
    }


def removal(tree: Tree, paths: Iterable[str]) -> Change:
    """Return the deletion of files and folders."""
    doomed = tree.chosen(paths)
    changes = dict.fromkeys(doomed)
    plans = dag_plans.planned(tree.files, changes)
    return Change(tree.head, changes, plans, dag_plans.message("Delete", doomed), gone=doomed)


def renaming(tree: Tree, old: str, new: str) -> Change:
    """Return the new path of a file or folder."""
    old, new = old.rstrip("/"), new.rstrip("/")
    changes = dag_repository.rename(store(), old, new)
    plans = dag_plans.renamed(old, changes, new)
    gone = [path for path, content in changes.items() if content is None]
    return Change(tree.head, changes, plans, f"Rename {old} to {new}", gone=gone)


def meanwhile(base: str, paths: Sequence[str]) -> dict[str, Any]:
    """Tell what was saved of some files since a commit: the commits and the difference."""
    repository = store().dags
    head = repository.head()
    if head is None or not base:
        return {"commits": [], "diff": ""}
    since: dict[str, dict[str, str]] = {}
    for path in paths[:20]:
        for commit in dag_repository.history(store(), path, limit=20):
            if commit.id == base or not repository.is_ancestor(base, commit.id):
                break
            since[commit.id] = {
                "author": commit.author,
                "when": commit.when.isoformat(),
                "message": commit.message[:300],
            }
    diff = "\n".join(repository.diff(base, head, path=path) for path in paths[:20])
    return {"commits": list(since.values()), "diff": diff[:_MOST_DIFFERENCE]}


def _dag_ids(paths: Collection[str]) -> set[str]:
    known_states = states() if paths else {}
    return {dag_id for path in paths if path in known_states for dag_id in known_states[path].dag_ids}
