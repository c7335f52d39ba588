"""The krb5.conf in archives; keytabs in none, and an import says which are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from couture_workflow.exceptions import ArchiveError
from couture_workflow.permissions import KERBEROS_CONFIGURATION, SPARK_CONFIGURATION
from couture_workflow.services.archives import import_export
from couture_workflow.services.archives.plans import Prepared
from couture_workflow.services.kerberos import configuration, keytabs
from couture_workflow.store.home import Store
from tests.support.keytabs import keytab, record
from tests.support.packing import packed, unpacked

KEY = bytes(range(32))


@pytest.fixture
def source(tmp_path: Path) -> Store:
    """Another home, with a krb5.conf and two keytabs."""
    from cryptography.fernet import Fernet

    made = Store.open(tmp_path / "source", secret_key=Fernet.generate_key().decode())
    configuration.save(made, configuration.TEMPLATE, user="ann", base=None)
    keytabs.upload(made, "etl", keytab([record(key=KEY)]), user="ann")
    keytabs.upload(made, "web", keytab([record("web")]), user="ann")
    return made


def exported(store: Store) -> bytes:
    return b"".join(import_export.write(import_export.export(store, "configs")))


def planned(store: Store, content: bytes, folder: Path) -> tuple[import_export.Import, Prepared]:
    path = folder / "x.tar.gz"
    path.write_bytes(content)
    loaded = import_export.load(store, "configs", path)
    return loaded, import_export.plan(store, loaded)


def test_the_text_goes_out_and_comes_in_and_missing_keytabs_are_named(
    store: Store, source: Store, tmp_path: Path
) -> None:
    content = exported(source)
    keytabs.upload(store, "web", keytab([record("web")]), user="bob")

    loaded, prepared = planned(store, content, tmp_path)

    assert sorted(unpacked(content)) == ["configs/krb5.conf", "couture-workflow.json"]
    assert KEY not in b"".join(unpacked(content).values())
    (item,) = prepared.plan.items
    assert (item.path, item.action, item.resource) == ("krb5.conf", "create", KERBEROS_CONFIGURATION)
    (missing,) = prepared.plan.missing
    assert (missing.reference, missing.blocks) == ("etl", False)
    assert "(etl@LAB.TEST) is neither in the archive nor here. Upload it in Admin" in missing.message
    import_export.apply(store, loaded, prepared, user="bob", message="", save_dags=lambda changes, base: "")
    assert configuration.read(store).text == configuration.TEMPLATE
    assert planned(store, content, tmp_path)[1].plan.counts["same"] == 1


def test_who_may_not_read_kerberos_gets_neither_text_nor_names(source: Store) -> None:
    made = import_export.export(source, "configs", readable=lambda resource: resource == SPARK_CONFIGURATION)

    assert made.entries == ()
    assert dict(made.manifest.left_out) == {}
    held = import_export.holdings(
        source, "configs", readable=lambda resource: resource == SPARK_CONFIGURATION
    )
    assert [each.files for each in held if each.what == "Kerberos"] == [0]
    every = import_export.holdings(source, "configs", readable=lambda resource: True)
    assert [each.files for each in every if each.what == "Kerberos"] == [1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[plugins]\n a = b\n", "loads code"),
        (b"include /etc/passwd\n", "include is refused"),
        (b"\xff\xfe", "no UTF-8"),
        (b"[" * 100_000, "longer than 64 KiB"),
    ],
)
def test_a_text_that_could_not_be_saved_is_not_imported(
    store: Store, tmp_path: Path, content: bytes, reason: str
) -> None:
    with pytest.raises(ArchiveError, match=reason) as refused:
        planned(store, packed({"krb5.conf": content}), tmp_path)

    assert refused.value.member == "krb5.conf"


def test_a_keytab_in_an_archive_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is no configuration"):
        planned(store, packed({"keytabs/etl.keytab": keytab()}), tmp_path)
