"""Seeding the Developer role: once, in many processes at once, and never over what a person changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from couture_workflow.permissions import ADMIN, CREATE, DEVELOPER, READ, RESOURCES, ROLES, SPARK_DEPENDENCIES
from couture_workflow.web.roles import CoutureDBManager, seed_roles


@pytest.fixture
def session() -> Any:
    """A session on a database with FAB's empty tables."""
    from airflow import settings
    from airflow.providers.fab.auth_manager.models import model_metadata

    model_metadata.drop_all(settings.engine)
    model_metadata.create_all(settings.engine)
    with settings.NonScopedSession() as session:
        yield session
    model_metadata.drop_all(settings.engine)


def granted(session: Any, role: str) -> set[tuple[str, str]]:
    from airflow.providers.fab.auth_manager.models import Role

    session.expire_all()
    found = session.scalar(select(Role).where(Role.name == role))
    return {(permission.action.name, permission.resource.name) for permission in found.permissions}


def test_roles_get_what_the_table_says(session: Any) -> None:
    assert seed_roles() is True

    ours = {role: {pair for pair in granted(session, role) if pair[1] in RESOURCES} for role in ROLES}
    assert ours == {
        role: {(p.action, p.resource) for p in permissions} for role, permissions in ROLES.items()
    }
    developer = granted(session, DEVELOPER)
    assert {("can_read", "Plugins"), ("can_read", "DAGs"), ("can_create", "DAG Runs")} <= developer
    assert ("menu_access", "Plugins") not in developer


def test_many_at_once_make_one_role(session: Any) -> None:
    from airflow.providers.fab.auth_manager.models import Permission, Role

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: seed_roles(), range(16)))

    assert answers == [True] * 16
    assert session.scalar(select(func.count()).select_from(Role)) == len(ROLES)
    pairs = session.execute(select(Permission.action_id, Permission.resource_id)).all()
    assert len(pairs) == len(set(pairs))


def test_role_that_a_person_changed_is_left_alone(session: Any) -> None:
    from airflow.providers.fab.auth_manager.models import Role

    seed_roles()
    role = session.scalar(select(Role).where(Role.name == DEVELOPER))
    taken = [p for p in role.permissions if (p.action.name, p.resource.name) == (CREATE, SPARK_DEPENDENCIES)]
    role.permissions.remove(taken[0])
    session.commit()
    before = granted(session, DEVELOPER)

    seed_roles()

    assert granted(session, DEVELOPER) == before
    assert (CREATE, SPARK_DEPENDENCIES) not in before
    assert (CREATE, SPARK_DEPENDENCIES) in granted(session, ADMIN)


def test_permission_that_is_new_in_a_version_reaches_the_role(session: Any) -> None:
    from airflow.providers.fab.auth_manager.models import Permission, Resource

    seed_roles()
    new = session.scalar(select(Resource).where(Resource.name == SPARK_DEPENDENCIES))
    for permission in session.scalars(select(Permission).where(Permission.resource_id == new.id)):
        session.delete(permission)  # as it was before the version that brought the resource
    session.commit()
    assert (READ, SPARK_DEPENDENCIES) not in granted(session, DEVELOPER)

    seed_roles()

    assert (READ, SPARK_DEPENDENCIES) in granted(session, DEVELOPER)


def test_nothing_happens_before_the_tables_are_there(session: Any) -> None:
    from airflow import settings
    from airflow.providers.fab.auth_manager.models import model_metadata

    model_metadata.drop_all(settings.engine)

    assert seed_roles() is False


def test_airflow_finds_and_accepts_the_database_manager() -> None:
    from airflow.utils.db_manager import RunDBManager

    managers = RunDBManager()

    assert CoutureDBManager in managers._managers
    managers.validate()
