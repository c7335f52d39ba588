"""What came from the git remote: which files changed, and what the save gate says of them.

It is live already: the remote is the source, and the gate has no say in what is pushed there. So this is for
whoever pushed it: a person at the terminal, or CI.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.gate import check as dag_gate
from couture_workflow.services.gate.problems import Known, Report

if TYPE_CHECKING:
    from couture_workflow.store.home import Store


@dataclass(frozen=True)
class Came:
    """What differs between two versions.

    :param changes: path -> ``added``, ``changed`` or ``deleted``, those of submodules too.
    """

    changes: dict[str, str]
    report: Report


NOTHING = Came({}, Report())


def came(store: Store, since: str | None, *, known: Known | None = None) -> Came:
    """Return what came since a version (None: since there was none), and check it as a save would be."""
    head = store.dags.head()
    if head is None or head == since:
        return NOTHING
    before = _blobs(store, since) if since else {}
    now = _blobs(store, head)
    paths = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
    changes = {path: _word(path, before, now) for path in paths}
    old = dag_repository.read_all(store, commit=since) if since else {}
    replaced = {path: old[path] for path in paths if path in old}
    new = dag_repository.read_all(store, commit=head)
    return Came(changes, dag_gate.check(new, paths, store=store, known=known, replaced=replaced))


def _blobs(store: Store, commit: str) -> dict[str, tuple[str, str]]:
    return {file.path: (file.blob, file.mode) for file in dag_repository.files(store, commit=commit)}


def _word(path: str, before: dict[str, tuple[str, str]], now: dict[str, tuple[str, str]]) -> str:
    if path not in before:
        return "added"
    return "changed" if path in now else "deleted"
