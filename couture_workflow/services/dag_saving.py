"""Saving DAG files: checked by the gate, then written as one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from couture_workflow.exceptions import GateError
from couture_workflow.services import dag_gate
from couture_workflow.services.dag_problems import Known, Report
from couture_workflow.store.repository import Commit

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

#: Path -> new content, None to delete it.
Changes = Mapping[str, bytes | None]


@dataclass(frozen=True)
class Saved:
    """What a save did.

    :param overridden: errors were found and it was saved all the same.
    """

    commit: Commit
    report: Report
    overridden: bool = False


def check(store: Store, changes: Changes, *, known: Known | None = None) -> Report:
    """Check what the newest version would become by some changes."""
    return dag_gate.check(
        {**_tree(store), **{p: c for p, c in changes.items() if c is not None}},
        changes,
        store=store,
        known=known,
    )


def _tree(store: Store) -> dict[str, bytes]:
    from couture_workflow.services import dags

    return dags.read_all(store)


def save(
    store: Store,
    changes: Changes,
    *,
    user: str,
    message: str,
    base: str | None,
    known: Known | None = None,
    override: bool = False,
) -> Saved:
    """Check and save changes as one commit.

    :param base: the commit that the caller started from.
    :param override: save in spite of errors.

    Raises ``GateError`` if errors were found, ``ConflictError`` if somebody else changed the same files since
    ``base``, ``InvalidError`` for a path that is not allowed.
    """
    report = check(store, changes, known=known)
    if report.errors and not override:
        raise GateError("refused", problems=[problem.json() for problem in report.problems])
    commit = store.dags.save(changes, author=user, message=message, base=base)
    return Saved(commit, report, overridden=bool(report.errors))
