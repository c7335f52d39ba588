from __future__ import annotations

import io
import zipfile

import pytest

from couture_workflow.exceptions import (
    InUseError,
    InvalidError,
    InvalidNameError,
    NotAllowedError,
    NotFoundError,
    TooLargeError,
)
from couture_workflow.services.files import kinds as file_kinds
from couture_workflow.services.files.artifacts import KIND as ARTIFACTS
from couture_workflow.services.files.dependencies import KIND as DEPENDENCIES
from couture_workflow.services.files.kinds import FileKind, Received, Reception
from couture_workflow.store.home import Store

HOSTILE = "a'b\"<&>ü.py"


def archive(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return content.getvalue()


def put(
    store: Store, name: str, content: bytes, *, kind: FileKind = ARTIFACTS, may_replace: bool = True
) -> Received:
    with Reception(store, kind, name, user="ada", may_replace=may_replace) as reception:
        reception.write(content)
        return reception.finish()


def leftovers(store: Store) -> list[str]:
    return [path.name for path in (store.root / "files" / ".tmp").iterdir()]


def test_an_upload_is_new_then_unchanged_then_a_new_version(store: Store) -> None:
    outcomes = [put(store, "job.py", content).outcome for content in (b"x = 1\n", b"x = 1\n", b"x = 2\n")]

    assert outcomes == ["created", "unchanged", "replaced"]
    assert [version.size for version in store.artifacts.get("job.py").versions] == [6, 6]


def test_who_may_not_replace_may_upload_under_a_new_name_only(store: Store) -> None:
    put(store, "job.py", b"x = 1\n", may_replace=False)

    with pytest.raises(NotAllowedError, match=r'"job.py" exists.*can edit on Code Artifacts'):
        put(store, "job.py", b"x = 2\n", may_replace=False)
    assert len(store.artifacts.get("job.py").versions) == 1


@pytest.mark.parametrize(
    "name",
    [HOSTILE, "../job.py", "", ".hidden.py", "job\n.py", "job.txt", "job", "-rf.py"],
    ids=["hostile", "path", "empty", "hidden", "newline", "wrong suffix", "no suffix", "option"],
)
def test_a_name_that_breaks_the_rule_is_refused_with_the_rule(store: Store, name: str) -> None:
    with pytest.raises(InvalidNameError, match="A name has only|must end in .jar, .py, .zip or .whl"):
        put(store, name, b"")
    assert not store.artifacts.list()


@pytest.mark.parametrize(
    ("kind", "name"),
    [(ARTIFACTS, "lib.egg"), (DEPENDENCIES, "lib.tar.gz"), (DEPENDENCIES, "conf.xml")],
    ids=["egg as artifact", "tar as dependency", "xml as dependency"],
)
def test_each_kind_has_its_suffixes(store: Store, kind: FileKind, name: str) -> None:
    with pytest.raises(InvalidNameError, match="Its name must end in"):
        put(store, name, archive(a=b"1"), kind=kind)


@pytest.mark.parametrize("name", ["jöb+1.py", "日本.py", "Job_2.13-1.0.PY"], ids=str)
def test_letters_of_any_script_are_taken(store: Store, name: str) -> None:
    assert put(store, name, b"x = 1\n").file.name == name


def test_a_broken_jar_is_refused_and_leaves_nothing(store: Store) -> None:
    whole = archive(**{"A.class": b"\xca\xfe" * 5000})
    damaged = bytearray(whole)
    damaged[100] ^= 1
    for content in (b"no zip", whole[:-30], bytes(damaged), b""):
        with pytest.raises(InvalidError, match=r'"job.jar" is refused: it is not a sound .jar file'):
            put(store, "job.jar", content)

    assert not store.artifacts.list()
    assert leftovers(store) == []


def test_python_that_does_not_compile_is_stored_with_a_warning(store: Store) -> None:
    received = put(store, "job.py", b"x = 1\ndef (\n")

    assert received.outcome == "created"
    assert "job.py does not compile in Python 3" in received.warning
    assert "in line 2" in received.warning


def test_an_upload_that_is_left_leaves_nothing(store: Store) -> None:
    with Reception(store, ARTIFACTS, "job.py", user="ada", may_replace=True) as reception:
        reception.write(b"x" * 100_000)

    assert not store.artifacts.list()
    assert leftovers(store) == []


def test_too_large_a_file_is_refused_before_and_while_it_arrives(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__MAX_UPLOAD_SIZE", "10")

    with pytest.raises(TooLargeError, match="11 bytes, more than the limit of 10"):
        Reception(store, ARTIFACTS, "job.py", user="ada", may_replace=True, announced=11)
    with pytest.raises(TooLargeError):
        put(store, "job.py", b"x" * 11)
    assert not store.artifacts.list()


def test_delete_refuses_what_is_in_use_and_names_the_users(store: Store) -> None:
    put(store, "job.py", b"")
    users = [f"DAG daily, task t{number}" for number in range(7)]

    with pytest.raises(InUseError, match="DAG daily, task t0; .* and 2 more") as caught:
        file_kinds.delete(store, ARTIFACTS, "job.py", users=users, force=False)
    assert caught.value.users == tuple(users)
    assert store.artifacts.get("job.py")

    file_kinds.delete(store, ARTIFACTS, "job.py", users=users, force=True)
    assert not store.artifacts.list()


def test_a_deleted_file_comes_back_with_all_versions(store: Store) -> None:
    put(store, "job.py", b"x = 1\n")
    put(store, "job.py", b"x = 2\n")
    file_kinds.delete(store, ARTIFACTS, "job.py", users=(), force=False)

    assert [file.name for file in file_kinds.find(store.artifacts, deleted=True).files] == ["job.py"]
    assert len(file_kinds.undelete(store, ARTIFACTS, "job.py").versions) == 2
    with pytest.raises(NotFoundError):
        file_kinds.undelete(store, ARTIFACTS, "job.py")


def test_restore_makes_an_earlier_version_current(store: Store) -> None:
    first = put(store, "job.py", b"x = 1\n").file
    put(store, "job.py", b"x = 2\n")

    restored = file_kinds.restore(store, ARTIFACTS, "job.py", 1, user="bob")

    assert (restored.current, restored.sha256, restored.uploaded_by) == (3, first.sha256, "bob")


def test_find_searches_sorts_and_pages(store: Store) -> None:
    for name, size in (("b.py", 3), ("A.py", 2), ("ä.py", 1)):
        put(store, name, b"#" * size)

    def names(**given: object) -> list[str]:
        return [file.name for file in file_kinds.find(store.artifacts, **given).files]  # type: ignore[arg-type]

    assert names() == ["A.py", "b.py", "ä.py"]
    assert names(sort="-size") == ["b.py", "A.py", "ä.py"]
    assert names(sort="uploaded") == ["b.py", "A.py", "ä.py"]
    assert names(search=" a.PY") == ["A.py"]
    assert names(search="a\u0308") == ["ä.py"]
    assert names(offset=1, limit=1) == ["b.py"]
    assert file_kinds.find(store.artifacts, offset=9).total == 3
