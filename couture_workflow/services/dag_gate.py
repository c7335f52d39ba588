"""The save gate: whether DAG files, as they would be after a change, can go live."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from couture_workflow.services.dag_graph import DagGraph
from couture_workflow.services.dag_lint import quick
from couture_workflow.services.dag_problems import Known, Problem, Report

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

__all__ = ["Known", "Problem", "Report", "check", "graphs", "quick"]


def check(
    files: Mapping[str, bytes],
    changed: Collection[str],
    *,
    store: Store | None,
    known: Known | None = None,
    parse: bool = True,
    replaced: Mapping[str, bytes] | None = None,
) -> Report:
    """Check a whole tree as it would be.

    :param files: every file of the tree after the change.
    :param changed: paths that were written or deleted (deleted ones are not in ``files``).
    :param store: where artifacts and dependencies are looked up and parses are remembered; None: neither.
    :param parse: parse DAG files in the sandbox; without it, text is looked at only.
    """
    return Report()


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
    return ()
