"""How far Airflow is with files that were saved, and which runs used a version."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import select

from couture_workflow.permissions import AirflowPermission
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.dags import versions as dag_versions
from couture_workflow.services.dags.versions import order
from couture_workflow.store.home import Store
from couture_workflow.web.dags.states import FileState, import_error, states
from couture_workflow.web.security import allowed

#: Whoever may read a DAG's runs is told of them.
RUNS = AirflowPermission("RUN")

#: Runs that are told of one version, and runs that are looked at, the newest ones.
MAX_RUNS = 50
_MOST_LOOKED_AT = 2000


def live(store: Store, commit: str, paths: Collection[str], *, user: Any) -> list[dict[str, Any]]:
    """Tell of each file, as of a commit, what Airflow made of it.

    Each has ``path``, ``state`` ("waiting", "parsed", "error", or "none": nothing to parse), ``dags`` (ids),
    ``error`` (a traceback) and ``line``.
    """
    known, chosen = states(), store.dags.commit(commit)
    found = [_live(store, chosen.id, chosen.when, path, known.get(path)) for path in sorted(set(paths))]
    for each in found:
        if each["error"]:
            each["error"] = import_error(known.get(each["path"]), user)
    return found


def _live(store: Store, commit: str, when: Any, path: str, state: FileState | None) -> dict[str, Any]:
    content = dag_versions.content(store, path, commit)
    found: dict[str, Any] = {"path": path, "state": "none", "dags": [], "error": "", "line": None}
    read = dag_root.inside(dag_root.current(store.root), path)
    if content is None or not read or not dag_repository.is_dag_candidate(path, content):
        return found
    if state is None or state.parsed_at is None or state.parsed_at < when:
        return {**found, "state": "waiting"}
    if state.import_error:
        return {**found, "state": "error", "error": state.import_error, "line": state.import_error_line}
    if not _holds(store, commit, state.version):
        return {**found, "state": "waiting"}
    return {**found, "state": "parsed", "dags": list(state.dag_ids)}


def _holds(store: Store, commit: str, version: str) -> bool:
    """Tell whether a version that was parsed has a commit in it."""
    return version == commit or bool(version and store.dags.is_ancestor(commit, version))


def runs_by_version(
    store: Store, user: Any, path: str, commits: Sequence[str], *, newer: str | None = None
) -> dict[str, list[dict[str, str]]]:
    """Return the runs that used each version, newest first, of those DAGs that the account may read.

    :param path: a file or folder, of which the commits are versions: a run used the newest one that its own
        version of the repository holds. Only runs of its DAGs are told, unless there are none in it. For "",
        the whole repository, a run used just its own version.
    :param commits: versions, newest first, without a gap.
    :param newer: the version that follows the first of them.
    """
    place = {commit: number for number, commit in enumerate(order(store))}
    ends = [(place[commit], commit) for commit in commits if commit in place]
    start = place.get(newer or "", -1)
    may: dict[str, bool] = {}
    found: dict[str, list[dict[str, str]]] = {commit: [] for commit in commits}
    for dag_id, run_id, state, started, version in _runs(path, dag_root.current(store.root)):
        at = place.get(dag_root.commit_of(str(version)), -1)
        commit = next((each for end, each in ends if (start < at <= end if path else at == end >= 0)), None)
        if commit is None or len(found[commit]) >= MAX_RUNS:
            continue
        if dag_id not in may:
            may[dag_id] = allowed(user, RUNS, dag_id=dag_id)
        if may[dag_id]:
            told = started.isoformat() if started else ""
            found[commit].append(
                {"dag_id": dag_id, "run_id": run_id, "state": str(state or ""), "start": told}
            )
    return found


def _runs(path: str, folder: str) -> Sequence[Any]:
    """Return the newest runs: DAG, id, state, start, version of the repository."""
    if folder == path.rstrip("/"):
        path = ""
    inside = dag_root.inside(folder, path) or path
    of_path = (DagModel.relative_fileloc == inside) | DagModel.relative_fileloc.startswith(
        f"{inside.rstrip('/')}/", autoescape=True
    )
    of_bundle = DagModel.bundle_name == dag_repository.BUNDLE
    with create_session(scoped=False) as session:
        some = session.scalar(select(DagModel.dag_id).where(of_bundle, of_path).limit(1)) if path else None
        query = (
            select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.start_date, DagRun.bundle_version)
            .join(DagModel, DagModel.dag_id == DagRun.dag_id)
            .where(of_bundle, *((of_path,) if some else ()), DagRun.bundle_version.is_not(None))
            .order_by(DagRun.id.desc())
            .limit(_MOST_LOOKED_AT)
        )
        return session.execute(query).all()
