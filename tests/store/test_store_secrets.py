"""Secrets at rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from couture_workflow.exceptions import InvalidNameError, NotFoundError, SecretKeyError
from couture_workflow.store.home import Store
from couture_workflow.store.secrets import Secrets

VALUE = "pässword'\"<&>".encode() + bytes(range(256))


def test_secret_is_read_back_and_not_written_plain(store: Store) -> None:
    before = os.umask(0)
    try:
        store.secrets.put("keytab", VALUE)
    finally:
        os.umask(before)

    path = store.secrets.folder / "keytab"
    assert store.secrets.get("keytab") == VALUE
    assert b"ssword" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert store.secrets.folder.stat().st_mode & 0o777 == 0o700
    assert store.secrets.names() == ("keytab",)


def test_secret_is_replaced_and_deleted(store: Store) -> None:
    store.secrets.put("a", b"1")
    store.secrets.put("a", b"2")
    assert store.secrets.get("a") == b"2"

    store.secrets.delete("a")

    assert store.secrets.names() == ()
    for ask in (store.secrets.get, store.secrets.delete):
        with pytest.raises(NotFoundError):
            ask("a")


def test_hostile_name_is_refused(store: Store) -> None:
    with pytest.raises(InvalidNameError):
        store.secrets.get("../version")


def test_text_is_encrypted_for_other_files(store: Store) -> None:
    token = store.secrets.encrypt("pässword")

    assert "ssword" not in token
    assert store.secrets.decrypt(token) == "pässword"


def test_older_keys_still_open_what_they_closed(tmp_path: Path) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    Secrets(tmp_path, old).put("a", VALUE)

    assert Secrets(tmp_path, f"{new}, {old}").get("a") == VALUE
    with pytest.raises(SecretKeyError, match=r'"a" .*cannot be decrypted.*\[couture_workflow\] secret_key'):
        Secrets(tmp_path, new).get("a")


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"gAAAAA" + b"x" * 100], ids=["empty", "garbage", "forged"]
)
def test_damaged_secret_is_named(store: Store, content: bytes) -> None:
    store.secrets.put("a", VALUE)
    (store.secrets.folder / "a").write_bytes(content)

    with pytest.raises(SecretKeyError, match=r'The secret "a" .* cannot be decrypted: it is damaged'):
        store.secrets.get("a")


@pytest.mark.parametrize(
    ("key", "problem"), [("", "There is no key"), ("short", "is not a Fernet key"), (" , ", "no key")]
)
def test_missing_or_malformed_key_is_explained(tmp_path: Path, key: str, problem: str) -> None:
    with pytest.raises(SecretKeyError, match=rf"{problem}.*secret_key") as error:
        Secrets(tmp_path, key).encrypt("x")

    assert not key.strip(" ,") or key not in str(error.value).replace("secret_key", "")
