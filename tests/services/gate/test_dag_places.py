"""The folders that checks keep: only what differs is written, and nothing else gets in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from couture_workflow.exceptions import StorageError, StorageFullError
from couture_workflow.services.gate import check as dag_gate
from couture_workflow.services.gate import listing, places, preparation, sandbox
from couture_workflow.services.gate.places import Places
from couture_workflow.services.processes.walls import Limits
from couture_workflow.store import atomic, latest
from couture_workflow.store.home import Store

HOSTILE = "a'b\"<&>ü.py"
TREE = {f"team/{number}.py": b"x = %d\n" % number for number in range(20)} | {HOSTILE: b"", "sql/a.sql": b"1"}
DAG = "from airflow.sdk import DAG\nd = DAG({!r}, schedule=None)\n"


@pytest.fixture
def pool() -> Iterator[Places]:
    """Places of a test's own."""
    made = Places()
    yield made
    made.remove()


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if not path.is_dir()
    }


def inodes(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what changes when a file is written: number, time and size.

    The number may be one that was given back, and the time the same where the kernel's clock is coarse.
    """
    found = {path: path.lstat() for path in folder.rglob("*") if not path.is_dir()}
    return {str(p.relative_to(folder)): (s.st_ino, s.st_ctime_ns, s.st_size) for p, s in found.items()}


def used(pool: Places, files: Mapping[str, bytes]) -> tuple[Path, dict[str, tuple[int, int, int]]]:
    """Use a place once and give it back."""
    place = pool.take(files)
    assert contents(place.tree) == files
    found = inodes(place.tree)
    pool.give_back(place, keep=True)
    return place.root, found


def test_the_next_check_writes_only_what_differs(pool: Places) -> None:
    first, before = used(pool, TREE)
    changed = {path: content for path, content in TREE.items() if path != "team/3.py"}
    changed |= {"team/4.py": b"changed", "new/deep/er.py": b"new"}

    second, after = used(pool, changed)

    assert second == first
    assert {path for path in after if after[path] != before.get(path)} == {"team/4.py", "new/deep/er.py"}


def test_a_file_becomes_a_folder_and_a_folder_a_file(pool: Places) -> None:
    used(pool, TREE | {"a": b"file", "b/c/d.py": b"below"})
    place, _ = used(pool, TREE | {"a/x.py": b"below", "b": b"file"})

    assert used(pool, TREE)[0] == place
    assert not (place / "dags" / "a").exists()


@pytest.mark.parametrize("order", [("a", "a/b.py"), ("a/b.py", "a")])
def test_a_name_of_a_file_and_of_a_folder_is_not_kept(pool: Places, order: tuple[str, str]) -> None:
    place = pool.take(dict.fromkeys(order, b"1") | TREE)
    pool.give_back(place, keep=True)

    assert not place.root.exists()
    used(pool, TREE | {"a/b.py": b"2"})


def _change(tree: Path) -> None:
    with (tree / "team/1.py").open("r+b") as file:  # as long as before
        file.write(b"y")


@pytest.mark.parametrize(
    "harm",
    [
        _change,
        lambda tree: (tree / "team/1.py").unlink(),
        lambda tree: (tree / "more.py").write_text("x"),
        lambda tree: (tree / "empty").mkdir(),
        lambda tree: shutil.rmtree(tree / "team"),
        lambda tree: (tree / "team/1.py").chmod(0o600),
        lambda tree: shutil.rmtree(tree.parent),
        lambda tree: ((tree / "sql/a.sql").unlink(), (tree / "sql/a.sql").symlink_to("/etc/passwd")),
    ],
)
def test_a_tree_that_anything_else_touched_is_made_anew(pool: Places, harm: object) -> None:
    first, _ = used(pool, TREE)
    time.sleep(0.01)  # the time of a change has the grain of the kernel's clock
    assert callable(harm)
    harm(first / "dags")

    second, _ = used(pool, TREE)

    assert second != first
    assert not first.exists()


def test_two_at_once_have_a_place_each(pool: Places) -> None:
    used(pool, TREE)
    mine, theirs = pool.take(TREE | {"a.py": b"mine"}), pool.take(TREE | {"a.py": b"theirs"})

    assert contents(mine.tree)["a.py"] == b"mine"
    assert contents(theirs.tree)["a.py"] == b"theirs"
    pool.give_back(mine, keep=True)
    pool.give_back(theirs, keep=True)


def test_many_at_once_leave_two(pool: Places) -> None:
    taken = [pool.take(TREE | {"a.py": b"%d" % number}) for number in range(5)]
    for place in taken:
        pool.give_back(place, keep=True)

    assert sum(place.root.exists() for place in taken) == 2
    pool.remove()
    assert not any(place.root.exists() for place in taken)


def test_threads_never_share_a_place(pool: Places) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(20):
            files = TREE | {"a.py": f"{number} {turn}".encode()}
            place = pool.take(files)
            if contents(place.tree) != files:
                wrong.append((number, turn))
            pool.give_back(place, keep=True)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_another_tree_does_not_empty_the_one_that_is_kept(pool: Places) -> None:
    first, _ = used(pool, TREE)
    other = pool.take({"team/1.py": b"x = 1\n"})
    pool.give_back(other, keep=False)

    assert other.root != first
    assert used(pool, TREE)[0] == first


def test_a_large_tree_is_not_kept(pool: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "LARGEST", 10)

    assert not used(pool, TREE)[0].exists()


def test_a_full_disk_is_told_and_leaves_nothing(pool: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = used(pool, TREE)
    write = atomic.write_all

    def full(descriptor: int, content: bytes) -> None:
        if content == b"too much":
            raise OSError(28, "No space left on device")
        write(descriptor, content)

    monkeypatch.setattr(atomic, "write_all", full)
    with pytest.raises(StorageFullError):
        pool.take(TREE | {"team/1.py": b"too much"})

    assert not first.exists()
    used(pool, TREE)


def test_a_path_that_leads_out_leaves_nothing(pool: Places) -> None:
    first, _ = used(pool, TREE)
    with pytest.raises(StorageError, match="leads out"):
        pool.take(TREE | {"../out.py": b""})

    assert not first.exists()


def test_what_a_killed_process_left_is_swept_and_what_is_used_stays(
    pool: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine, _ = used(pool, TREE)
    script = (
        "import os, tempfile; from couture_workflow.services.gate.places import Place\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "place = Place(); place.show({'a.py': b'1'}); print(place.root, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    left = Path(done.stdout.strip())
    assert left.is_dir()
    os.utime(mine, (0, 0))  # idle for years

    places.sweep()

    assert not left.exists()
    assert used(pool, TREE)[0] == mine


def test_a_fork_leaves_the_places_of_its_parent_alone(pool: Places) -> None:
    first, _ = used(pool, TREE)
    child = os.fork()
    if child == 0:
        try:
            place = pool.take(TREE)
            pool.give_back(place, keep=True)
            pool.remove()
            os._exit(0 if place.root != first and first.is_dir() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    assert used(pool, TREE)[0] == first


def tree_of(count: int) -> dict[str, bytes]:
    """Return a tree of DAG files."""
    return {f"{number}.py": DAG.format(f"d{number}").encode() for number in range(count)}


class Counted:
    """Counts what is written into trees and what is asked in the sandbox."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[str] = []
        self.listed: list[int] = []
        write, listed = places.Place._write, sandbox.Tree.dag_files

        def writing(place: places.Place, path: str, content: bytes) -> None:
            self.written.append(path)
            write(place, path, content)

        def listing_of(tree: sandbox.Tree) -> sandbox.Parsed:
            self.listed.append(len(tree._files))
            return listed(tree)

        monkeypatch.setattr(places.Place, "_write", writing)
        monkeypatch.setattr(sandbox.Tree, "dag_files", listing_of)


def test_a_check_of_one_changed_file_writes_and_lists_that_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path / "home")
    files = tree_of(30)
    dag_gate.check(files, ["0.py"], store=store)
    counted = Counted(monkeypatch)
    files["7.py"] = DAG.format("d8").encode()

    report = dag_gate.check(files, ["7.py"], store=store)

    assert [(each.code, each.path) for each in report.errors] == [("duplicate-dag", "7.py")]
    assert set(counted.written) == {"7.py"}
    assert counted.listed == [1]

    again = dag_gate.check(files, ["7.py"], store=store)

    assert again.problems == report.problems
    assert counted.listed == [1]


