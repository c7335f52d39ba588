"""The settings in the store: versions, the password that is bound to its server, what is applied."""

from __future__ import annotations

from typing import Any

import pytest

from couture_workflow.cli import main
from couture_workflow.exceptions import ConflictError, InvalidError
from couture_workflow.services.ldap import applied, configuration
from couture_workflow.services.ldap import document as ldap_document
from couture_workflow.services.ldap.applied import Applied
from couture_workflow.services.ldap.document import PATH, Document
from couture_workflow.services.ldap.fields import PASSWORD
from couture_workflow.services.workbench import doctor
from couture_workflow.store.home import Store
from tests.support.directory_settings import SETTINGS

SECRET = 's3cret ü"'


def document(**others: Any) -> Document:
    return Document(ldap_document.normal({**SETTINGS, **others}))


def save(store: Store, wanted: Document, *, typed: str = "", base: str | None = None) -> Document:
    return configuration.save(store, wanted, typed=typed, user="ann", base=base)


def test_password_is_kept_apart_and_encrypted(store: Store) -> None:
    saved = save(store, document(), typed=SECRET)

    assert configuration.password(store, saved) == SECRET
    assert SECRET.encode() not in store.config.read(PATH)
    path = store.secrets.folder / configuration.SECRET
    assert SECRET.encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert SECRET not in repr(saved)


def test_password_is_for_its_server_and_account_alone(store: Store) -> None:
    saved = save(store, document(), typed=SECRET)

    for elsewhere in ({"AUTH_LDAP_SERVER": "ldap://evil.example.com"}, {"AUTH_LDAP_BIND_USER": "cn=b,dc=x"}):
        assert configuration.password(store, document(**elsewhere)) is None
        with pytest.raises(InvalidError) as raised:
            save(store, document(**elsewhere), base=saved.commit)
        assert raised.value.field == PASSWORD
    assert configuration.password(store, document(AUTH_LDAP_SEARCH="ou=b,dc=x")) == SECRET


def test_new_password_is_a_version_and_the_same_one_is_none(store: Store) -> None:
    first = save(store, document(), typed=SECRET)
    assert save(store, document(), typed=SECRET, base=first.commit).commit == first.commit

    second = save(store, document(), typed="another", base=first.commit)

    assert second.commit != first.commit
    assert configuration.password(store, second) == "another"


def test_save_that_comes_second_changes_nothing(store: Store) -> None:
    first = save(store, document(), typed=SECRET)
    save(store, document(LDAP_TIMEOUT=3), base=first.commit)

    with pytest.raises(ConflictError):
        save(store, document(LDAP_TIMEOUT=4), typed="another", base=first.commit)

    assert configuration.read(store).values["LDAP_TIMEOUT"] == 3
    assert configuration.password(store, document()) == SECRET


def test_history_tells_what_each_save_was_for(store: Store) -> None:
    first = save(store, document(), typed=SECRET)
    save(store, document(LDAP_TIMEOUT=3), base=first.commit)
    main(["auth", "database", "--home", str(store.root)])

    assert [entry.message for entry in configuration.history(store)] == [
        "Return to local log-in",
        "Change LDAP_TIMEOUT",
        "Log in by the directory",
    ]
    assert configuration.read(store, commit=first.commit).is_ldap


def test_shell_returns_to_local_log_in(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["auth", "database", "--home", str(store.root)]) == 0
    assert "no settings of LDAP were ever saved" in capsys.readouterr().out

    saved = save(store, document(), typed=SECRET)
    applied.record(store, Applied(commit=str(saved.commit), log_in="ldap"))
    assert main(["auth", "database", "--home", str(store.root)]) == 0
    assert "Restart the API server" in capsys.readouterr().out

    after = configuration.read(store)
    assert not after.is_ldap
    assert after.text("AUTH_LDAP_SERVER") == "ldap://ldap.example.com"
    assert configuration.password(store, after) == SECRET

    applied.record(store, Applied(commit=str(after.commit), log_in="database"))
    main(["auth", "database", "--home", str(store.root)])
    assert "already" in capsys.readouterr().out


def test_shell_returns_to_local_log_in_from_a_damaged_file(store: Store) -> None:
    store.config.save({PATH: b"["}, author="ann", message="x", base=None)
    assert main(["auth", "database", "--home", str(store.root)]) == 0
    assert not configuration.read(store).is_ldap


def test_doctor_tells_what_is_not_applied_and_why(store: Store) -> None:
    def found() -> list[str]:
        return [str(each) for each in doctor.check(store) if PATH in str(each.path)]

    assert found() == []
    saved = save(store, document(), typed=SECRET)
    assert "not applied yet. Restart the API server." in found()[0]

    applied.record(store, Applied(commit=str(saved.commit), log_in="ldap"))
    assert found() == []

    applied.record(store, Applied(commit=str(saved.commit), log_in="database", problem="The file is gone."))
    assert "cannot be applied: The file is gone." in found()[0]


def test_note_of_what_is_applied_may_be_damaged(store: Store) -> None:
    (store.root / applied.STATE).write_text("[")
    assert applied.last(store) == Applied()
