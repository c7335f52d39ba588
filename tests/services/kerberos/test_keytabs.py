"""Keytabs that are kept: encrypted, with a default, never deleted from below those that use them."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet

from couture_workflow.exceptions import CorruptError, InUseError, InvalidError, NotFoundError
from couture_workflow.services.kerberos import keytabs, pages
from couture_workflow.store.home import Store
from tests.support.keytabs import AES128, AES256, RC4, keytab, record

TWO = keytab([record("etl", kvno=2), record("web", kvno=5, kind=AES128), record("etl", kvno=1, kind=RC4)])


@pytest.fixture
def hook() -> Iterator[list[str]]:
    """Something else that names keytabs: a list of those it uses."""
    used: list[str] = []

    @keytabs.tell_users
    def users(_store: Store, name: str) -> list[str]:
        return [f"Hadoop group {name}s"] if name in used else []

    yield used
    keytabs._asked.remove(users)


def test_a_keytab_is_kept_with_what_may_be_shown_of_it(store: Store) -> None:
    kept = keytabs.upload(store, "etl", TWO, user="ann", principal="etl@LAB.TEST")

    assert keytabs.get(store, "etl") == kept
    assert keytabs.listed(store) == [kept]
    assert (kept.principal, kept.kvno, kept.uploaded_by) == ("etl@LAB.TEST", 2, "ann")
    assert kept.fingerprint == hashlib.sha256(TWO).hexdigest()
    assert [entry.encryption for entry in kept.own] == ["aes256-cts-hmac-sha1-96", "arcfour-hmac"]
    assert not kept.is_weak
    assert (kept.is_default, kept.last_success) == (True, None)
    assert keytabs.content(store, "etl") == TWO


def test_it_is_encrypted_and_its_owners_alone(store: Store) -> None:
    secret = bytes(range(32))
    keytabs.upload(store, "etl", keytab([record(key=secret)]), user="ann")

    (path,) = [path for path in store.secrets.folder.iterdir() if path.name.startswith(keytabs.PREFIX)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for file in store.root.rglob("*"):
        assert not (file.is_file() and (secret in file.read_bytes() or b"etl@LAB" in file.read_bytes())), file
    assert "etl" in repr(keytabs.get(store, "etl"))
    assert secret.hex() not in repr(pages.rows(store))


def test_the_principal_is_chosen_among_those_in_the_file(store: Store) -> None:
    with pytest.raises(
        InvalidError, match="has 2 principals. Choose one of etl@LAB.TEST, web@LAB.TEST"
    ) as one:
        keytabs.upload(store, "x", TWO, user="ann")
    with pytest.raises(InvalidError, match="is not in the keytab. Choose one of") as other:
        keytabs.upload(store, "x", TWO, user="ann", principal="root@LAB.TEST")

    assert one.value.field == other.value.field == "principal"
    assert keytabs.listed(store) == []
    assert keytabs.upload(store, "x", keytab(), user="ann").principal == "etl@LAB.TEST"


def test_the_first_one_is_the_default_until_another_is_chosen(store: Store) -> None:
    assert keytabs.default_name(store) is None
    keytabs.upload(store, "b", keytab(), user="ann")
    keytabs.upload(store, "a", keytab(), user="ann")
    assert [(each.name, each.is_default) for each in keytabs.listed(store)] == [("a", False), ("b", True)]

    assert keytabs.make_default(store, "a").is_default
    assert keytabs.default_name(store) == "a"
    with pytest.raises(InUseError, match="is the default. Make another one the default"):
        keytabs.delete(store, "a")
    keytabs.delete(store, "b")
    keytabs.delete(store, "a")
    assert (keytabs.listed(store), keytabs.default_name(store)) == ([], None)
    assert keytabs.upload(store, "c", keytab(), user="ann").is_default


def test_one_that_others_use_is_not_deleted(store: Store, hook: list[str]) -> None:
    keytabs.upload(store, "etl", keytab(), user="ann")
    hook.append("etl")

    with pytest.raises(InUseError, match="in use: Hadoop group etls. Choose another keytab there") as refused:
        keytabs.delete(store, "etl")
    assert refused.value.users == ("Hadoop group etls",)
    assert pages.rows(store)[0]["used_by"] == ["Hadoop group etls"]
    hook.clear()
    keytabs.delete(store, "etl")
    assert keytabs.names(store) == ()


def test_a_new_file_takes_the_place_of_the_old_one_and_its_success_is_forgotten(store: Store) -> None:
    old = keytabs.upload(store, "etl", keytab(), user="ann")
    keytabs.note_success(store, old)
    assert keytabs.get(store, "etl").last_success is not None

    new = keytabs.upload(store, "etl", keytab([record(kvno=2)]), user="bob")

    assert (new.kvno, new.uploaded_by, new.last_success) == (2, "bob", None)
    keytabs.note_success(store, new)
    assert keytabs.get(store, "etl").last_success is not None


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "-x", "x" * 101, "ü" * 99, "a\nb", "."])
def test_names_that_break_the_rule_are_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidError):
        keytabs.upload(store, name, keytab(), user="ann")
    for call in (keytabs.get, keytabs.delete, keytabs.make_default, keytabs.content):
        with pytest.raises(NotFoundError, match="There is no keytab"):
            call(store, name)
    assert keytabs.names(store) == ()


def test_weak_keys_alone_are_told(store: Store) -> None:
    weak = keytab([record(kvno=1, kind=AES256), record(kvno=2, kind=RC4)])

    assert keytabs.upload(store, "old", weak, user="ann").is_weak


def test_one_that_cannot_be_read_is_told_and_can_be_deleted(store: Store) -> None:
    keytabs.upload(store, "good", keytab(), user="ann")
    store.secrets.put(f"{keytabs.PREFIX}bad", b"{}")
    keytabs.upload(store, "locked", keytab(), user="ann")
    path = store.secrets.folder / f"{keytabs.PREFIX}locked"
    path.write_bytes(Fernet(Fernet.generate_key()).encrypt(b"{}"))

    assert [each.name for each in keytabs.listed(store)] == ["good"]
    problems = keytabs.problems(store)
    assert set(problems) == {"bad", "locked"}
    assert "Upload it again" in problems["bad"]
    assert "another key" in problems["locked"]
    with pytest.raises(CorruptError):
        keytabs.get(store, "bad")
    keytabs.delete(store, "bad")
    keytabs.delete(store, "locked")
    assert keytabs.problems(store) == {}


def test_a_damaged_note_of_the_default_or_of_a_success_does_no_harm(store: Store) -> None:
    kept = keytabs.upload(store, "etl", keytab(), user="ann")
    keytabs.note_success(store, kept)
    for text in ("", "[]", "{", '{"default": 7, "fingerprint": 1}'):
        (store.root / keytabs.STATE).write_text(text)
        (store.root / keytabs.SUCCESSES / "etl.json").write_text(text)

        assert keytabs.default_name(store) is None
        assert keytabs.get(store, "etl").last_success is None
