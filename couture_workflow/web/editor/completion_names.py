"""Names that the editor completes inside strings: what the account may read in Airflow, never a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.api_fastapi.app import get_auth_manager

from couture_workflow.permissions import CODE_ARTIFACTS, READ, SPARK_DEPENDENCIES, Permission
from couture_workflow.store.files import Files
from couture_workflow.store.home import Store
from couture_workflow.web.security import allowed

#: Names of one kind that are offered at most.
_MOST = 5000


def names(store: Store, user: Any) -> dict[str, list[str]]:
    """Return names by kind: connections, variables, pools, dags, artifacts, dependencies."""
    manager = get_auth_manager()
    return {
        "connections": _some(manager.is_authorized_connection, manager.get_authorized_connections, user),
        "variables": _some(manager.is_authorized_variable, manager.get_authorized_variables, user),
        "pools": _some(manager.is_authorized_pool, manager.get_authorized_pools, user),
        "dags": sorted(manager.get_authorized_dag_ids(user=user))[:_MOST],
        "artifacts": _files(store.artifacts, CODE_ARTIFACTS, user),
        "dependencies": _files(store.dependencies, SPARK_DEPENDENCIES, user),
    }


def _some(may: Callable[..., bool], read: Callable[..., set[str]], user: Any) -> list[str]:
    # FAB's auth manager returns every name, whoever asks: Airflow's own pages ask the first question before.
    return sorted(read(user=user))[:_MOST] if may(method="GET", user=user) else []


def _files(files: Files, resource: str, user: Any) -> list[str]:
    if not allowed(user, Permission(READ, resource)):
        return []
    return [file.name for file in files.list()][:_MOST]
