"""Settings of log-in by a directory in exports and imports: the password never leaves and is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import ArchiveError
from couture_workflow.permissions import LDAP_CONFIGURATION
from couture_workflow.services.archives import import_export
from couture_workflow.services.archives.import_export import Prepared
from couture_workflow.services.ldap import configuration
from couture_workflow.services.ldap import document as ldap_document
from couture_workflow.services.ldap.document import PATH, Document
from couture_workflow.services.ldap.fields import PASSWORD
from couture_workflow.store import archives
from couture_workflow.store.home import Store
from tests.support.directory_settings import SETTINGS
from tests.support.packing import packed, unpacked

SECRET = "s3cret-of-the-directory"


def saved(store: Store, **others: Any) -> Document:
    document = Document(ldap_document.normal({**SETTINGS, **others}))
    base = configuration.read(store).commit
    return configuration.save(store, document, typed=SECRET, user="ann", base=base)


def archive(path: Path, members: dict[str, str]) -> Path:
    path.write_bytes(packed(members))
    return path


def exported(store: Store, path: Path) -> dict[str, bytes]:
    path.write_bytes(b"".join(import_export.write(import_export.export(store, "configs"))))
    return unpacked(path.read_bytes())


def planned(store: Store, path: Path) -> Prepared:
    return import_export.plan(store, import_export.load(store, "configs", path))


def test_export_has_the_settings_and_not_the_password(store: Store, tmp_path: Path) -> None:
    saved(store)

    members = exported(store, tmp_path / "a.tar.gz")

    assert SECRET.encode() not in b"".join(members.values())
    assert b"ldap.example.com" in members["configs/ldap.yaml"]
    assert PASSWORD.encode() in members[archives.MANIFEST]
    left = import_export.export(store, "configs", readable=lambda resource: resource != LDAP_CONFIGURATION)
    assert [entry.path for entry in left.entries if "ldap" in entry.path] == []


def test_import_says_that_the_password_is_missing_here(store: Store, tmp_path: Path) -> None:
    text = ldap_document.dump(Document(ldap_document.normal(SETTINGS))).decode()
    prepared = planned(store, archive(tmp_path / "a.tar.gz", {PATH: text}))

    assert [(item.path, item.action, item.resource) for item in prepared.plan.items] == [
        (PATH, "create", LDAP_CONFIGURATION)
    ]
    assert any(PASSWORD in note and "Enter it after" in note for note in prepared.plan.notes)


def test_password_that_is_here_stays_for_the_same_account_alone(store: Store, tmp_path: Path) -> None:
    saved(store)
    path = tmp_path / "a.tar.gz"
    exported(store, path)

    same = planned(store, path).plan
    assert [(item.path, item.action) for item in same.items] == [(PATH, "same")]
    assert same.notes == ()

    text = ldap_document.dump(
        Document(ldap_document.normal({**SETTINGS, "AUTH_LDAP_SERVER": "ldap://b.test"}))
    )
    other = planned(store, archive(tmp_path / "b.tar.gz", {PATH: text.decode()})).plan
    assert any(PASSWORD in note for note in other.notes)


def test_file_that_is_missing_here_is_told_and_a_contradiction_refused(store: Store, tmp_path: Path) -> None:
    def with_values(**others: Any) -> Path:
        text = ldap_document.dump(Document(ldap_document.normal({**SETTINGS, **others}))).decode()
        return archive(tmp_path / "c.tar.gz", {PATH: text})

    notes = planned(store, with_values(AUTH_LDAP_TLS_CACERTFILE="/gone/ca.pem")).plan.notes
    assert any("/gone/ca.pem" in note for note in notes)

    with pytest.raises(ArchiveError, match="STARTTLS"):
        planned(store, with_values(AUTH_LDAP_SERVER="ldaps://a"))
    for text in ("[", "AUTH_LDAP_SERVR: x"):
        with pytest.raises(ArchiveError, match=r"ldap\.yaml"):
            planned(store, archive(tmp_path / "d.tar.gz", {PATH: text}))


def test_settings_count_as_a_part_of_their_own(store: Store) -> None:
    saved(store)
    held = {
        each.what: each.files
        for each in import_export.holdings(store, "configs", readable=lambda resource: True)
    }
    assert (held["LDAP settings"], held["Spark settings"]) == (1, 0)
