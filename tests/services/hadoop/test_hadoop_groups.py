"""Hadoop groups: made, renamed, deleted; their files, secrets, history; their properties and warnings."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from couture_workflow.exceptions import (
    ConflictError,
    CorruptError,
    InUseError,
    InvalidError,
    InvalidNameError,
    NotFoundError,
    TooLargeError,
)
from couture_workflow.services.hadoop import files, groups, index, pages
from couture_workflow.store.home import Store
from couture_workflow.store.secrets import MASK

CORE, HDFS, YARN = "core-site.xml", "hdfs-site.xml", "yarn-site.xml"


def xml(*pairs: tuple[str, str], final: bool = False) -> bytes:
    more = "<final>true</final>" if final else ""
    properties = "".join(
        f"<property><name>{name}</name><value>{value}</value>{more}</property>\n" for name, value in pairs
    )
    return f"<configuration>\n{properties}</configuration>\n".encode()


CORE_XML = xml(("fs.defaultFS", "hdfs://a:8020"), ("fs.s3a.secret.key", "hush &lt;"))


@pytest.fixture
def two(store: Store) -> Store:
    """Return a store with the groups prod, which is the default, and dev."""
    groups.add(store, "prod", user="ann")
    groups.add(store, "dev", user="ann")
    files.save(store, "prod", {CORE: CORE_XML, YARN: xml(("yarn.x", "1"))}, user="ann")
    return store


def test_the_first_group_is_the_default_and_another_one_can_be(two: Store) -> None:
    assert [(group.name, group.is_default) for group in groups.listed(two)] == [
        ("dev", False),
        ("prod", True),
    ]

    groups.set_default(two, "dev", user="ann")

    assert groups.default_name(two) == "dev"
    assert groups.get(two, "prod").files == (CORE, YARN)


def test_an_empty_home_has_no_group(store: Store) -> None:
    assert (groups.listed(store), groups.default_name(store)) == ([], None)
    with pytest.raises(NotFoundError, match="there is none yet"):
        groups.get(store, "prod")


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "a'b\"<&>ü", "x" * 300])
def test_a_name_that_breaks_the_rule_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidNameError, match="Hadoop group"):
        groups.add(store, name, user="ann")


@pytest.mark.parametrize("name", ["prod", "PROD", "groups.yaml", "Groups.YAML"])
def test_a_name_that_is_taken_is_refused(two: Store, name: str) -> None:
    with pytest.raises(InvalidError, match="Choose another name"):
        groups.add(two, name, user="ann")


def test_a_rename_takes_files_default_and_history_along(two: Store) -> None:
    groups.rename(two, "prod", "Prod", user="bob")

    renamed = groups.get(two, "Prod")
    assert (renamed.files, renamed.is_default) == ((CORE, YARN), True)
    assert groups.properties(two, "Prod")["fs.s3a.secret.key"] == "hush <"
    assert [group.name for group in groups.listed(two)] == ["dev", "Prod"]


def test_what_is_used_is_neither_renamed_nor_deleted(two: Store) -> None:
    for refused in (
        lambda: groups.rename(two, "dev", "new", user="ann", users=["DAG a, task b"]),
        lambda: groups.delete(two, "dev", user="ann", users=["DAG a, task b"]),
    ):
        with pytest.raises(InUseError, match="DAG a, task b") as error:
            refused()
        assert error.value.users == ("DAG a, task b",)
    assert len(groups.listed(two)) == 2


def test_the_default_is_deleted_only_when_it_is_the_last(two: Store) -> None:
    with pytest.raises(InUseError, match="make another one the default first"):
        groups.delete(two, "prod", user="ann")

    groups.delete(two, "dev", user="ann")
    groups.delete(two, "prod", user="ann")

    assert groups.listed(two) == []
    assert two.config.paths("hadoop/") == (index.PATH,)
    groups.add(two, "next", user="ann")
    assert groups.default_name(two) == "next"


def test_files_alone_make_a_group_as_an_old_archive_has_them(store: Store) -> None:
    paths = {f"hadoop/{name}/{CORE}": CORE_XML for name in ("b", "a")}
    store.config.save(dict(paths), author="ann", message="old", base=None)

    assert [(group.name, group.is_default) for group in groups.listed(store)] == [("a", True), ("b", False)]


def test_a_damaged_index_is_told_with_a_remedy(two: Store) -> None:
    two.config.save({index.PATH: b"version: 7"}, author="x", message="x", base=two.config.head())

    with pytest.raises(CorruptError, match="restore an earlier version"):
        groups.listed(two)


def test_a_secret_is_sealed_at_rest_masked_when_shown_and_clear_for_a_job(two: Store, tmp_path: Path) -> None:
    kept = two.config.read(f"hadoop/prod/{CORE}")
    folder = groups.prepare(two, "prod", tmp_path / "run")

    assert b"hush" not in kept
    assert MASK in files.text(two, "prod", CORE)
    assert (folder / CORE).read_bytes() == CORE_XML
    assert sorted(path.name for path in folder.iterdir()) == [CORE, YARN]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [row.value for row in pages.show(two, "prod").rows] == ["hdfs://a:8020", MASK, "1"]


def test_a_mask_that_comes_back_is_what_it_was(two: Store) -> None:
    text = files.text(two, "prod", CORE).replace("a:8020", "b:8020")

    draft = files.draft(two, "prod", CORE, text.encode())
    files.save(two, "prod", {CORE: text.encode()}, user="bob")

    assert (draft.old.count(MASK), draft.new, draft.wanting) == (1, text, ())
    found = groups.properties(two, "prod")
    assert (found["fs.defaultFS"], found["fs.s3a.secret.key"]) == ("hdfs://b:8020", "hush <")


def test_a_mask_without_a_secret_behind_it_is_refused(two: Store) -> None:
    with pytest.raises(InvalidError, match="Type the secret itself"):
        files.save(two, "dev", {CORE: xml(("a.password", MASK))}, user="ann")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("core-site.txt", CORE_XML, "must end in .xml"),
        ("core-site.XML", CORE_XML, "small letters"),
        ("../core-site.xml", CORE_XML, "is refused"),
        ("Core-Site.xml", CORE_XML, "capital letters alone"),
        (CORE, b"PK\x03\x04", "not well-formed|UTF-8"),
        (CORE, "<configuration>ü</configuration>".encode("utf-16"), "UTF-8"),
        (CORE, b'<!DOCTYPE a [<!ENTITY b "c">]><configuration/>', "document type"),
    ],
)
def test_files_that_are_none_of_hadoops_are_refused(
    two: Store, name: str, content: bytes, words: str
) -> None:
    head = two.config.head()

    with pytest.raises(InvalidError, match=words):
        files.save(two, "prod", {YARN: xml(("a", "1")), name: content}, user="ann")

    assert two.config.head() == head  # all or none


def test_a_byte_order_mark_is_taken_off(two: Store) -> None:
    files.save(two, "dev", {CORE: b"\xef\xbb\xbf" + CORE_XML}, user="ann")

    assert files.text(two, "dev", CORE).startswith("<configuration>")


def test_a_group_has_limits(two: Store) -> None:
    many = {f"a{number}.xml": b"<configuration/>" for number in range(groups.MOST_FILES + 1)}
    large = {f"a{number}.xml": xml(("a", "x" * 2**19), ("b", "x" * 2**18)) for number in range(6)}

    for sent in (many, large):
        with pytest.raises(TooLargeError, match="at most"):
            files.save(two, "dev", sent, user="ann")


def test_who_saves_an_old_version_is_told_of_the_newer_one(two: Store) -> None:
    base = two.config.head()
    files.save(two, "prod", {CORE: CORE_XML.replace(b"a:", b"b:")}, user="bob")

    with pytest.raises(ConflictError, match="Somebody else saved"):
        files.save(two, "prod", {CORE: CORE_XML.replace(b"a:", b"c:")}, user="ann", base=base)
    files.save(
        two, "prod", {HDFS: xml(("a", "1"))}, user="ann", base=base
    )  # another file is nobody's conflict


def test_history_tells_what_each_version_changed_and_brings_a_file_back(two: Store) -> None:
    files.delete(two, "prod", CORE, user="bob")
    with pytest.raises(NotFoundError, match="has no file"):
        files.text(two, "prod", CORE)
    newest, first = files.history(two, "prod", CORE)

    (change,) = files.changes(two, "prod", before=first.id, commit=newest.id)
    added = files.changes(two, "prod", before=None, commit=first.id)
    restored = files.text(two, "prod", CORE, commit=first.id)

    assert (newest.author, newest.message) == ("bob", f"Delete {CORE} of the Hadoop group prod")
    assert (change.file, change.new) == (CORE, "")
    assert [(each.file, each.old) for each in added] == [(CORE, ""), (YARN, "")]
    assert MASK in change.old and "hush" not in change.old + restored


def test_properties_count_as_hadoop_counts_them(store: Store) -> None:
    groups.add(store, "a", user="ann")
    sent = {
        "zzz.xml": xml(("x", "unknown"), ("only", "here")),
        CORE: xml(("x", "core"), ("fs.defaultFS", "hdfs://${host}:${port}")),
        HDFS: xml(("x", "hdfs"), ("host", "nn.${domain}"), ("domain", "lab"), ("loop", "${loop} ${again}")),
        YARN: xml(
            ("x", "yarn"), ("again", "${loop}"), ("big", "${bigger}${bigger}"), ("bigger", "y" * 60_000)
        ),
    }
    files.save(store, "a", sent, user="ann")

    found = groups.properties(store, "a")

    assert (found["x"], found["only"]) == ("yarn", "here")
    assert found["fs.defaultFS"] == "hdfs://nn.lab:${port}"
    assert "${" in found["loop"]
    assert len(found["big"]) < 200_000
    files.save(store, "a", {HDFS: xml(("x", "hdfs"), final=True)}, user="ann")
    assert groups.properties(store, "a")["x"] == "hdfs"


@pytest.mark.parametrize(("value", "expected"), [("kerberos", True), (" Kerberos ", True), ("simple", False)])
def test_kerberos_is_told_by_the_properties(value: str, expected: bool) -> None:
    assert groups.is_kerberized({"hadoop.security.authentication": value}) is expected
    assert groups.is_kerberized({}) is False


def warnings(store: Store, sent: dict[str, bytes]) -> list[str]:
    groups.add(store, "w", user="ann")
    if sent:
        files.save(store, "w", sent, user="ann")
    return list(pages.show(store, "w").warnings)


def test_a_group_as_it_should_be_has_no_warnings(store: Store) -> None:
    assert warnings(store, {CORE: CORE_XML, HDFS: xml(("a", "1")), "hive-site.xml": xml(("b", "1"))}) == []


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "There is no core-site.xml"),
        ({CORE: xml(("a", "1"))}, "fs.defaultFS is missing"),
        ({CORE: xml(("fs.default.name", "hdfs://a"))}, "old name"),
        ({CORE: CORE_XML, "core_site.xml": xml(("a", "1"))}, "no name that Hadoop"),
        ({CORE: CORE_XML, HDFS: xml(("fs.defaultFS", "hdfs://b"))}, "fs.defaultFS is defined differently in"),
        ({CORE: CORE_XML.replace(b"configuration", b"conf")}, "<conf> and not <configuration>"),
        ({CORE: CORE_XML, HDFS: b"<configuration><property/></configuration>"}, "line 1: A property has no"),
        ({CORE: xml(("fs.defaultFS", "a"), ("b", "1"), ("b", "2"))}, "more than once"),
    ],
)
def test_warnings_help(store: Store, sent: dict[str, bytes], words: str) -> None:
    assert any(words in warning for warning in warnings(store, sent))


def test_many_warnings_of_a_kind_are_counted(store: Store) -> None:
    several = {CORE: CORE_XML, HDFS: xml(*((f"p{n}", "1") for n in range(30)))}
    several[YARN] = xml(*((f"p{n}", "2") for n in range(30)))

    found = warnings(store, several)

    assert len(found) == 21
    assert found[-1] == "10 more of this kind are not listed here."


def test_a_file_that_cannot_be_read_is_told_and_stops_a_job(two: Store) -> None:
    two.config.save({f"hadoop/prod/{CORE}": b"<x"}, author="x", message="x", base=two.config.head())

    assert "not well-formed" in pages.show(two, "prod").warnings[0]
    with pytest.raises(InvalidError, match="cannot be used"):
        groups.properties(two, "prod")


def test_a_search_finds_words_in_names_values_and_files_but_not_in_secrets(two: Store) -> None:
    def names(search: str) -> list[str]:
        return [row.name for row in pages.show(two, "prod", search=search).rows]

    assert names("A:8020 DEFAULT") == ["fs.defaultFS"]
    assert names("yarn-site") == ["yarn.x"]
    assert names("hush") == []


def test_a_group_names_a_keytab_that_is_here(two: Store) -> None:
    with pytest.raises(NotFoundError):
        groups.set_keytab(two, "prod", "etl", user="ann")
    assert groups.get(two, "prod").keytab is None
    two.config.save(
        {index.PATH: index.dump(index.Index("prod", {"prod": "etl", "dev": ""}))},
        author="x",
        message="x",
        base=two.config.head(),
    )

    assert groups.get(two, "prod").keytab == "etl"
    assert groups.users_of_keytab(two, "etl") == ["Hadoop group prod"]
    assert groups.set_keytab(two, "prod", None, user="ann").keytab is None
