"""The menu entries in Airflow's list of plugins: whose are they, who may see them.

Airflow shows every entry to whoever may read that list. An entry of ours carries the resource that its reader
must be able to read. When the list does not look as expected, nothing of ours is left in it: the filter fails
closed.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView

from couture_workflow.permissions import DEVELOPER_HUB, METHODS, READ, RUNS, Permission
from couture_workflow.web.paths import (
    NAV_ACTION,
    NAV_EVERYBODY,
    NAV_OUTSIDE_HUB,
    NAV_READS_RUNS,
    NAV_RESOURCE,
    PAGES,
)
from couture_workflow.web.security import allowed

log = logging.getLogger(__name__)

_closed = False

_PREFIX = PAGES.removeprefix("/") + "/"


def close(closed: bool) -> None:
    """Show none of our entries to anybody from now on, or show them again."""
    global _closed
    _closed = closed


def shown(user: BaseUser | None) -> bool:
    """Tell whether Airflow shows entries of ours to the account: they are in its list of plugins."""
    if _closed or user is None:
        return False
    return bool(get_auth_manager().is_authorized_view(access_view=AccessView.PLUGINS, user=user))


def names(body: bytes) -> list[str]:
    """Return the names of the entries of ours in a list of plugins that carry their resource."""
    try:
        return [str(entry.get("name")) for entry in _entries(json.loads(body)) if NAV_RESOURCE in entry]
    except ValueError:
        return []


def filtered(body: bytes, user: BaseUser | None) -> bytes:
    """Return the list of plugins without the entries of ours that the account may not open."""
    try:
        data = json.loads(body)
    except ValueError:
        log.error("Airflow's list of plugins is not JSON; the menu stays without entries")
        return _nothing()
    kept = _without(data, user)
    left = [entry for entry in _entries(kept) if not _may_open(entry, user)]
    if left:  # cannot be, unless the shape of the list is new
        log.error("The list of plugins has an unknown shape; the menu stays without entries")
        return _nothing()
    return json.dumps(kept).encode()


def _nothing() -> bytes:
    return json.dumps({"plugins": [], "total_entries": 0}).encode()


def _without(node: Any, user: BaseUser | None) -> Any:
    """Return a copy of JSON data without entries of ours that the account may not open."""
    if isinstance(node, list):
        return [_without(item, user) for item in node if not (_is_ours(item) and not _may_open(item, user))]
    if isinstance(node, dict):
        return {key: _without(value, user) for key, value in node.items()}
    return node


def _entries(node: Any) -> list[dict[str, Any]]:
    """Return the entries of ours in JSON data, at any depth."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found = [entry for child in children for entry in _entries(child)]
    return [node, *found] if _is_ours(node) else found


def _is_ours(node: Any) -> bool:
    if not isinstance(node, dict):
        return False
    return NAV_RESOURCE in node or any(
        isinstance(value, str) and value.lstrip("/").startswith(_PREFIX) for value in node.values()
    )


def _may_open(entry: dict[str, Any], user: BaseUser | None) -> bool:
    resource = entry.get(NAV_RESOURCE)
    if resource == NAV_EVERYBODY:
        return not _closed and user is not None
    if resource == NAV_OUTSIDE_HUB:
        return not _closed and allowed(user, RUNS) and not allowed(user, Permission(READ, DEVELOPER_HUB))
    if resource == NAV_READS_RUNS:
        return not _closed and allowed(user, RUNS)
    action = entry.get(NAV_ACTION, READ)
    if not isinstance(resource, str) or action not in METHODS:
        return False
    return not _closed and allowed(user, Permission(action, resource))
