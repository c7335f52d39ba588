"""Asks Airflow's DAG processor to look at the newest version of the DAGs at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.dags.repository import BUNDLE
from couture_workflow.web.state import store

#: From so many files on all are parsed in the processor's own order: any request refreshes the bundle.
MAX_REQUESTS = 100

_NO_FILE = "couture-workflow-refresh"


def request_parse(paths: Iterable[str]) -> None:
    """Make the DAG processor refresh the bundle and parse these files before others, within a second.

    Whatever was saved may be given: the processor drops what is no DAG file, or none any more, and finds the
    files that need a changed one by itself.
    """
    folder = dag_root.current(store().root)
    inside = {dag_root.inside(folder, path) for path in paths if path.endswith(".py")}
    python = sorted(path for path in inside if path)
    wanted = {_id(path): path for path in python[:MAX_REQUESTS] or [_NO_FILE]}
    with create_session(scoped=False) as session:
        present = set(
            session.scalars(
                select(DagPriorityParsingRequest.id).where(DagPriorityParsingRequest.id.in_(wanted))
            )
        )
        for path in (path for number, path in wanted.items() if number not in present):
            try:
                with session.begin_nested():
                    session.add(DagPriorityParsingRequest(BUNDLE, path))
            except IntegrityError:
                continue  # somebody asked for it in this instant


def _id(path: str) -> str:
    """Return the key that Airflow makes of a request."""
    return hashlib.md5(
        f"{BUNDLE}:{path}".encode("utf-8", "surrogateescape"), usedforsecurity=False
    ).hexdigest()
