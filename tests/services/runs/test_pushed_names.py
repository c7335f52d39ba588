"""What others push into the DAG repository with git: names and contents that the pages would refuse."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from flask import Flask

from couture_workflow.exceptions import ArchiveError, InvalidNameError, NotFoundError
from couture_workflow.services.archives import dags as archive_dags
from couture_workflow.services.archives import import_export
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import versions as dag_versions
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.store import archives
from couture_workflow.store.home import Store
from couture_workflow.views.base import attachment

LINE_BREAK, NO_TEXT, BACKSLASH = "new\nline.py", os.fsdecode(b"\xff\xfe.py"), "back\\slash.py"
NAMES = (
    LINE_BREAK,
    NO_TEXT,
    BACKSLASH,
    "tab\t.py",
    "*.py",
    "-rf",
    "a'b\"<&>ü.py",
    " space .py",
    "case.py",
    "CASE.py",
)


@pytest.fixture
def pushed(store: Store, tmp_path: Path) -> Store:
    """Return a store with files of such names, and a link out of it, pushed by git."""
    work = tmp_path / "work"
    run = ("git", "-C", str(work), "-c", "user.name=x", "-c", "user.email=x")
    subprocess.run(["git", "clone", "-q", store.dags.path, work], check=True, capture_output=True)
    for number, name in enumerate(NAMES):
        (work / name).write_text(f"x = {number}\n")
    (work / "link.py").symlink_to("/etc/passwd")
    subprocess.run([*run, "add", "-f", "."], check=True, capture_output=True)
    subprocess.run([*run, "commit", "-q", "-F", "-"], input=b"caf\xe9 \xff", check=True, capture_output=True)
    subprocess.run([*run, "push", "-q", "origin", "HEAD:main"], check=True, capture_output=True)
    return store


def commit(store: Store, name: str) -> None:
    """Commit one more file as git does that does not compose names."""
    with store.dags.writing() as git:
        blob = git.text("hash-object", "-w", "--stdin", stdin=b"x = 1\n")
        git.run("read-tree", "HEAD")
        git.run("update-index", "--add", "-z", "--index-info", stdin=f"100644 {blob}\t{name}\0".encode())
        person = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        new = git.text("commit-tree", git.text("write-tree"), "-p", "HEAD", environment=person)
        git.run("update-ref", "refs/heads/main", new)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_read_shown_and_deleted(pushed: Store, name: str) -> None:
    content = f"x = {NAMES.index(name)}\n".encode()

    assert dag_repository.read(pushed, name) == content
    assert dag_repository.read(pushed, name, commit=pushed.dags.head()) == content
    assert dag_repository.read_all(pushed)[name] == content
    assert isinstance(dag_versions.is_file(pushed, name, []), bool)

    pushed.dags.save({name: None}, author="ann", message="Delete", base=pushed.dags.head())

    assert name not in dag_repository.read_all(pushed)


@pytest.mark.parametrize(
    "path", ["../config", "../../etc/passwd", ".git/../config", "/etc/passwd", "a//b", "\0", ""]
)
def test_a_path_out_of_the_repository_is_not_there(pushed: Store, path: str) -> None:
    assert not dag_versions.is_file(pushed, path, [])
    assert dag_versions.content(pushed, path, pushed.dags.head()) is None


def test_an_export_leaves_out_what_it_cannot_hold_and_names_it(pushed: Store) -> None:
    export = archive_dags.export(pushed)

    told = json.loads(export.manifest.dump())
    assert export.tag
    unfit = (LINE_BREAK, NO_TEXT, "tab\t.py")
    assert set(told["members"]) == {f"dags/{name}" for name in NAMES if name not in unfit}
    assert {os.fsencode(name) for name in told["left_out"]} == {
        os.fsencode(f"dags/{name}") for name in (*unfit, "link.py")
    }


@pytest.mark.parametrize(
    "name", [LINE_BREAK, NO_TEXT, "a'b\"<&>ü.py", " space .py", "de\u0301compose\u0301.py"]
)
def test_a_file_of_any_name_is_changed_under_it_and_no_other_is_made(pushed: Store, name: str) -> None:
    if name not in NAMES:
        commit(pushed, name)
    pushed.dags.save({"CASE.py": None}, author="ann", message="m", base=pushed.dags.head())
    before = dag_repository.read_all(pushed)

    saved = dag_saving.save(pushed, {name: b"x = 'new'\n"}, user="ann", message="", base=pushed.dags.head())

    assert dag_repository.read_all(pushed) == before | {name: b"x = 'new'\n"}
    assert saved.commit.author == "ann"
    with pytest.raises(InvalidNameError):
        dag_saving.save(pushed, {f"other {name}": b"x"}, user="ann", message="", base=pushed.dags.head())


def test_an_export_of_odd_names_is_imported_elsewhere_as_it_was(pushed: Store, tmp_path: Path) -> None:
    pushed.dags.save({"CASE.py": None}, author="ann", message="m", base=pushed.dags.head())
    archive = tmp_path / "dags.tar.gz"
    archive.write_bytes(b"".join(archives.write(archive_dags.export(pushed))))
    other = Store.open(tmp_path / "other")

    source = import_export.load(other, "dags", archive)
    prepared = import_export.plan(other, source, on_conflict="fail")
    done = import_export.apply(
        other, source, prepared, user="ann", message="",
        save_dags=lambda changes, base: dag_saving.save(
            other, changes, user="ann", message="m", base=base, pushed=True
        ).commit.id,
    )  # fmt: skip

    assert done.commit
    unfit = (LINE_BREAK, NO_TEXT, "tab\t.py", "link.py")
    there = {path: content for path, content in dag_repository.read_all(pushed).items() if path not in unfit}
    assert dag_repository.read_all(other) == there
    assert " space .py" in there


def test_an_archive_that_is_no_export_keeps_the_rule_for_names(store: Store, tmp_path: Path) -> None:
    archive = tmp_path / "names.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a b.py"))

    with pytest.raises(ArchiveError, match="a_b.py|only letters"):
        import_export.load(store, "dags", archive)


@pytest.mark.parametrize("name", NAMES)
def test_a_download_is_called_after_the_file_as_far_as_a_header_can_hold_it(name: str) -> None:
    with Flask(__name__).test_request_context():
        answer = attachment(b"x", "text/plain", name)

    header = answer.headers["Content-Disposition"]
    assert header.startswith("attachment; filename") and header.isprintable()
    assert header.isascii()


def test_a_submodule_is_no_file(store: Store) -> None:
    base = store.dags.save({"a.py": b"x\n"}, author="ann", message="m", base=None).id
    git = store.dags.git
    person = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    with store.dags.writing() as writer:
        writer.run("read-tree", base)
        writer.run("update-index", "--add", "--cacheinfo", f"160000,{base},lib")
        tree = writer.text("write-tree")
        commit = writer.text("commit-tree", tree, "-p", base, stdin=b"m", environment=person)
    git.run("update-ref", "refs/heads/main", commit)

    with pytest.raises(NotFoundError):
        store.dags.read("lib")
