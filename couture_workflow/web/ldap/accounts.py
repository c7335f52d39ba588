"""Accounts and roles of this installation, as the settings of log-in by a directory name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from airflow.providers.fab.auth_manager.models import Role, User
from airflow.utils.session import create_session
from sqlalchemy import func, select

from couture_workflow.exceptions import InvalidError
from couture_workflow.permissions import ADMIN
from couture_workflow.services.ldap.document import Document
from couture_workflow.services.ldap.fields import LOCAL_ACCOUNT
from couture_workflow.services.ldap.rules import Problem
from couture_workflow.services.ldap.trial import Step, Trial

_MOST_LOCAL = 20


def administrators() -> list[str]:
    """Return the names of active accounts that are administrators by their own role."""
    with create_session(scoped=False) as session:
        statement = (
            select(User.username)
            .where(User.active.is_(True), User.roles.any(Role.name == ADMIN))
            .order_by(User.id)
        )
        return [str(name) for name in session.scalars(statement)]


def role_names() -> list[str]:
    """Return the names of all roles."""
    with create_session(scoped=False) as session:
        return [str(name) for name in session.scalars(select(Role.name).order_by(Role.name))]


def with_local_accounts(document: Document) -> Document:
    """Return settings that were never saved with the administrators that there are as local accounts."""
    if document.commit is not None:
        return document
    found = tuple(administrators()[:_MOST_LOCAL]) or (LOCAL_ACCOUNT,)
    return replace(document, values={**document.values, "LOCAL_ACCOUNTS": found})


def problems(document: Document) -> list[Problem]:
    """Return what is wrong with names of accounts and roles; nothing while people log in by the database."""
    if not document.is_ldap:
        return []
    found = []
    local = {name.casefold() for name in document.names("LOCAL_ACCOUNTS")}
    if not local & {name.casefold() for name in administrators()}:
        found.append(
            Problem(
                "LOCAL_ACCOUNTS",
                "None of them is an active administrator here, so that nobody could repair the settings. "
                "Add one.",
            )
        )
    known = set(role_names())
    role = document.text("AUTH_USER_REGISTRATION_ROLE")
    if role and role not in known:
        found.append(Problem("AUTH_USER_REGISTRATION_ROLE", _no_role(role)))
    wanted = dict.fromkeys(each for roles in document.mapping.values() for each in roles)
    found += [Problem("AUTH_ROLES_MAPPING", _no_role(each)) for each in wanted if each not in known]
    return found


def _no_role(name: str) -> str:
    return f"There is no role {name!r}. Make it under Security > List Roles, or correct the name."


def demand(document: Document) -> None:
    """Raise ``InvalidError`` if names of accounts or roles are wrong."""
    if found := problems(document):
        raise InvalidError(found[0].message, field=found[0].field)


def with_account(document: Document, found: Trial, username: str) -> Trial:
    """Return a trial with what would become of the person's account here."""
    if not found.ok:
        return found
    step = _account_step(document, found, username)
    return replace(found, steps=(*found.steps, step), ok=step.ok)


def _account_step(document: Document, found: Trial, username: str) -> Step:
    if missing := [role for role in found.roles if role not in role_names()]:
        return Step("account", False, _no_role(missing[0]))
    if username.casefold() in {name.casefold() for name in document.names("LOCAL_ACCOUNTS")}:
        message = f"{username} is a local account: the directory is not asked for it at a log-in."
        return Step("account", True, message)
    with create_session(scoped=False) as session:
        account = session.scalar(select(User).where(func.lower(User.username) == username.lower()))
        if account is not None:
            return _known(document, found, username, is_active=bool(account.active))
        taken = (
            session.scalar(select(User.username).where(User.email == found.email)) if found.email else None
        )
    if not document.flag("AUTH_USER_REGISTRATION") or not document.text("AUTH_LDAP_SEARCH"):
        message = f"{username} has no account here and none is made: make one, or let accounts be made."
        return Step("account", False, message)
    if taken:
        return Step(
            "account",
            False,
            f"The e-mail address {found.email} is that of the account {taken}, and no two accounts may "
            "have the same one. Change it there.",
        )
    return Step(
        "account", True, f"The first log-in makes the account {username} with {_listed(found.roles)}."
    )


def _known(document: Document, found: Trial, username: str, *, is_active: bool) -> Step:
    if not is_active:
        message = f"The account {username} is deactivated here. An administrator can activate it."
        return Step("account", False, message)
    if document.flag("AUTH_ROLES_SYNC_AT_LOGIN"):
        message = f"The account {username} is here; its roles become {_listed(found.roles)}."
        return Step("account", True, message)
    return Step("account", True, f"The account {username} is here and keeps the roles that it has.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "no role"
