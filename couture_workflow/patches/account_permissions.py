"""The permissions that an account of FAB carries once they are read (``account-permissions``)."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from couture_workflow.patches import guard


def keep(account: Any, permissions: Set[tuple[str, str]]) -> None:
    """Keep permissions on an account, whose ``perms`` would load every role and permission as objects.

    :param account: of an open session.
    :param permissions: (action, resource) of all that its roles hold.
    """
    if guard.fits("account-permissions"):
        account._perms = permissions or {("", "")}  # an empty set would be taken for "not read yet"
    else:
        _load(account)


def _load(account: Any) -> None:
    """Let the account find what it asks for later, when there is no session any more."""
    for role in account.roles:
        for permission in role.permissions:
            _ = permission.action.name, permission.resource.name
