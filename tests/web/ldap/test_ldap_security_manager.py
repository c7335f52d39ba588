"""Flask-AppBuilder's log-in with our part before it, against a real directory: any settings, no server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask

from couture_workflow.services.ldap import document as ldap_document
from couture_workflow.services.ldap import library
from couture_workflow.services.ldap.document import Document
from tests.services.slapd import (
    ADMINS,
    ANALYSTS,
    GROUPS,
    HOSTILE,
    OPERATORS,
    PEOPLE,
    SERVICE_PASSWORD,
    Slapd,
    password,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not library.is_installed(), reason="needs python-ldap"),
]


@pytest.fixture
def session() -> Iterator[Any]:
    """Return a session of an empty database of accounts, with some roles."""
    from airflow.providers.fab.auth_manager.models import Model, Role
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    engine = create_engine("sqlite://")
    tables = [table for name, table in Model.metadata.tables.items() if name.startswith("ab_")]
    Model.metadata.create_all(engine, tables=tables)
    with Session(engine) as found:
        found.add_all([Role(name=name) for name in ("Admin", "User", "Op", "Viewer")])
        found.commit()
        yield found
    engine.dispose()


@pytest.fixture
def manager(slapd: Slapd, session: Any) -> Callable[..., Any]:
    """Return a function that makes a security manager with settings that fit the directory, and others."""

    @contextmanager
    def made(*, bind_password: str = SERVICE_PASSWORD, **others: Any) -> Iterator[Any]:
        import ldap
        from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager

        from couture_workflow.services.ldap import trial
        from couture_workflow.web.ldap import SETTINGS
        from couture_workflow.web.ldap.log_in import manager_class

        # In the clear: the options of TLS stick to this process, and have tests in processes of their own.
        plain = {"AUTH_LDAP_USE_TLS": False, "AUTH_LDAP_TLS_DEMAND": False, "AUTH_LDAP_TLS_CACERTFILE": ""}
        values = Document(ldap_document.normal(slapd.settings(**{**plain, **others}))).json()
        trial.use_limits(ldap, 20.0)
        app = Flask(__name__)
        app.config.update(values, AUTH_LDAP_BIND_PASSWORD=bind_password, **{SETTINGS: values})
        app.config.update(AUTH_TYPE=2, AUTH_DB_FAKE_PASSWORD_HASH_CHECK="pbkdf2:sha256:1$x$00")
        with app.app_context():
            yield manager_class(ApplessAirflowSecurityManager)(session=session)

    return made


def log_in(manager: Any, name: str, typed: str | None = None) -> list[str] | None:
    """Return the roles of who got in, None if nobody did."""
    given = password(name.strip()) if typed is None else typed
    found = manager.auth_user_ldap(name, given, rotate_session_id=False)
    return None if found is None else sorted(role.name for role in found.roles)


def accounts(session: Any) -> list[str]:
    from airflow.providers.fab.auth_manager.models import User
    from sqlalchemy import select

    return sorted(session.scalars(select(User.username)))


def test_role_of_people_without_a_group_is_not_added_to_roles_of_groups(manager: Any) -> None:
    with manager() as found:
        assert log_in(found, "alice") == ["Admin", "User"]
        assert log_in(found, "bob") == ["User"]
        assert log_in(found, "carol") == ["Viewer"]


def test_blank_around_a_name_makes_neither_an_error_nor_a_second_account(manager: Any, session: Any) -> None:
    with manager() as found:
        for name in ("alice", " alice", "alice ", "\talice\n", "ALICE"):
            assert log_in(found, name, password("alice")) == ["Admin", "User"], name
    assert accounts(session) == ["alice"]


def test_name_that_the_directory_takes_for_another_spelling_makes_no_second_account(
    manager: Any, session: Any
) -> None:
    with manager() as found:
        assert log_in(found, "ａlice", password("alice")) is None
    assert accounts(session) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_gets_in_by_its_own_password_alone(manager: Any, session: Any, name: str) -> None:
    with manager() as found:
        assert log_in(found, name, password("alice")) is None
        assert log_in(found, name) == ["Viewer"]
    assert accounts(session) == [name]


@pytest.mark.parametrize("name", ["", " ", "al*", "alice)(uid=*", "nobody\0", "x" * 5000])
def test_name_that_is_nobodys_is_refused(manager: Any, name: str) -> None:
    with manager() as found:
        assert log_in(found, name, password("alice")) is None


def test_empty_password_is_refused_before_a_directory_takes_it_for_none(manager: Any) -> None:
    with manager() as found:
        assert log_in(found, "alice", "") is None


@pytest.mark.parametrize(
    "others",
    [
        {"AUTH_LDAP_SEARCH_FILTER": "(objectClass=person"},
        {"AUTH_LDAP_SEARCH_FILTER": "(a))((b)"},
        {"AUTH_LDAP_SEARCH_FILTER": "(objectClass=device)"},
        {"AUTH_LDAP_TLS_CACERTFILE": "/gone/ca.pem", "AUTH_LDAP_TLS_DEMAND": True, "AUTH_LDAP_USE_TLS": True},
        {"AUTH_LDAP_SEARCH": "ou=gone,dc=lab,dc=test"},
        {"AUTH_LDAP_BIND_USER": "cn=gone,dc=lab,dc=test"},
        {"AUTH_LDAP_BIND_USER": "no full name"},
        {"bind_password": "wrong"},
        {"AUTH_LDAP_SERVER": "ldap://127.0.0.1:1"},
        {"AUTH_LDAP_SERVER": "ldap://no-such-host.invalid"},
        {"AUTH_LDAP_SERVER": "no address"},
    ],
    ids=lambda others: "-".join(map(str, others.values()))[:40],
)
def test_settings_that_are_wrong_refuse_and_never_raise(manager: Any, others: dict[str, Any]) -> None:
    with manager(**others) as found:
        assert log_in(found, "alice") is None


def test_address_that_another_account_has_refuses_and_never_raises(manager: Any, session: Any) -> None:
    from airflow.providers.fab.auth_manager.models import User

    session.add(User(username="x", first_name="x", last_name="x", email="u616c696365@lab.test", active=True))
    session.commit()
    with manager() as found:
        assert log_in(found, "alice") is None
        assert log_in(found, "bob") == ["User"]


def test_local_account_has_its_own_password_and_the_directory_none_for_it(
    manager: Any, session: Any, slapd: Slapd
) -> None:
    from airflow.providers.fab.auth_manager.models import User
    from werkzeug.security import generate_password_hash

    for name in ("admin", "dave"):
        hashed = generate_password_hash("own", "pbkdf2:sha256:1")
        session.add(
            User(username=name, first_name=name, last_name="x", email=name, active=True, password=hashed)
        )
    session.commit()

    with manager() as found, slapd.down():
        for name in ("admin", "ADMIN", " admin"):
            assert log_in(found, name, "own") == [], name
        # Not on the list: a password from before counts no more, at the form or for a token.
        assert log_in(found, "dave", "own") is None
        assert found.auth_user_db("dave", "own", rotate_session_id=False) is None
        assert found.auth_user_db("admin", "own", rotate_session_id=False) is not None
    with manager() as found:
        # The directory has somebody of this name, too.
        assert log_in(found, "admin", password("admin")) is None


def test_groups_that_are_searched_for_and_their_case_count(manager: Any) -> None:
    mapping = {OPERATORS.upper(): ["Op"], ANALYSTS: ["User"]}
    with manager(AUTH_ROLES_MAPPING=mapping, AUTH_LDAP_GROUP_SEARCH=GROUPS) as found:
        assert log_in(found, "erin") == ["Op", "User"]


def test_roles_are_set_at_each_log_in_if_that_is_wanted(manager: Any) -> None:
    with manager(AUTH_ROLES_MAPPING={ADMINS: ["Admin"]}) as found:
        assert log_in(found, "alice") == ["Admin"]
    with manager(AUTH_ROLES_MAPPING={ADMINS: ["Op"]}, AUTH_ROLES_SYNC_AT_LOGIN=False) as found:
        assert log_in(found, "alice") == ["Admin"]
    with manager(AUTH_ROLES_MAPPING={ADMINS: ["Op", "No such role"]}) as found:
        assert log_in(found, "alice") == ["Op"]


def test_nobody_gets_an_account_where_none_are_made(manager: Any, session: Any) -> None:
    with manager(AUTH_USER_REGISTRATION=False) as found:
        assert log_in(found, "alice") is None
    assert accounts(session) == []


def test_person_is_bound_at_once_without_a_service_account(manager: Any, session: Any) -> None:
    direct = {"AUTH_LDAP_BIND_USER": "", "AUTH_LDAP_USERNAME_FORMAT": f"uid=%s,{PEOPLE}"}
    with manager(**direct) as found:
        assert log_in(found, "alice") == ["Admin", "User"]
        assert log_in(found, HOSTILE[3]) == ["Viewer"]
        assert log_in(found, "alice,ou=people", password("alice")) is None
    assert accounts(session) == sorted(["alice", HOSTILE[3]])


def test_silent_directory_holds_a_log_in_up_for_the_patience_alone(manager: Any, slapd: Slapd) -> None:
    import ldap

    from couture_workflow.services.ldap import trial

    with manager() as found, slapd.silent():
        trial.use_limits(ldap, 0.5)
        assert log_in(found, "alice") is None  # it would hang for ever with one of the two limits alone
    # The limits of the LDAP library do not hold for the handshake: it would spin for ever.
    secure = {"AUTH_LDAP_SERVER": slapd.secure_url, "LDAP_TIMEOUT": 1}
    for encrypted in (secure, {"AUTH_LDAP_USE_TLS": True, "LDAP_TIMEOUT": 1}):
        with manager(**encrypted) as found, slapd.silent():
            assert log_in(found, "alice") is None
