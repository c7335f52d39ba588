"""Text with history: saves, conflicts, reading back."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from couture_workflow.exceptions import (
    ConflictError,
    CorruptError,
    InvalidError,
    InvalidNameError,
    NotFoundError,
    StorageError,
)
from couture_workflow.store import trees
from couture_workflow.store.home import Store
from couture_workflow.store.repository import Commit, Repository

HOSTILE = "a'b\"<&>/../ü\n\t"


@pytest.fixture
def config(store: Store) -> Repository:
    return store.config


def save(
    config: Repository, changes: dict[str, bytes | None], *, base: str | None, author: str = "ann"
) -> Commit:
    return config.save(changes, author=author, message="change", base=base)


def test_new_repository_is_empty(config: Repository) -> None:
    assert config.head() is None
    assert config.paths() == ()
    assert config.history() == []
    assert config.check() == ""
    with pytest.raises(NotFoundError, match="spark.yaml"):
        config.read("spark.yaml")


def test_save_is_read_back(config: Repository) -> None:
    content = bytes(range(256)) + "ü\r\n".encode()

    commit = config.save(
        {"a/ü.txt": content, "empty": b""}, author=HOSTILE, message=f"Set {HOSTILE}", base=None
    )

    assert config.head() == commit.id
    assert config.read("a/ü.txt") == content
    assert config.read("empty") == b""
    assert config.paths() == ("a/ü.txt", "empty")
    assert config.paths("a/") == ("a/ü.txt",)
    assert config.history() == [commit]
    assert (commit.author, commit.message) == (HOSTILE, f"Set {HOSTILE}".rstrip("\n"))
    assert timedelta(0) <= datetime.now(UTC) - commit.when < timedelta(minutes=1)


@pytest.mark.parametrize("author", ["", " ", "<>", "...", "x" * 300, "a@b.c", "ü\ud800"])
def test_any_author_can_save(config: Repository, author: str) -> None:
    commit = save(config, {"a": b"1"}, base=None, author=author)

    assert commit.author == author.replace("\ud800", "?")


@pytest.mark.parametrize("message", ["", "\n", "# not a comment\n\nbody", "a\0b"])
def test_any_message_can_be_saved(config: Repository, message: str) -> None:
    commit = config.save({"a": b"1"}, author="ann", message=message, base=None)

    assert commit.message == message.replace("\0", " ").rstrip("\n")


def test_older_commit_stays_readable(config: Repository) -> None:
    first = save(config, {"a": b"1", "b": b"1"}, base=None)
    second = save(config, {"a": b"2", "b": None}, base=first.id)

    assert (config.read("a", commit=first.id), config.read("a")) == (b"1", b"2")
    assert (config.paths(commit=first.id), config.paths(commit=second.id)) == (("a", "b"), ("a",))
    assert config.read("b", commit=first.id) == b"1"
    with pytest.raises(NotFoundError):
        config.read("b")


def test_save_without_a_change_makes_no_commit(config: Repository) -> None:
    first = save(config, {"a": b"1"}, base=None)

    assert save(config, {"a": b"1", "nix": None}, base=first.id) == first
    assert config.history() == [first]


def test_nothing_at_all_cannot_be_the_first_save(config: Repository) -> None:
    with pytest.raises(InvalidError, match="nothing to save"):
        save(config, {}, base=None)


def test_second_of_two_writers_gets_a_conflict_and_nothing_is_lost(config: Repository) -> None:
    base = save(config, {"a": b"1", "b": b"1"}, base=None)
    theirs = save(config, {"a": b"theirs"}, base=base.id)

    with pytest.raises(ConflictError) as conflict:
        save(config, {"a": b"mine", "b": b"mine"}, base=base.id)

    assert (conflict.value.paths, conflict.value.base, conflict.value.theirs) == (("a",), base.id, theirs.id)
    assert config.head() == theirs.id
    assert "-1" in config.diff(base.id, theirs.id, path="a")


def test_changes_of_other_paths_are_kept(config: Repository) -> None:
    base = save(config, {"a": b"1", "b": b"1"}, base=None)
    save(config, {"a": b"theirs", "c": b"theirs"}, base=base.id)

    save(config, {"b": b"mine"}, base=base.id)

    assert {path: config.read(path) for path in config.paths()} == {
        "a": b"theirs",
        "b": b"mine",
        "c": b"theirs",
    }


BASES = {"none": None, "unknown": "0" * 40, "hostile": "--all", "short": "abc"}


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_base_that_is_not_ours_conflicts_with_every_path_that_is_there(
    config: Repository, base: str | None
) -> None:
    save(config, {"a": b"1"}, base=None)

    with pytest.raises(ConflictError):
        save(config, {"a": b"2"}, base=base)
    save(config, {"new": b"2"}, base=base)

    assert config.read("a") == b"1"


@pytest.mark.parametrize("changes", [{"a": b"x"}, {"a/b/c": b"x"}], ids=["file on folder", "folder on file"])
def test_file_and_folder_of_the_same_name_are_refused(config: Repository, changes: dict[str, bytes]) -> None:
    base = save(config, {"a/b": b"1"}, base=None)

    with pytest.raises(InvalidError, match="both a file and a folder"):
        save(config, changes, base=base.id)  # type: ignore[arg-type]


def test_folder_can_give_way_to_a_file_in_one_save(config: Repository) -> None:
    base = save(config, {"a/b": b"1"}, base=None)

    save(config, {"a/b": None, "a": b"2"}, base=base.id)

    assert config.paths() == ("a",)


@pytest.mark.parametrize("path", ["../x", "/x", ".git/hooks/x", "a//b", "a\nb"])
def test_hostile_path_is_not_saved(config: Repository, path: str) -> None:
    with pytest.raises(InvalidNameError):
        save(config, {path: b"x"}, base=None)


@pytest.mark.parametrize("path", ["../x", "", "a\nb", "a\0", "--help", ":/", "*"])
def test_hostile_path_is_not_found(config: Repository, path: str) -> None:
    save(config, {"a": b"1"}, base=None)

    with pytest.raises(NotFoundError):
        config.read(path)
    assert path == "" or config.history(path) == []
    assert path == "" or config.diff(None, str(config.head()), path=path) == ""


@pytest.mark.parametrize("commit", ["0" * 40, "HEAD", "--output=/tmp/x", "", "main", "a" * 39])
def test_unknown_commit_is_not_found(config: Repository, commit: str) -> None:
    first = save(config, {"a": b"1"}, base=None)

    for ask in (
        lambda: config.read("a", commit=commit),
        lambda: config.paths(commit=commit),
        lambda: config.diff(first.id, commit),
        lambda: config.diff(commit, first.id),
    ):
        with pytest.raises(NotFoundError, match="There is no commit"):
            ask()


def test_history_is_newest_first_and_can_be_paged_and_narrowed(config: Repository) -> None:
    commits: list[Commit] = []
    for number in range(5):
        base = commits[-1].id if commits else None
        commits.append(save(config, {f"folder/{number % 2}": str(number).encode()}, base=base))

    assert config.history() == commits[::-1]
    assert config.history(limit=2, skip=1) == [commits[3], commits[2]]
    assert config.history("folder/1") == [commits[3], commits[1]]
    assert config.history("folder") == commits[::-1]
    assert config.history("nix") == []


def test_difference_is_unified(config: Repository) -> None:
    first = save(config, {"ü": b"1\n", "b": b"1\n"}, base=None)
    second = save(config, {"ü": b"2\n", "b": None}, base=first.id)

    assert config.diff(first.id, second.id, path="ü").splitlines()[2:] == [
        "--- a/ü",
        "+++ b/ü",
        "@@ -1 +1 @@",
        "-1",
        "+2",
    ]
    assert "deleted file" in config.diff(first.id, second.id)
    assert config.diff(None, first.id, path="b").endswith("@@ -0,0 +1 @@\n+1")
    assert config.diff(first.id, first.id) == ""


def test_lock_files_of_killed_processes_are_healed(config: Repository) -> None:
    first = save(config, {"a": b"1"}, base=None)
    for name in (
        "HEAD.lock",
        "refs/heads/main.lock",
        "packed-refs.lock",
        "couture.index",
        "couture.index.lock",
        "couture.writing",
    ):
        (config.path / name).write_bytes(b"half")

    save(config, {"a": b"2"}, base=first.id)

    assert config.read("a") == b"2"
    assert not list(config.path.rglob("*.lock")) or [p.name for p in config.path.rglob("*.lock")] == [
        "couture.lock"
    ]


@pytest.mark.slow
def test_lock_of_another_git_process_is_waited_for(config: Repository) -> None:
    first = save(config, {"a": b"1"}, base=None)
    lock = config.path / "refs/heads/main.lock"
    lock.touch()
    push = threading.Timer(1, lock.unlink)
    push.start()

    save(config, {"a": b"2"}, base=first.id)

    assert config.read("a") == b"2"
    assert not lock.exists()


@pytest.mark.slow
def test_lock_that_another_git_process_left_is_told_and_goes_when_it_is_old(config: Repository) -> None:
    first = save(config, {"a": b"1"}, base=None)
    lock = config.path / "refs/heads/main.lock"
    lock.touch()

    with pytest.raises(StorageError, match="Another git process is writing .* try again in a minute"):
        save(config, {"a": b"2"}, base=first.id)
    assert config.read("a") == b"1"
    assert config.locks() == [lock]

    os.utime(lock, (0, 0))
    save(config, {"a": b"2"}, base=first.id)
    assert config.read("a") == b"2"
    assert config.locks() == []


def test_push_by_another_process_is_seen_and_its_work_is_kept(config: Repository, tmp_path: Path) -> None:
    first = save(config, {"a": b"1"}, base=None)

    def git(*arguments: str) -> None:
        name = ("-c", "user.name=bob", "-c", "user.email=bob@example.org")
        subprocess.run(["git", *name, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("clone", str(config.path), "clone")
    (tmp_path / "clone" / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "clone" / "run.sh").chmod(0o755)
    git("-C", "clone", "add", ".")
    git("-C", "clone", "commit", "-m", "pushed")
    git("-C", "clone", "push")

    second = save(config, {"a": b"2"}, base=first.id)

    assert [commit.message for commit in config.history()][1:] == ["pushed", config.commit(first.id).message]
    assert config.read("run.sh", commit=second.id) == b"#!/bin/sh\n"
    with pytest.raises(ConflictError):
        save(config, {"run.sh": b"mine"}, base=first.id)


def test_executable_stays_one_when_it_is_changed_or_moved(config: Repository) -> None:
    first = save(config, {"run.sh": b"1", "b": b"2"}, base=None)
    blob = config.git.text("rev-parse", f"{first.id}:run.sh")
    tree = config.git.text("mktree", stdin=f"100644 blob {blob}\tb\n100755 blob {blob}\trun.sh\n".encode())
    name = ("-c", "user.name=a", "-c", "user.email=a@b")
    executable = config.git.text(*name, "commit-tree", tree, "-p", first.id, "-m", "x")
    config.git.run("update-ref", "refs/heads/main", executable)

    moved = save(config, {"run.sh": None, "bin/run.sh": b"1"}, base=executable)
    changed = save(config, {"bin/run.sh": b"2"}, base=moved.id)

    assert {entry.path: entry.mode for entry in trees.entries(config.git, changed.id)} == {
        "b": trees.FILE,
        "bin/run.sh": trees.EXECUTABLE,
    }


def test_many_files_are_saved_at_once_and_read_at_once(config: Repository) -> None:
    contents = {f"folder_{number % 7}/ü{number}": b"\0%d\n" % number for number in range(300)}

    saved = save(config, dict(contents), base=None)

    entries = trees.entries(config.git, saved.id)
    blobs = dict(trees.contents(config.git, (entry.blob for entry in entries)))
    assert {entry.path: blobs[entry.blob] for entry in entries} == contents
    assert all(entry.size == len(contents[entry.path]) for entry in entries)
    assert config.check() == ""


def test_environment_and_configuration_of_the_user_change_nothing(
    config: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".gitconfig").write_text(
        "[core]\n\tautocrlf = true\n[commit]\n\tgpgSign = true\n[color]\n\tui = always\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_AUTHOR_NAME"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")

    commit = save(config, {"a": b"1\r\n"}, base=None)

    assert config.read("a") == b"1\r\n"
    assert config.history() == [commit]
    assert commit.author == "ann"


def test_save_goes_on_from_what_others_pushed_without_the_lock(config: Repository) -> None:
    first = save(config, {"a": b"1"}, base=None)
    pushed = save(config, {"b": b"pushed"}, base=first.id)
    config.git.run("update-ref", "refs/heads/main", first.id)
    hook = config.path / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text(f'#!/bin/sh\nrm "$0"\necho {pushed.id} > refs/heads/main\nexit 1\n')
    hook.chmod(0o755)

    save(config, {"c": b"mine"}, base=first.id)

    assert config.paths() == ("a", "b", "c")
    assert len(config.history()) == 3


def test_packed_repository_reads_the_same(config: Repository) -> None:
    first = save(config, {"a": b"1"}, base=None)
    second = save(config, {"a": b"2"}, base=first.id)

    config.pack()

    assert not (config.path / "refs/heads/main").exists()
    assert config.history() == [second, first]
    third = save(config, {"a": b"3"}, base=second.id)
    assert config.head() == third.id
    assert config.check() == ""


def loose_object(config: Repository, commit: str) -> Path:
    return config.path / "objects" / commit[:2] / commit[2:]


def break_everything(config: Repository) -> None:
    for path in (config.path / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"")


BREAKS = {
    "objects emptied": break_everything,
    "branch garbled": lambda config: (config.path / "refs/heads/main").write_text("garbage"),
    "branch emptied": lambda config: os.truncate(config.path / "refs/heads/main", 0),
    "objects gone": lambda config: shutil.rmtree(config.path / "objects"),
    "head gone": lambda config: (config.path / "HEAD").unlink(),
    "all gone": lambda config: shutil.rmtree(config.path),
}


@pytest.mark.parametrize("damage", BREAKS.values(), ids=BREAKS)
def test_damaged_repository_is_named(config: Repository, damage: object) -> None:
    base = save(config, {"a": b"1"}, base=None)
    damage(config)  # type: ignore[operator]

    for ask in (
        lambda: config.read("a"),
        config.paths,
        config.history,
        lambda: save(config, {"a": b"2"}, base=base.id),
    ):
        with pytest.raises(CorruptError, match=r"damaged: .*Restore .* from a backup") as error:
            ask()
        assert error.value.path == str(config.path)


def test_missing_content_is_damage_and_not_absence(config: Repository) -> None:
    save(config, {"a": b"1", "b": b"2"}, base=None)
    blob = config.git.text("rev-parse", "main:a")
    loose_object(config, blob).unlink()

    with pytest.raises(CorruptError, match="content of a is missing"):
        config.read("a")
    assert config.read("b") == b"2"
    assert blob in config.check()
