"""A look at the git remote from a page or a program's call, and what follows from it in Airflow."""

from __future__ import annotations

from couture_workflow.services import git_sync
from couture_workflow.services.git_remote import State
from couture_workflow.web import dag_processing
from couture_workflow.web.state import store


def synchronise() -> State:
    """Look at the remote now; what came is parsed at once."""
    return git_sync.synchronise(store(), moved=moved)


def moved(old: str | None, new: str) -> None:
    """Let Airflow parse the files that differ between two commits."""
    dag_processing.request_parse(store().dags.changed(old, new))
