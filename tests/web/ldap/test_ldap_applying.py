"""What Flask-AppBuilder is told at a start: the saved settings, or local log-in and why; no start fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.ldap import applied, configuration, library
from couture_workflow.services.ldap import document as ldap_document
from couture_workflow.services.ldap.document import PATH, Document
from couture_workflow.store.home import Store
from couture_workflow.web.ldap import SETTINGS, accounts, applying
from tests.support.directory_settings import SETTINGS as GOOD

DATABASE, LDAP = 1, 2
SECRET = "s3cret"


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin as a process that starts, with one administrator and no file of the installation's own."""
    monkeypatch.setattr(applying, "_own", applied.Applied())
    monkeypatch.setattr(accounts, "administrators", lambda: ["superadmin"])
    monkeypatch.setattr(accounts, "role_names", lambda: ["Admin", "Viewer"])
    monkeypatch.setenv("AIRFLOW__FAB__CONFIG_FILE", str(tmp_path / "own.py"))
    applying.take_over()


def save(store: Store, **others: Any) -> Document:
    base = configuration.read(store).commit
    document = Document(ldap_document.normal({**GOOD, **others}))
    return configuration.save(store, document, typed=SECRET, user="ann", base=base)


def problem(found: dict[str, Any], store: Store) -> str:
    """Return why local accounts alone log in, once that is sure."""
    assert found["AUTH_TYPE"] == DATABASE
    assert applying.here() == applied.last(store)
    assert applying.here().log_in == "database"
    return applying.here().problem


def test_nothing_is_set_where_nothing_was_saved(store: Store, tmp_path: Path) -> None:
    assert applying.flask_settings() == {}
    (tmp_path / "own.py").write_text("AUTH_RATE_LIMITED = False\nAUTH_TYPE = 4\nlower = 1\n")
    assert applying.flask_settings() == {"AUTH_RATE_LIMITED": False, "AUTH_TYPE": 4}
    assert not (store.root / applied.STATE).exists()


@pytest.mark.skipif(not library.is_installed(), reason="needs python-ldap")
def test_saved_settings_are_told_with_both_limits(store: Store, tmp_path: Path) -> None:
    import ldap

    (tmp_path / "own.py").write_text("AUTH_RATE_LIMITED = False\nAUTH_LDAP_SERVER = 'ldap://other'\n")
    saved = save(store, LDAP_TIMEOUT=7)

    found = applying.flask_settings()

    assert (found["AUTH_TYPE"], found["AUTH_LDAP_SERVER"]) == (LDAP, "ldap://ldap.example.com")
    assert (found["AUTH_LDAP_BIND_PASSWORD"], found["AUTH_RATE_LIMITED"]) == (SECRET, False)
    assert found["AUTH_ROLES_MAPPING"] == GOOD["AUTH_ROLES_MAPPING"]
    assert SECRET not in str(found[SETTINGS])
    assert "LDAP_TIMEOUT" not in found
    assert (ldap.get_option(ldap.OPT_NETWORK_TIMEOUT), ldap.get_option(ldap.OPT_TIMEOUT)) == (7.0, 7.0)
    assert (applying.here().commit, applying.here().log_in, applying.here().problem) == (
        saved.commit,
        "ldap",
        "",
    )
    for path in store.root.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


@pytest.mark.skipif(not library.is_installed(), reason="needs python-ldap")
def test_file_of_certificates_that_is_gone_leaves_the_local_accounts(store: Store, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----\n")
    save(store, AUTH_LDAP_TLS_CACERTFILE=str(ca))
    ca.unlink()

    found = applying.flask_settings()

    assert f"There is no file {ca}" in problem(found, store)
    # Those on the list alone: a password of somebody else from before counts no more.
    assert found[SETTINGS]["LOCAL_ACCOUNTS"] == ["superadmin"]
    assert "auth_user_db" in vars(found["SECURITY_MANAGER_CLASS"].__mro__[1])


@pytest.mark.skipif(not library.is_installed(), reason="needs python-ldap")
def test_password_that_is_missing_or_locked_leaves_the_local_accounts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store)
    store.secrets.delete(configuration.SECRET)
    assert "no password of this service account" in problem(applying.flask_settings(), store)

    save(store, LDAP_TIMEOUT=3)
    (store.secrets.folder / configuration.SECRET).write_bytes(b"gAAAAA of another key")
    assert "no password of this service account" in problem(applying.flask_settings(), store)


def test_missing_library_is_told_with_the_line_to_type(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    save(store)
    monkeypatch.setattr(library, "is_installed", lambda: False)
    assert "pip install python-ldap" in problem(applying.flask_settings(), store)


def test_settings_that_lock_everybody_out_are_not_applied(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store)
    monkeypatch.setattr(accounts, "administrators", lambda: ["somebody-else"])
    found = applying.flask_settings()
    assert "None of them is an active administrator" in problem(found, store)
    assert "SECURITY_MANAGER_CLASS" not in found


def test_damaged_settings_are_told_and_local_log_in_it_is(store: Store) -> None:
    store.config.save({PATH: b"["}, author="ann", message="x", base=None)
    assert "couture-workflow auth database" in problem(applying.flask_settings(), store)


def test_local_log_in_makes_no_accounts_because_of_an_own_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("AUTH_TYPE = 2\nAUTH_USER_REGISTRATION = True\n")
    save(store, AUTH_TYPE="database")
    found = applying.flask_settings()
    assert (found["AUTH_TYPE"], found["AUTH_USER_REGISTRATION"]) == (DATABASE, False)
    assert applying.here().problem == ""


def test_workers_of_a_server_know_the_installations_own_file_too(tmp_path: Path) -> None:
    applying.take_over()
    applying.take_over()
    assert os.environ["AIRFLOW__FAB__CONFIG_FILE"].endswith("web/ldap/webserver_config.py")
    assert applying.former_file() is None
    (tmp_path / "own.py").touch()
    assert applying.former_file() == tmp_path / "own.py"
