"""Flask-AppBuilder's log-in by a directory, with what it leaves open: nothing typed or set is a crash.

It is a security manager, which Airflow lets an installation bring along (``SECURITY_MANAGER_CLASS``).
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

from airflow.providers.fab.auth_manager.security_manager.override import (
    FabAirflowSecurityManagerOverride,
    FabException,
)
from flask import current_app

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.ldap import handshake, search
from couture_workflow.services.ldap.names import NameFormat
from couture_workflow.services.ldap.roles import resulting
from couture_workflow.web.ldap import SETTINGS

log = logging.getLogger(__name__)

_TRIAL = "Admin > LDAP Configuration, Test as user,"
#: Servers for the log-in that is under way.
_servers: ContextVar[str] = ContextVar("servers", default="")


class DirectoryLogIn:
    """Goes before Airflow's security manager: local accounts by their password, others by the directory."""

    @property
    def _values(self) -> dict[str, Any]:
        found: dict[str, Any] = current_app.config[SETTINGS]
        return found

    @property
    def auth_ldap_username_format(self) -> str:
        """Return the name to bind with, in which no user name leaves its place."""
        form = str(self._values["AUTH_LDAP_USERNAME_FORMAT"])
        return NameFormat(form) if form else ""

    @property
    def auth_ldap_server(self) -> str:
        """Return the servers that answer: the LDAP library would wait for another one for ever."""
        return _servers.get() or str(self._values["AUTH_LDAP_SERVER"])

    def auth_user_ldap(
        self, username: str | None, password: str | None, rotate_session_id: bool = True
    ) -> Any:
        """Return the account of somebody who logs in, None to refuse.

        The name is trimmed, as directories do to compare names: Flask-AppBuilder would make a second account.
        An empty password is refused here, for some directories let anybody in with one.
        """
        name = (username or "").strip()
        if not name or not password:
            return None
        parent: Any = super()
        if self._is_local(name):
            return parent.auth_user_db(name, password, rotate_session_id)
        servers = handshake.answering(self._values, float(self._values["LDAP_TIMEOUT"]))
        if not servers:
            log.error("%r cannot log in: no server of the directory answers. %s tells more.", name, _TRIAL)
            return None
        _servers.set(" ".join(servers))
        try:
            return parent.auth_user_ldap(name, password, rotate_session_id)
        except FabException:
            log.error("No account can be made for %r: another one may have its e-mail address.", name)
        except (ValueError, TypeError) as error:
            log.error("%r cannot log in by the directory: %s. %s tells more.", name, error, _TRIAL)
        return None

    def auth_user_db(self, username: str | None, password: str | None, rotate_session_id: bool = True) -> Any:
        """Return a local account; others are known by the directory alone, not by a password from before."""
        name = (username or "").strip()
        if not self._is_local(name):
            return None
        parent: Any = super()
        return parent.auth_user_db(name, password, rotate_session_id)

    def _is_local(self, name: str) -> bool:
        return name.casefold() in {str(each).casefold() for each in self._values["LOCAL_ACCOUNTS"]}

    def _search_ldap(self, _ldap: Any, connection: Any, username: str) -> tuple[str | None, Any]:
        """Return the full name and the attributes of a person, as the trial of the settings finds them."""
        try:
            found = search.find(connection, self._values, username)
        except CoutureError as error:
            log.info("%s", error)
            return None, None
        return found.dn, found.attributes

    def _ldap_calculate_user_roles(self, user_attributes: search.Attributes) -> list[Any]:
        """Return the roles of a person: those of the groups, or else that of people without a group."""
        values = self._values
        found = resulting(
            search.texts(user_attributes, values["AUTH_LDAP_GROUP_FIELD"]),
            values["AUTH_ROLES_MAPPING"],
            registration=values["AUTH_USER_REGISTRATION"],
            role=values["AUTH_USER_REGISTRATION_ROLE"],
        )
        manager: Any = self
        roles = {name: manager.find_role(name) for name in found.roles}
        for name in [name for name, role in roles.items() if role is None]:
            log.warning("There is no role %r, which the LDAP settings name. Make it or correct them.", name)
        return [role for role in roles.values() if role is not None]


def manager_class(base: Any = None) -> type[Any]:
    """Return the security manager: with what an installation's own one does, if it has one."""
    parent = base or FabAirflowSecurityManagerOverride
    return type("DirectorySecurityManager", (DirectoryLogIn, parent), {})
