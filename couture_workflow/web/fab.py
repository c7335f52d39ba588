"""Flask-AppBuilder without its own users, menu, log-in and look: Airflow has all of them."""

from __future__ import annotations

from typing import Any

from airflow import settings
from flask import g
from flask_appbuilder import AppBuilder
from flask_appbuilder.security.manager import AbstractSecurityManager

from couture_workflow.permissions import METHODS, Permission
from couture_workflow.web.security import allowed


class AirflowSecurityManager(AbstractSecurityManager):  # type: ignore[misc]
    """Flask-AppBuilder asks this object; Airflow's auth manager answers."""

    builtin_roles: dict[str, Any] = {}
    auth_view = None
    user_view = None

    @property
    def session(self) -> Any:
        """Return Airflow's own database session."""
        return settings.Session

    @property
    def current_user(self) -> Any:
        """Return the account of the request."""
        return g.user

    def has_access(self, permission_name: str, view_name: str, **_: Any) -> bool:
        """Tell whether the account of the request has a permission."""
        return permission_name in METHODS and allowed(g.user, Permission(permission_name, view_name))

    def before_request(self) -> None:
        """Do nothing: ``flask_app`` binds the account to the request."""

    def is_item_public(self, *_: Any) -> bool:
        """Refuse: nothing is public."""
        return False

    def register_views(self) -> None:
        """Register none: users and roles are edited in Airflow's pages."""

    def add_permissions_view(self, *_: Any) -> None:
        """Add none: ``roles`` seeds them."""

    def add_permissions_menu(self, *_: Any) -> None:
        """Add none: Airflow has the menu."""

    def add_limit_view(self, *_: Any) -> None:
        """Limit nothing: there is no log-in here."""


class PagesBuilder(AppBuilder):  # type: ignore[misc]
    """Flask-AppBuilder that registers our pages and nothing of its own: every route has a permission."""

    def _add_admin_views(self) -> None:
        """Register none of the built-in views."""

    def _add_global_static(self) -> None:
        """Register none of the built-in static files."""