def test_two_who_check_at_once_see_their_own_change_alone(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    files = tree_of(12) | {"lib.py": b"NAME = 'start'\n"}
    user = b"from airflow.sdk import DAG\nfrom lib import NAME\nd = DAG(NAME, schedule=None)\n"
    files["user.py"] = user
    dag_gate.check(files, ["user.py"], store=store)
    seen: dict[str, set[str]] = {"mine": set(), "theirs": set()}

    def work(name: str) -> None:
        for turn in range(4):
            report = dag_gate.check(
                files | {"lib.py": f"NAME = '{name}'  # {turn}\n".encode()}, ["lib.py"], store=store
            )
            seen[name] |= {graph.dag_id for graph in report.graphs}

    threads = [threading.Thread(target=work, args=[name]) for name in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == {"mine": {"mine"}, "theirs": {"theirs"}}


def test_what_was_prepared_is_neither_written_nor_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path / "home")
    files = tree_of(20)
    store.dags.save(files, author="ann", message="m", base=None)
    preparation.warm(store)
    for thread in threading.enumerate():
        if thread.name == "dag-sandbox":
            thread.join()
    counted = Counted(monkeypatch)

    report = dag_gate.check(files | {"3.py": DAG.format("new").encode()}, ["3.py"], store=store)

    assert [graph.dag_id for graph in report.graphs] == ["new"]
    assert set(counted.written) == {"3.py"}
    assert counted.listed == [1]


def test_a_changed_ignore_file_is_asked_about_with_all_files(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    files = tree_of(6)
    dag_gate.check(files, ["0.py"], store=store)
    ignoring = files | {".airflowignore": b"3.py\n", "3.py": DAG.format("d4").encode()}

    ignored = dag_gate.check(ignoring, ["3.py", ".airflowignore"], store=store)
    back = dag_gate.check({**ignoring, ".airflowignore": b""}, [".airflowignore", "3.py"], store=store)

    assert [(each.code, each.path) for each in ignored.problems if each.code != "sandbox"] == [
        ("ignored", "3.py")
    ]
    assert {each.code for each in back.errors} == {"duplicate-dag"}


def test_an_ignore_file_below_counts_for_a_file_that_is_listed_alone(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    files = tree_of(6) | {"team/.airflowignore": b"draft*\n", "team/a.py": DAG.format("a").encode()}
    dag_gate.check(files, ["0.py"], store=store)
    files |= {"team/draft.py": DAG.format("a").encode()}

    report = dag_gate.check(files, ["team/draft.py"], store=store)

    assert [each.code for each in report.problems if each.code != "sandbox"] == ["ignored"]


def test_no_answer_of_the_sandbox_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path / "home")
    files = {"a.py": DAG.format("not-remembered").encode()}
    with monkeypatch.context() as patched:
        patched.setattr(sandbox.Tree, "dag_files", lambda _: sandbox.Parsed("", why="failed"))
        report = dag_gate.check(files, ["a.py"], store=store)

    assert [each.code for each in report.errors] == ["not-checked"]
    assert [graph.dag_id for graph in dag_gate.check(files, ["a.py"], store=store).graphs] == [
        "not-remembered"
    ]


def test_a_tree_without_a_wall_against_writing_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bool] = []
    give_back = sandbox._places.give_back

    def noted(place: places.Place, *, keep: bool) -> None:
        given.append(keep)
        give_back(place, keep=False)

    monkeypatch.setattr(sandbox._places, "give_back", noted)
    for walls in ({"landlock"}, {"seccomp"}, {"mounts"}, {"namespaces"}, set()):
        with sandbox.Tree({"a.py": b""}, keep=True) as tree:
            with monkeypatch.context() as patched:
                patched.setattr(
                    sandbox.Tree, "_ask", lambda *_, w=frozenset(walls): sandbox.Parsed("", walls=w)
                )
                tree.dag_files()

    assert given == [True, True, True, False, False]


def test_a_dag_file_cannot_write_into_the_tree_that_is_kept(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    body = (
        "import pathlib\nfrom airflow.sdk import DAG\nhere = pathlib.Path(__file__).parent\nfound = []\n"
        "for call in (lambda: (here / 'lib.py').write_text('x'), lambda: (here / 'lib.py').unlink(),\n"
        "             lambda: (here / 'new.py').touch(), lambda: (here / 'lib.py').rename('m.py')):\n"
        "    try: found.append(str(call()))\n"
        "    except OSError as error: found.append(type(error).__name__)\n"
        "d = DAG('d', schedule=None, description=str(set(found) & {'None', '1'}))\n"
    )
    files = {"a.py": body.encode(), "lib.py": b"y = 1\n"}

    report = dag_gate.check(files, ["a.py"], store=store)

    assert report.graphs[0].settings["description"] == "set()"


def test_what_is_listed_alone_is_what_is_listed_with_all(tmp_path: Path) -> None:
    files = tree_of(5) | {
        ".airflowignore": b"# none\nbuild/\n*_draft.py\n",
        "build/x.py": DAG.format("x").encode(),
        "a/b_draft.py": DAG.format("y").encode(),
        "a/.airflowignore": b"!b_draft.py\nno*\n",
        "a/no.py": DAG.format("n").encode(),
        "a/yes.py": DAG.format("s").encode(),
        "a/plain.py": b"x = 1\n",
        "a/UPPER.PY": DAG.format("u").encode(),
        "a/b.sql": b"-- airflow dag",
        HOSTILE: DAG.format("h").encode(),
    }
    with sandbox.Tree(files) as tree:
        whole = {str(path) for path in tree.dag_files().found["files"]}
        before = dict(files)
        for path in list(files):
            before[path] = files[path] + b"\n# before"
        listing.dag_files(before, tree, limits=Limits())
        one_by_one: set[str] = set()
        for path in files:
            if not path.endswith(".airflowignore"):
                mixed = {**before, ".airflowignore": files[".airflowignore"], path: files[path]}
                mixed["a/.airflowignore"] = files["a/.airflowignore"]
                with sandbox.Tree(mixed) as other:
                    listing._latest._known.clear()
                    listing.dag_files({**mixed, path: b""}, other, limits=Limits())
                    one_by_one |= listing.dag_files(mixed, other, limits=Limits()).files & {path}

    assert one_by_one == whole
