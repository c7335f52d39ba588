"""The Developer role and our permissions: seeded in ``airflow db migrate`` and at the API server's start."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.utils.db_manager import BaseDBManager
from airflow.utils.session import create_session
from sqlalchemy import MetaData, inspect, select
from sqlalchemy.exc import IntegrityError, OperationalError

from couture_workflow.permissions import ADMIN, DEVELOPER, ROLES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

_ATTEMPTS = 5

Pair = tuple[str, str]


def seed_roles() -> bool:
    """Make our permissions and the Developer role; False if FAB's tables are not there yet.

    Idempotent and safe in many processes at once. Once made, the role belongs to the administrators: it gets
    a permission that is new in this version of ours, but never one back that somebody took away.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with create_session(scoped=False) as session:
                return _seed(session)
        except (IntegrityError, OperationalError):  # another process was faster
            if attempt == _ATTEMPTS:
                raise
    return False


def _seed(session: Session) -> bool:
    from airflow.providers.fab.auth_manager.models import Role

    if not inspect(session.connection()).has_table("ab_role"):
        log.warning(
            "FAB's tables are not there yet; the role %s is made when the API server starts", DEVELOPER
        )
        return False
    ours = {role: [(p.action, p.resource) for p in granted] for role, granted in ROLES.items()}
    pairs, new = _pairs(session, [pair for granted in ours.values() for pair in granted])
    for name, granted in ours.items():
        role = session.scalar(select(Role).where(Role.name == name))
        if role is None:
            role = Role(name=name)
            session.add(role)
            base = _base() if name == DEVELOPER else []
            wanted = [*granted, *base]
            pairs |= _pairs(session, base)[0]
        else:
            wanted = [pair for pair in granted if name == ADMIN or pair in new]
        held = {(p.action.name, p.resource.name) for p in role.permissions}
        role.permissions.extend(pairs[pair] for pair in dict.fromkeys(wanted) if pair not in held)
    session.flush()
    return True


def _base() -> list[Pair]:
    """Return what a Developer may do in Airflow itself: what a User may, and the list that feeds the menu."""
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

    manager = FabAirflowSecurityManagerOverride
    return [*manager.VIEWER_PERMISSIONS, *manager.USER_PERMISSIONS, ("can_read", "Plugins")]


def _pairs(session: Session, wanted: list[Pair]) -> tuple[dict[Pair, Any], set[Pair]]:
    """Return the permissions that were asked for, made where missing, and which of them are new."""
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource

    actions = {row.name: row for row in session.scalars(select(Action))}
    resources = {row.name: row for row in session.scalars(select(Resource))}
    found = {(row.action.name, row.resource.name): row for row in session.scalars(select(Permission))}
    new = set()
    for action, resource in dict.fromkeys(wanted):
        if (action, resource) in found:
            continue
        if action not in actions:
            actions[action] = Action(name=action)
        if resource not in resources:
            resources[resource] = Resource(name=resource)
        found[action, resource] = Permission(action=actions[action], resource=resources[resource])
        session.add(found[action, resource])
        new.add((action, resource))
    session.flush()
    return found, new


class CoutureDBManager(BaseDBManager):
    """Seeds the roles in ``airflow db migrate``. There are no tables of ours to migrate."""

    metadata = MetaData()
    version_table_name = "alembic_version_couture"
    migration_dir = str(Path(__file__).parent / "migrations")
    alembic_file = str(Path(__file__).parent / "migrations" / "alembic.ini")

    def initdb(self, use_migration_files: bool = False) -> None:
        """Seed the roles of a new database."""
        self._seed()

    def upgradedb(
        self,
        to_revision: str | None = None,
        from_revision: str | None = None,
        show_sql_only: bool = False,
        use_migration_files: bool = False,
    ) -> None:
        """Seed the roles of an existing database."""
        if not show_sql_only:
            self._seed()

    def check_migration(self) -> bool:
        """Tell that the tables, of which there are none, are up to date."""
        return True

    def drop_tables(self, connection: Any) -> None:
        """Drop nothing: roles live in FAB's tables and go with them."""

    def _seed(self) -> None:
        self.session.commit()  # a second connection is about to write: SQLite has one writer at a time
        seed_roles()
