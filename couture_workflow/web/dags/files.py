"""The DAG files as the page *Manage DAGs* lists them: what the repository and what Airflow knows of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import State
from sqlalchemy import select

from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.dags.repository import DagFile
from couture_workflow.store.home import Store
from couture_workflow.store.repository import Commit
from couture_workflow.web.dags.live import RUNS
from couture_workflow.web.dags.states import FileState, states
from couture_workflow.web.security import allowed

#: How long a file that looks like a DAG's is said to wait once Airflow has its version. Airflow keeps no note
#: of a file that it parsed and found no DAG in, so after this time that is what is supposed.
PATIENCE = timedelta(seconds=60)
_MOST_RUNS = 50


def listing(store: Store, account: str, *, known: str = "") -> str | None:
    """Return the files of the newest version for a script: ``head``, ``files``, ``drafts`` and a ``digest``.

    ``drafts`` are paths that the account has begun to write and never saved. The answer is JSON already: of
    thousands of files the objects would keep Python's garbage collector busy for longer than all the rest.

    :param account: whose drafts are marked.
    :param known: digest of what the caller has; None is returned if that is what would be shown again.
    """
    head = store.dags.head()
    begun = drafts = {draft.path for draft in dag_drafts.all_of(store, account)}
    rows: list[str] = []
    if head is not None:
        found, changed = states(), dag_repository.last_changes(store)
        recently = datetime.now(UTC) - PATIENCE
        fresh = {path for path, commit in changed.items() if commit.when > recently}
        fresh |= _not_reached(store, head, _version_of_airflow())
        candidates = _candidates(store, head, dag_root.current(store.root))
        files = dag_repository.files(store, commit=head)
        for file in files:
            commit_path = file.submodule or file.path
            row = _row(
                file,
                found.get(file.path),
                changed.get(commit_path),
                candidate=file.path in candidates,
                draft=file.path in drafts,
                fresh=commit_path in fresh,
            )
            rows.append(json.dumps(row))
        begun = drafts.difference(file.path for file in files)
    shown = f'"head":{json.dumps(head)},"drafts":{json.dumps(sorted(begun))},"files":[{",".join(rows)}]'
    digest = hashlib.sha256(shown.encode()).hexdigest()[:16]
    return None if digest == known else f'{{"digest":"{digest}",{shown}}}'


def active_runs(user: Any, dag_ids: set[str]) -> list[dict[str, str]]:
    """Return runs that have not ended, at most 50, of those of the DAGs whose runs the account may read."""
    dag_ids = {dag_id for dag_id in dag_ids if allowed(user, RUNS, dag_id=dag_id)}
    if not dag_ids:
        return []
    query = (
        select(DagRun.dag_id, DagRun.run_id, DagRun.state)
        .where(DagRun.dag_id.in_(dag_ids), DagRun.state.in_(State.unfinished_dr_states))
        .order_by(DagRun.dag_id, DagRun.run_id)
        .limit(_MOST_RUNS)
    )
    with create_session(scoped=False) as session:
        return [
            {"dag_id": dag_id, "run_id": run_id, "state": str(getattr(state, "value", state))}
            for dag_id, run_id, state in session.execute(query)
        ]


@lru_cache(maxsize=4)
def _candidates(store: Store, head: str, folder: str) -> frozenset[str]:
    """Return the files that Airflow parses; a commit never changes, so this is found out once."""
    contents = dag_repository.read_all(store, commit=head)
    return frozenset(
        path
        for path, content in contents.items()
        if dag_root.inside(folder, path) and dag_repository.is_dag_candidate(path, content)
    )


def _version_of_airflow() -> str:
    """Return the commit that the DAG processor has, "" if it never looked."""
    query = select(DagBundleModel.version).where(DagBundleModel.name == dag_repository.BUNDLE)
    with create_session(scoped=False) as session:
        return dag_root.commit_of(session.scalar(query) or "")


@lru_cache(maxsize=16)
def _not_reached(store: Store, head: str, version: str) -> frozenset[str]:
    """Return the files that changed since the version that the DAG processor has; all if that is unknown."""
    if version == head:
        return frozenset()
    reached = version and store.dags.is_ancestor(version, head)
    return frozenset(store.dags.last_changes(head, after=version if reached else None))


def _row(
    file: DagFile,
    state: FileState | None,
    changed: Commit | None,
    *,
    candidate: bool,
    draft: bool,
    fresh: bool,
) -> dict[str, Any]:
    return {
        "path": file.path,
        "size": file.size,
        "submodule": file.submodule,
        "editable": file.size <= dag_repository.MAX_EDITABLE,
        "draft": draft,
        "dags": [{"id": dag_id, "paused": state.paused.get(dag_id, False)} for dag_id in state.dag_ids]
        if state
        else [],
        "owner": ", ".join(state.owners) if state else "",
        "state": _state(state, changed, fresh=fresh) if candidate else "none",
        "error_line": state.import_error_line if state else None,
        "changed": _change(changed),
    }


def _state(state: FileState | None, changed: Commit | None, *, fresh: bool) -> str:
    """Return error, parsed, waiting or none (there is no DAG in it) for a file that Airflow parses.

    :param fresh: whether Airflow may not have come to it yet.
    """
    if state and changed and state.parsed_at and state.parsed_at < changed.when:
        return "waiting"
    if state and state.import_error:
        return "error"
    if state and state.dag_ids:
        return "parsed"
    return "waiting" if fresh else "none"


def _change(commit: Commit | None) -> Mapping[str, str] | None:
    if commit is None:
        return None
    return {
        "when": commit.when.isoformat(),
        "author": commit.author,
        "message": commit.message[:300],
        "commit": commit.id,
    }
