"""A look at the git remote from a page or a program's call, and what follows from it in Airflow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from couture_workflow.services.git import sync as git_sync
from couture_workflow.services.git.remote import State
from couture_workflow.web.audit import audit
from couture_workflow.web.dags import processing as dag_processing
from couture_workflow.web.state import store

log = logging.getLogger(__name__)

#: Seconds that a caller waits for the outcome; many proxies give up after 30 to 60.
PATIENCE = 15.0

#: The result of a look that goes on.
RUNNING = "running"


def synchronise() -> State:
    """Look at the remote now; what came is parsed at once."""
    return patiently(lambda: git_sync.synchronise(store(), moved=moved))


def patiently(look: Callable[[], State]) -> State:
    """Look at the remote, and hold nobody up: after ``PATIENCE`` the state is ``RUNNING``, the look goes on.

    :param look: a function of ``git.sync``; its errors are raised here while somebody waits.
    """
    future: Future[State] = Future()

    def run() -> None:
        try:
            future.set_result(look())
        except Exception as error:
            log.warning("A look at the git remote failed.", exc_info=True)
            future.set_exception(error)

    threading.Thread(target=run, name="git-remote", daemon=True).start()
    try:
        return future.result(PATIENCE)
    except TimeoutError:
        return State(RUNNING, "The remote has not answered yet. The look at it goes on.")


def moved(old: str | None, new: str) -> None:
    """Let Airflow parse the files that differ between two commits."""
    dag_processing.request_parse(store().dags.changed(old, new))


def tell_looked(user: Any, found: State) -> None:
    """Write down that somebody looked at the remote, and what came of it."""
    audit(
        "dag_repository.sync",
        user,
        result=found.result,
        message=found.message,
        local=found.local,
        remote=found.remote,
    )


def tell_moved(event: str, user: Any, *, before: str | None, found: State, **extra: Any) -> None:
    """Write down that somebody moved the branch of ours, and let Airflow parse what differs by it.

    :param before: commit that the branch was at.
    """
    audit(event, user, before=before, after=found.local, result=found.result, **extra)
    if (head := store().dags.head()) and head != before:
        moved(before, head)
