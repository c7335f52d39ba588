"""The way by which pages and the REST API save DAG files: permission, gate, commit, audit row, parse."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from airflow.configuration import conf
from airflow.models.connection import Connection
from airflow.models.dag import DagModel
from airflow.models.pool import Pool
from airflow.models.variable import Variable
from airflow.utils.session import create_session
from sqlalchemy import select

from couture_workflow.exceptions import ConflictError, GateError, NotAllowedError
from couture_workflow.permissions import (
    CREATE,
    DAG_FILES,
    DAG_IMPORTS,
    DELETE,
    EDIT,
    SAVE_GATE,
    Permission,
)
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags.repository import Changes
from couture_workflow.services.eda import dag_file as eda_dag_file
from couture_workflow.services.gate.problems import Known
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.services.saving.save import Saved
from couture_workflow.web.audit import audit
from couture_workflow.web.dags import unfinished
from couture_workflow.web.dags.processing import request_parse
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

_VARIABLE, _CONNECTION = "AIRFLOW_VAR_", "AIRFLOW_CONN_"
#: Options that name a secrets backend, which cannot be asked for a list.
_SECRETS = (("secrets", "backend"), ("workers", "secrets_backend"))
#: Problems and paths that an audit row lists.
_MOST = 20


def save_dags(
    changes: Changes,
    *,
    user: Any,
    message: str,
    base: str | None,
    override: bool = False,
    imported: bool = False,
    instead: Permission | None = None,
) -> Saved:
    """Save DAG files for an account and return what was done.

    :param user: the account.
    :param base: the commit that the caller started from.
    :param override: save in spite of errors that the gate finds.
    :param imported: the permission to import DAGs stands for those to create, edit and delete files.
    :param instead: so does this one, for files that the product writes; names may be any, as in an import.

    Raises ``NotAllowedError``, ``GateError``, ``ConflictError`` or ``InvalidError``; nothing is saved then.
    """
    instead = Permission(CREATE, DAG_IMPORTS) if imported else instead
    _check_permissions(changes, user=user, override=override, instead=instead)
    told: dict[str, Any] = {"paths": sorted(changes)[:_MOST], "files": len(changes), "message": message}
    try:
        saved = dag_saving.save(
            store(),
            changes,
            user=str(user.get_name()),
            message=message,
            base=base,
            known=known(),
            override=override,
            pushed=instead is not None,
        )
    except (GateError, ConflictError) as error:
        why = "gate" if isinstance(error, GateError) else "conflict"
        audit("dags.save_refused", user, **told, why=why, detail=str(error))
        raise
    told["commit"] = saved.commit.id
    if saved.overridden:
        told["problems"] = [problem.json() for problem in saved.report.errors[:_MOST]]
    audit("dags.save_overridden" if saved.overridden else "dags.save", user, **told)
    request_parse(changes)
    return saved


def _check_permissions(changes: Changes, *, user: Any, override: bool, instead: Permission | None) -> None:
    needed = {instead} if instead is not None else set(_needed(changes))
    if override:
        needed.add(Permission(EDIT, SAVE_GATE))
    for permission in sorted(needed, key=str):
        if not allowed(user, permission):
            raise NotAllowedError(
                f'This needs the permission "{permission}", which your role does not include. An '
                "administrator can change roles."
            )


def _needed(changes: Changes) -> Iterator[Permission]:
    present = {file.path for file in dag_repository.files(store())}
    for path, content in changes.items():
        action = DELETE if content is None else EDIT if path in present else CREATE
        yield Permission(action, DAG_FILES)


def known() -> Known:
    """Return what the metadata database knows that DAG files refer to."""
    with create_session(scoped=False) as session:
        variables = set(session.scalars(select(Variable.key)))
        connections = set(session.scalars(select(Connection.conn_id)))
        pools = {name: slots for name, slots in session.execute(select(Pool.pool, Pool.slots)) if name}
        dialect = str(session.get_bind().dialect.name)
        others = session.execute(
            select(DagModel.dag_id, DagModel.bundle_name, DagModel.relative_fileloc).where(
                DagModel.is_stale.is_(False),
                (DagModel.bundle_name != dag_repository.BUNDLE)
                | (DagModel.relative_fileloc == eda_dag_file.PATH),  # which is in no commit
            )
        )
        elsewhere = {dag_id: f"{path or 'a file'} of the bundle {bundle}" for dag_id, bundle, path in others}
    return Known(
        variables=_Variables(variables),
        connections=frozenset(connections | _of_environment(_CONNECTION).keys()),
        pools=pools,
        database=dialect,
        dag_ids=elsewhere,
        waiting=unfinished.waiting,
        complete=not any(conf.get(*option, fallback="") for option in _SECRETS),
    )


def _of_environment(prefix: str) -> dict[str, str]:
    """Return what the environment defines, under its name in capital and in small letters."""
    found = {
        name.removeprefix(prefix): value for name, value in os.environ.items() if name.startswith(prefix)
    }
    return {**{name.lower(): value for name, value in found.items()}, **found}


class _Variables(Mapping[str, str]):
    """Airflow's variables; a value is decrypted only when it is asked for."""

    def __init__(self, names: set[str]) -> None:
        self._stored = names
        self._set = _of_environment(_VARIABLE)

    def __getitem__(self, name: str) -> str:
        if name in self._set:
            return self._set[name]
        if name in self._stored:
            with create_session(scoped=False) as session:
                variable = session.scalar(select(Variable).where(Variable.key == name))
                if variable is not None and (value := variable.get_val()) is not None:
                    return str(value)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self._set or name in self._stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored | self._set.keys())

    def __len__(self) -> int:
        return len(self._stored | self._set.keys())
