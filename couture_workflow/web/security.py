"""Who is calling and what may they do: Airflow's tokens in, Airflow's auth manager asked."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.utils.session import create_session
from anyio import to_thread
from jwt import InvalidTokenError
from sqlalchemy import select
from sqlalchemy.orm import lazyload
from starlette.requests import Request

from couture_workflow import patches
from couture_workflow.exceptions import NotAllowedError
from couture_workflow.patches import account_permissions, ended_tokens, guard
from couture_workflow.permissions import ACTIONS, METHODS, AirflowPermission, Permission

AnyPermission = Permission | AirflowPermission
DagMethod = Literal["GET", "POST", "PUT", "DELETE"]


async def user_of_token(token: str | None) -> BaseUser | None:
    """Return the account behind one of Airflow's tokens, None if it is no longer (or never was) good."""
    if not token:
        return None
    manager: Any = get_auth_manager()
    try:
        if not _is_fab(manager):
            user: BaseUser = await manager.get_user_from_token(token)
            return user
        # As Airflow's own get_user_from_token, which would ask the database on the event loop.
        claims = await manager._get_token_validator().avalidated_claims(token)
    except InvalidTokenError:
        return None
    return await to_thread.run_sync(_account_of, claims)


def _is_fab(manager: Any) -> bool:
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

    return isinstance(manager, FabAuthManager)


def _account_of(claims: Mapping[str, Any]) -> BaseUser | None:
    """Return the account that a token of the FAB auth manager is for, None if the token has ended."""
    from airflow.models.revoked_token import RevokedToken

    if (token_id := claims.get("jti")) and RevokedToken.is_revoked(token_id):
        return None
    try:
        account = _account(int(claims["sub"]))
    except (KeyError, ValueError):
        return None
    if account is None or not _tokens_end():
        return account
    marked, mark = (
        str(claims.get(ended_tokens.CLAIM, "")),
        ended_tokens.mark(getattr(account, "password", None)),
    )
    return account if hmac.compare_digest(marked.encode(), mark.encode()) else None


@cache
def _tokens_end() -> bool:
    """Tell whether a token ends with the password that it was given for."""
    return guard.is_needed(patches.named("ended-tokens")) and guard.fits("ended-tokens")


async def user_of_request(request: Request) -> BaseUser | None:
    """Return the account behind a request: the Bearer token, else the cookie of Airflow's pages."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await user_of_token(credentials.strip())
    return await user_of_token(request.cookies.get(COOKIE_NAME_JWT_TOKEN))


def fresh_user(user: BaseUser | None) -> BaseUser | None:
    """Read the account again, None if it is deactivated.

    Airflow's FAB auth manager remembers accounts for ``[fab] cache_ttl`` seconds (30), so a deactivation or a
    change of roles would come late. Accounts of other auth managers are returned as they are.
    """
    from airflow.providers.fab.auth_manager.models import User

    return _account(user.id) if isinstance(user, User) else user


def _account(number: int) -> BaseUser | None:
    """Return an account with its permissions as they are now, None if it is deactivated or gone."""
    from airflow.providers.fab.auth_manager.models import User

    with create_session(scoped=False) as session:
        account = session.scalar(select(User).where(User.id == number).options(lazyload(User.roles)))
        if account is None or not account.is_active:
            return None
        account_permissions.keep(account, _permissions(session, account))
        session.expunge(account)
    return account  # type: ignore[no-any-return]


def _permissions(session: Any, account: Any) -> set[tuple[str, str]]:
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role

    return {
        (action, resource)
        for action, resource in session.execute(
            select(Action.name, Resource.name)
            .select_from(Permission)
            .join(Permission.action)
            .join(Permission.resource)
            .join(Permission.role)
            .where(Role.user.contains(account))
        )
    }


def allowed(user: BaseUser | None, permission: AnyPermission, *, dag_id: str | None = None) -> bool:
    """Tell whether the account has a permission; one of Airflow's own is asked for the DAG at hand."""
    if user is None:
        return False
    if isinstance(permission, AirflowPermission):
        return _allowed_on_dag(user, permission, dag_id)
    return bool(
        get_auth_manager().is_authorized_custom_view(
            method=METHODS[permission.action],  # type: ignore[arg-type]
            resource_name=permission.resource,
            user=user,
        )
    )


def _allowed_on_dag(user: BaseUser, permission: AirflowPermission, dag_id: str | None) -> bool:
    from airflow.models.dag import DagModel

    if not dag_id and not permission.of_some:
        return False
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id)) if dag_id else None
    return bool(
        get_auth_manager().is_authorized_dag(
            method="GET", access_entity=DagAccessEntity[permission.entity], details=details, user=user
        )
    )


def allowed_on_dag(user: BaseUser | None, method: DagMethod, dag_id: str, *, entity: str = "") -> bool:
    """Tell whether Airflow lets the account read, change or delete a DAG, or start a run of it.

    :param entity: a member name of Airflow's ``DagAccessEntity``, "" for the DAG itself.
    """
    from airflow.models.dag import DagModel

    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    access = DagAccessEntity[entity] if entity else None
    return user is not None and bool(
        get_auth_manager().is_authorized_dag(method=method, access_entity=access, details=details, user=user)
    )


def demand_on_dag(
    user: BaseUser | None, method: DagMethod, dag_id: str, *, entity: Literal["", "RUN"] = "", purpose: str
) -> None:
    """Raise ``NotAllowedError``, which names the permissions, if Airflow does not let the account do it.

    :param purpose: what needs them, such as "To pause it".
    """
    if allowed_on_dag(user, method, dag_id, entity=entity):
        return
    action = "can_read" if method == "GET" else "can_edit" if entity else ACTIONS[method]
    needed = f'"{Permission(action, "DAGs")}" (or "{Permission(action, f"DAG:{dag_id}")}")'
    if entity:
        needed += f' and "{Permission(ACTIONS[method], "DAG Runs")}"'
    raise NotAllowedError(
        f"{purpose} needs {needed}, which your role does not include. An administrator can change roles."
    )


def reads_dags(user: BaseUser | None) -> bool:
    """Tell whether Airflow lets the account read any DAG at all."""
    return user is not None and bool(get_auth_manager().is_authorized_dag(method="GET", user=user))
