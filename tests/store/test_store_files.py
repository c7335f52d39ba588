"""Uploaded files: versions, contents, the list."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
import zipfile
from pathlib import Path

import pytest

from couture_workflow.exceptions import (
    ConflictError,
    CorruptError,
    InvalidNameError,
    NotFoundError,
    StorageError,
    TooLargeError,
)
from couture_workflow.store.files import Files
from couture_workflow.store.home import Store
from couture_workflow.store.manifests import GRANULARITY

USER = "a'b\"<&>ü"


@pytest.fixture
def files(store: Store) -> Files:
    return store.dependencies


def names(files: Files, search: str = "") -> list[str]:
    return [file.name for file in files.list(search=search)]


def leftovers(files: Files) -> list[Path]:
    return list(files.blobs.temporary.iterdir())


def test_upload_is_read_back_with_what_is_known_of_it(files: Files) -> None:
    file = files.put("größe.jar", [b"one", b"", b"two"], user=USER)

    assert files.get("größe.jar") == file
    assert (file.name, file.current, file.size, file.uploaded_by) == ("größe.jar", 1, 6, USER)
    assert file.sha256 == hashlib.sha256(b"onetwo").hexdigest()
    assert file.uploaded_at.utcoffset().total_seconds() == 0
    assert files.open("größe.jar").read() == b"onetwo"
    assert files.path("größe.jar").name == file.sha256
    assert leftovers(files) == []


def test_versions_count_up_and_stay_readable(files: Files) -> None:
    for content in (b"1", b"2", b"3"):
        files.put("a.jar", [content], user=USER)

    file = files.get("a.jar")
    assert [version.number for version in file.versions] == [1, 2, 3]
    assert [files.open("a.jar", number).read() for number in (1, 2, 3, None)] == [b"1", b"2", b"3", b"3"]
    assert files.resolve("a.jar@2")[1] == file.versions[1]
    assert files.resolve("a.jar")[1] == file.current_version


def test_same_content_makes_no_new_version(files: Files) -> None:
    first = files.put("a.jar", [b"1"], user=USER)

    assert files.put("a.jar", [b"1"], user="somebody else") == first
    assert leftovers(files) == []


def test_contents_are_shared_among_names_and_kinds(store: Store) -> None:
    store.dependencies.put("a.jar", [b"same"], user=USER)
    store.artifacts.put("b.jar", [b"same"], user=USER)

    assert store.dependencies.path("a.jar") == store.artifacts.path("b.jar")
    assert names(store.dependencies) == ["a.jar"]


@pytest.mark.parametrize("name", ["nix.jar", "nix.jar@1"])
def test_unknown_name_is_not_found(files: Files, name: str) -> None:
    with pytest.raises(NotFoundError, match="nix.jar"):
        files.resolve(name)


def test_unknown_version_is_not_found_and_known_ones_are_named(files: Files) -> None:
    files.put("a.jar", [b"1"], user=USER)

    with pytest.raises(NotFoundError, match=r"a.jar has no version 7. Choose one of these: 1\."):
        files.resolve("a.jar@7")


def test_hostile_name_is_refused_before_the_upload(files: Files) -> None:
    with pytest.raises(InvalidNameError):
        files.upload("../../x.jar", user=USER)


def test_name_that_differs_only_in_case_is_refused(files: Files) -> None:
    files.put("Straße.jar", [b"1"], user=USER)

    with pytest.raises(InvalidNameError, match='"Straße.jar" exists'):
        files.upload("STRASSE.jar", user=USER).__enter__()


def test_upload_that_is_left_without_commit_leaves_nothing(files: Files) -> None:
    with files.upload("a.jar", user=USER) as upload:
        upload.write(b"half")

    assert names(files) == []
    assert leftovers(files) == []
    with pytest.raises(StorageError, match="is over"):
        upload.write(b"more")


def test_upload_over_the_limit_is_refused_at_once(files: Files) -> None:
    with files.upload("a.jar", user=USER, limit=10) as upload:
        upload.write(b"0123456789")
        with pytest.raises(TooLargeError, match="a.jar is larger than the limit of 10 bytes"):
            upload.write(b"x")
        with pytest.raises(StorageError, match="has failed"):
            upload.commit()

    assert leftovers(files) == []


@pytest.mark.parametrize(("expect", "fits"), [(None, False), (1, False), (2, True), (-1, True)])
def test_expected_version_is_compared(files: Files, expect: int | None, fits: bool) -> None:
    files.put("a.jar", [b"1"], user=USER)
    files.put("a.jar", [b"2"], user=USER)

    if fits:
        with files.upload("a.jar", user=USER, expect=expect) as upload:
            assert upload.commit().current == 3
    else:
        with pytest.raises(ConflictError) as conflict, files.upload("a.jar", user=USER, expect=expect):
            pass
        assert (conflict.value.paths, conflict.value.theirs) == (("a.jar",), "2")


def test_expected_version_is_compared_again_at_the_commit(files: Files) -> None:
    with files.upload("a.jar", user=USER, expect=None) as upload:
        upload.write(b"mine")
        files.put("a.jar", [b"theirs"], user="somebody else")
        with pytest.raises(ConflictError):
            upload.commit()

    assert files.open("a.jar").read() == b"theirs"


def test_restored_version_is_a_new_one(files: Files) -> None:
    files.put("a.jar", [b"1"], user=USER)
    files.put("a.jar", [b"2"], user=USER)

    file = files.restore("a.jar", 1, user="bob")

    assert (file.current, file.sha256, file.uploaded_by) == (3, file.versions[0].sha256, "bob")
    assert files.restore("a.jar", 3, user="bob") == file


def test_deleted_name_comes_back_with_its_versions(files: Files) -> None:
    files.put("a.jar", [b"1"], user=USER)
    file = files.put("a.jar", [b"2"], user=USER)

    files.delete("a.jar")

    assert names(files) == []
    assert files.deleted() == (file,)
    with pytest.raises(NotFoundError):
        files.get("a.jar")
    assert files.undelete("a.jar") == file == files.get("a.jar")
    assert files.deleted() == ()
    with pytest.raises(NotFoundError, match="among the deleted dependencies"):
        files.undelete("a.jar")


def test_upload_under_a_deleted_name_goes_on_counting(files: Files) -> None:
    files.put("a.jar", [b"1"], user=USER)
    files.delete("a.jar")

    file = files.put("a.jar", [b"1"], user=USER)

    assert [version.number for version in file.versions] == [1, 2]
    assert files.deleted() == ()


def test_materialized_file_has_its_own_name_and_is_a_copy(files: Files, tmp_path: Path) -> None:
    files.put("a.py", [b"1"], user=USER)
    files.put("a.py", [b"2"], user=USER)

    path = files.materialize("a.py", tmp_path / "job", version=1)
    path.write_bytes(b"changed by the job")

    assert path == tmp_path / "job" / "a.py"
    assert files.materialize("a.py", tmp_path / "job", version=1).read_bytes() == b"1"
    assert [entry.name for entry in (tmp_path / "job").iterdir()] == ["a.py"]


def test_zip_reader_may_jump_about(files: Files) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: a.B\n")
    files.put("a.jar", [buffer.getvalue()], user=USER)

    with files.open("a.jar") as source, zipfile.ZipFile(source) as archive:
        assert archive.read("META-INF/MANIFEST.MF") == b"Main-Class: a.B\n"


def damage_content(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "flipped": damage_content,
    "truncated": lambda path: os.truncate(path, 5),
    "empty": lambda path: os.truncate(path, 0),
    "missing": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_content_is_never_handed_out_whole(files: Files, tmp_path: Path, damage: object) -> None:
    files.put("a.jar", [b"x" * 3_000_000], user=USER)
    path = files.path("a.jar")
    damage(path)  # type: ignore[operator]

    for read in (lambda: files.open("a.jar").read(), lambda: files.materialize("a.jar", tmp_path / "job")):
        with pytest.raises(CorruptError, match=r"a.jar is damaged: .* Upload the same file again") as error:
            read()
        assert error.value.path == str(path)
    assert not list((tmp_path / "job").glob("*"))


def test_upload_of_the_same_content_heals_a_damaged_one(files: Files) -> None:
    files.put("a.jar", [b"x" * 100], user=USER)
    damage_content(files.path("a.jar"))

    files.put("a.jar", [b"x" * 100], user=USER)

    assert files.open("a.jar").read() == b"x" * 100


MANIFESTS = {
    "empty": "",
    "not json": "{",
    "binary": "\x00\x01",
    "list": "[]",
    "no versions": '{"layout": 1, "name": "a.jar", "current": 1, "versions": []}',
    "other name": '{"layout": 1, "name": "b.jar", "current": 1, "versions": []}',
    "later layout": '{"layout": 2}',
}


@pytest.mark.parametrize("content", MANIFESTS.values(), ids=MANIFESTS)
def test_damaged_manifest_is_named_and_spoils_no_list(files: Files, content: str) -> None:
    files.put("a.jar", [b"1"], user=USER)
    files.put("b.jar", [b"2"], user=USER)
    path = files.manifests.path("a.jar")
    path.write_text(content)

    with pytest.raises(CorruptError, match="Restore it from a backup") as error:
        files.get("a.jar")

    assert error.value.path == str(path)
    assert names(files) == ["b.jar"]
    assert names(Files(files.folder.parent, "dependencies")) == ["b.jar"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("sha256", "../../../etc/passwd"), ("size", -1), ("number", "1"), ("uploaded_at", "now")],
)
def test_manifest_with_an_impossible_version_is_damaged(files: Files, field: str, value: object) -> None:
    files.put("a.jar", [b"1"], user=USER)
    path = files.manifests.path("a.jar")
    data = json.loads(path.read_text())
    data["versions"][0][field] = value
    path.write_text(json.dumps(data))

    with pytest.raises(CorruptError):
        files.get("a.jar")


def test_list_is_sorted_and_searched_in_any_case(files: Files) -> None:
    for name in ("b.jar", "A.jar", "Über.py", "c.zip"):
        files.put(name, [name.encode()], user=USER)

    assert names(files) == ["A.jar", "b.jar", "c.zip", "Über.py"]
    assert names(files, " JAR ") == ["A.jar", "b.jar"]
    assert names(files, "über") == ["Über.py"]
    assert names(files, "nix") == []


def test_list_notices_every_change_of_other_processes_at_once(files: Files) -> None:
    watcher = Files(files.folder.parent, "dependencies")

    for number in range(50):
        files.put("a.jar", [str(number).encode()], user=USER)
        assert watcher.list()[0].current == number + 1
    files.delete("a.jar")
    assert names(watcher) == []
    files.undelete("a.jar")
    assert names(watcher) == ["a.jar"]


@pytest.mark.slow
def test_list_of_ten_thousand_files_is_kept(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    example = files.put("a.jar", [b"1"], user=USER)
    manifest = files.manifests.path("a.jar").read_text()
    for number in range(10_000):
        name = f"library-{number:05}.jar"
        files.manifests.path(name).write_text(manifest.replace('"a.jar"', f'"{name}"'))
    assert len(files.list()) == 10_001
    time.sleep(GRANULARITY)
    files.list()

    def read_again(*_: object) -> None:
        raise AssertionError("nothing has changed")

    with monkeypatch.context() as kept:
        kept.setattr(os, "scandir", read_again)
        assert names(files, "00042") == ["library-00042.jar"]
        assert example in files.list()


def test_contents_and_manifests_are_readable_by_others_as_the_umask_allows(files: Files) -> None:
    for umask, mode in ((0o022, 0o644), (0o027, 0o640), (0o077, 0o600)):
        before = os.umask(umask)
        try:
            files.put("a.jar", [str(umask).encode()], user=USER)
        finally:
            os.umask(before)

        for path in (files.path("a.jar"), files.manifests.path("a.jar")):
            assert path.stat().st_mode & 0o777 == mode
