"""Who uses an uploaded file, told to one account: DAGs that it may not read are not named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.utils.session import create_session

from couture_workflow.services.files import uses as file_uses
from couture_workflow.services.files.kinds import FileKind
from couture_workflow.web.state import store


def users_by_name(kind: FileKind, user: Any) -> Callable[[str], list[str]]:
    """Return a function from the name of a file to its users in words; all is read at once, here."""
    with create_session(scoped=False) as session:
        uses = file_uses.uses(store(), kind, session=session)
        named = any(use.dag_id for places in uses.values() for use in places)
        dags = get_auth_manager().get_authorized_dag_ids(user=user, session=session) if named else set()
    return lambda name: file_uses.described(uses.get(name, ()), dags=dags)
