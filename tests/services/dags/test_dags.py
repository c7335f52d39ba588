"""DAG files of the repository: listing, reading, searching, renaming, restoring, submodules."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.store import submodules, trees
from couture_workflow.store.git_process import Git
from couture_workflow.store.home import Store
from couture_workflow.store.repository import Commit

HOSTILE = "a'b\"<&>ü"
#: What `tree` saves.
FILES: dict[str, bytes] = {
    "one.py": b"from airflow.sdk import DAG\nname = 'one'\n",
    "team/two.py": b"from airflow.sdk import dag\nfrom team import helper\n",
    "team/helper.py": b"LIMIT = 3\n",
    "team/query.sql": b"select 1 -- Limit\r\n",
    "bin.dat": b"\0\1\2LIMIT",
}


def save(
    store: Store, changes: dict[str, bytes | None], *, author: str = "ann", message: str = "m"
) -> Commit:
    return store.dags.save(changes, author=author, message=message, base=store.dags.head())


@pytest.fixture
def tree(store: Store) -> Store:
    save(store, dict(FILES))
    return store


def test_empty_repository_has_nothing_and_says_so_without_an_error(store: Store) -> None:
    assert dag_repository.files(store) == ()
    assert dag_repository.read_all(store) == {}
    assert dag_repository.last_changes(store) == {}
    assert dag_repository.search(store, "x") == []
    assert dag_repository.history(store) == []
    with pytest.raises(NotFoundError):
        dag_repository.read(store, "a.py")
    with pytest.raises(NotFoundError):
        dag_repository.rename(store, "a.py", "b.py")


def test_files_are_listed_with_their_sizes_and_read_in_one_go(tree: Store) -> None:
    assert [(file.path, file.size, file.submodule) for file in dag_repository.files(tree)] == [
        (path, len(content), "") for path, content in sorted(FILES.items())
    ]
    assert dag_repository.read_all(tree) == FILES
    assert dag_repository.read(tree, "bin.dat") == FILES["bin.dat"]


def test_of_the_next_version_only_what_changed_is_read(tree: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    dag_repository.read_all(tree)
    asked: list[str] = []
    contents = trees.contents

    def noted(git: Git, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        asked.extend(found := list(blobs))
        return contents(git, found)

    monkeypatch.setattr(trees, "contents", noted)
    first = tree.dags.head()
    save(tree, {"one.py": b"changed\n", "team/query.sql": None, "new+-.py": FILES["team/helper.py"]})
    after = {path: content for path, content in FILES.items() if path != "team/query.sql"}
    after |= {"one.py": b"changed\n", "new+-.py": FILES["team/helper.py"]}

    assert dag_repository.read_all(tree) == after
    assert len(asked) == 1
    assert dag_repository.read_all(tree, commit=first) == FILES


def test_files_of_a_version_are_what_they_were_after_the_next_save(tree: Store) -> None:
    first, before = tree.dags.head(), dag_repository.files(tree)
    save(tree, {"one.py": b"changed\n", "new.py": b""})

    assert dag_repository.files(tree, commit=first) == before
    assert {file.path for file in set(dag_repository.files(tree)) - set(before)} == {"one.py", "new.py"}


@pytest.mark.slow
def test_the_newest_commit_of_each_path_is_known_after_further_saves(tree: Store) -> None:
    assert {commit.author for commit in dag_repository.last_changes(tree).values()} == {"ann"}

    save(tree, {"one.py": b"1", "new.py": b"2"}, author=HOSTILE, message="line\x1e\n\nline\x1f")
    save(tree, {"team/helper.py": None}, author="bob")

    found = dag_repository.last_changes(tree)
    assert {path: found[path].author for path in ("one.py", "new.py", "team/helper.py", "bin.dat")} == {
        "one.py": HOSTILE,
        "new.py": HOSTILE,
        "team/helper.py": "bob",
        "bin.dat": "ann",
    }
    assert found["new.py"].message == "line\x1e\n\nline\x1f"
    assert found == tree.dags.last_changes(str(tree.dags.head()))


def test_search_finds_lines_of_text_files(tree: Store) -> None:
    assert dag_repository.search(tree, "limit") == [
        dag_repository.Match("team/helper.py", 1, "LIMIT = 3"),
        dag_repository.Match("team/query.sql", 1, "select 1 -- Limit"),
    ]
    assert [m.path for m in dag_repository.search(tree, "LIMIT", ignore_case=False)] == ["team/helper.py"]
    assert [m.line for m in dag_repository.search(tree, "name|team", regex=True)] == [2, 2]
    assert dag_repository.search(tree, "name|team") == []
    assert dag_repository.search(tree, "-e'\"<&>") == []
    assert len(dag_repository.search(tree, "a", limit=2)) == 2


@pytest.mark.parametrize("text", ["", "x" * 201, "a\nb", "a\0b"])
def test_what_cannot_be_searched_for_is_told(tree: Store, text: str) -> None:
    with pytest.raises(InvalidError, match="1 to 200 characters"):
        dag_repository.search(tree, text)


def test_wrong_expression_is_told_in_words(tree: Store) -> None:
    with pytest.raises(InvalidError, match="Unmatched"):
        dag_repository.search(tree, "(", regex=True)


def test_file_is_renamed(tree: Store) -> None:
    assert dag_repository.rename(tree, "one.py", "new/uno.py") == {
        "one.py": None,
        "new/uno.py": FILES["one.py"],
    }


def test_folder_is_renamed_with_everything_in_it(tree: Store) -> None:
    save(tree, dag_repository.rename(tree, "team/", "teams"))

    assert {path for path in dag_repository.read_all(tree) if "team" in path} == {
        "teams/two.py",
        "teams/helper.py",
        "teams/query.sql",
    }


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("one.py", "team/two.py", "already"),
        ("one.py", "team", "already"),
        ("team", "one.py", "already"),
        ("one.py", "one.py", "old one"),
        ("team", "team/sub", "into itself"),
        ("one.py", "../one.py", "refused"),
    ],
)
def test_rename_that_would_lose_something_is_refused(tree: Store, old: str, new: str, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        dag_repository.rename(tree, old, new)


def test_restore_brings_back_a_version(tree: Store) -> None:
    first = tree.dags.head() or ""
    save(tree, {"one.py": None, "team/two.py": b"new", "more.py": b"3"})

    assert dag_repository.restore(tree, first, "team") == {"team/two.py": FILES["team/two.py"]}
    assert dag_repository.restore(tree, first) == {
        "more.py": None,
        "one.py": FILES["one.py"],
        "team/two.py": FILES["team/two.py"],
    }
    save(tree, dag_repository.restore(tree, first))
    assert dag_repository.read_all(tree) == FILES
    assert dag_repository.restore(tree, first) == {}
    with pytest.raises(NotFoundError):
        dag_repository.restore(tree, "0" * 40)
    with pytest.raises(NotFoundError):
        dag_repository.restore(tree, first, "nothing")


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("a.py", b"from airflow.sdk import DAG", True),
        ("a.py", b"import AIRFLOW # asset", True),
        ("a.py", b"import airflow", False),
        ("a.sql", b"airflow dag", False),
        ("a.zip", b"PK", True),
    ],
)
def test_dag_files_are_told_like_airflow_does(path: str, content: bytes, expected: bool) -> None:
    assert dag_repository.is_dag_candidate(path, content) is expected


def test_links_out_of_the_tree_and_to_folders_are_not_made(store: Store, tmp_path: Path) -> None:
    git = store.dags.git
    blob = git.text("hash-object", "-w", "--stdin", stdin=b"content")
    links = {
        "in": "real.py",
        "out": "../../etc/passwd",
        "absolute": "/etc/passwd",
        "loop": ".",
        "self": "self",
    }
    lines = [f"100644 blob {blob}\treal.py"]
    for name, target in links.items():
        lines.append(f"120000 blob {git.text('hash-object', '-w', '--stdin', stdin=target.encode())}\t{name}")
    tree = git.text("mktree", stdin="\n".join(lines).encode() + b"\n")
    commit = git.text("-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", tree, "-m", "x")
    git.run("update-ref", "refs/heads/main", commit)
    folder = tmp_path / "made"
    folder.mkdir()

    dag_repository.materialize(store, folder, commit=commit)

    assert sorted(path.name for path in folder.iterdir()) == ["in", "real.py"]
    assert (folder / "in").read_bytes() == b"content"


def submodule(store: Store, tmp_path: Path, url: str, *, mirror_of: str) -> None:
    """Save a submodule ``libs`` with one file into the repository, and make its mirror."""
    work = tmp_path / "library"

    def run(*arguments: str) -> str:
        name = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(
            ["git", *name, *arguments], cwd=work, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    work.mkdir()
    run("init", "-q")
    (work / "lib.py").write_text("VALUE = 'limit'\n")
    run("add", ".")
    run("commit", "-qm", "library")
    mirror = submodules.mirror(dag_repository.mirrors(store), mirror_of)
    mirror.parent.mkdir(parents=True, exist_ok=True)
    run("clone", "-q", "--bare", str(work), str(mirror))
    git = store.dags.git
    modules = f'[submodule "x"]\n\tpath = libs\n\turl = {url}\n'.encode()
    blobs = {
        path: git.text("hash-object", "-w", "--stdin", stdin=content)
        for path, content in {".gitmodules": modules, "own.py": b"import libs.lib\n"}.items()
    }
    lines = [f"100644 blob {blob}\t{path}" for path, blob in blobs.items()]
    lines.append(f"160000 commit {run('rev-parse', 'HEAD')}\tlibs")
    tree = git.text("mktree", "--missing", stdin="\n".join(lines).encode() + b"\n")
    commit = git.text("-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", tree, "-m", "x")
    git.run("update-ref", "refs/heads/main", commit)


@pytest.mark.parametrize(
    ("url", "remote", "resolved"),
    [
        ("https://git.example.org/team/library.git", "", "https://git.example.org/team/library.git"),
        (
            "../library.git",
            "https://git.example.org/team/dags.git",
            "https://git.example.org/team/library.git",
        ),
        ("../library.git", "git@git.example.org:team/dags.git", "git@git.example.org:team/library.git"),
    ],
)
def test_files_of_a_submodule_are_read_from_its_mirror_and_are_not_writable(
    store: Store, tmp_path: Path, url: str, remote: str, resolved: str
) -> None:
    submodule(store, tmp_path, url, mirror_of=resolved)
    if remote:
        store.dags.git.run("config", "remote.origin.url", remote)

    assert [(file.path, file.submodule) for file in dag_repository.files(store)] == [
        (".gitmodules", ""),
        ("libs/lib.py", "libs"),
        ("own.py", ""),
    ]
    assert dag_repository.read(store, "libs/lib.py") == b"VALUE = 'limit'\n"
    assert [match.path for match in dag_repository.search(store, "limit")] == ["libs/lib.py"]
    folder = tmp_path / "made"
    folder.mkdir()
    dag_repository.materialize(store, folder, commit=str(store.dags.head()))
    assert (folder / "libs" / "lib.py").read_text() == "VALUE = 'limit'\n"
    for path in ("libs/lib.py", "libs/new.py", "libs"):
        with pytest.raises(InvalidError, match="belongs to the submodule"):
            save(store, {path: b"x"})
    with pytest.raises(InvalidError, match="is a submodule"):
        dag_repository.rename(store, "libs", "other")
    save(store, {"own.py": b"changed"})
    assert dag_repository.read(store, "libs/lib.py") == b"VALUE = 'limit'\n"


def test_submodule_without_a_mirror_is_told(store: Store, tmp_path: Path) -> None:
    submodule(store, tmp_path, "https://git.example.org/library.git", mirror_of="elsewhere")

    with pytest.raises(
        NotFoundError, match=r"libs \(https://git.example.org/library.git\) .* is not here yet"
    ):
        dag_repository.files(store)
    assert dag_repository.read(store, "own.py") == b"import libs.lib\n"
