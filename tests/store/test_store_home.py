"""The home: layout, version, rights."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from couture_workflow.exceptions import HomeError
from couture_workflow.store.home import Store
from tests.support.processes import forked, wait_for


def open_up(home: Path) -> None:
    """Let everybody reach a home of a test, whose own folders are closed to others."""
    for folder in (home, *home.parents):
        if folder == Path(tempfile.gettempdir()):
            break
        if folder.exists():
            folder.chmod(0o755)


def test_home_is_made_where_there_is_none(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "a" / "ü b")

    assert (store.root / "version").read_text() == "1\n"
    assert store.runs.is_dir()
    assert store.outputs.is_dir()
    assert store.config.check() == ""
    assert Store.open(store.root).root == store.root


def test_home_is_the_option_when_none_is_given(store: Store) -> None:
    assert Store.open().root == store.root


def test_home_of_a_newer_version_is_refused_in_one_sentence(tmp_path: Path) -> None:
    Store.open(tmp_path)
    (tmp_path / "version").write_text("2\n")

    with pytest.raises(
        HomeError, match=rf"{tmp_path} was written by a newer Couture Workflow \(layout 2"
    ) as error:
        Store.open(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "x", "-1", "1\n1"])
def test_damaged_version_is_explained(tmp_path: Path, text: str) -> None:
    (tmp_path / "version").write_text(text)

    with pytest.raises(HomeError, match="version is damaged"):
        Store.open(tmp_path)


def test_missing_folders_are_made_again(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.runs.rmdir()

    Store.open(tmp_path)

    assert store.runs.is_dir()


def test_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(HomeError, match=r"cannot be used.*\[couture_workflow\] home"):
            Store.open(root)


@pytest.mark.parametrize("made", [True, False], ids=["made before", "new"])
def test_home_that_may_not_be_written_is_refused(tmp_path: Path, made: bool) -> None:
    root = tmp_path / "home"
    root.mkdir()
    if made:
        Store.open(root)
    open_up(root)
    root.chmod(0o555)

    def open_as_nobody() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        with pytest.raises(HomeError, match="cannot be used"):
            Store.open(root)

    wait_for(forked(open_as_nobody))
    root.chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_home_is_shared_with_another_user_of_its_group(tmp_path: Path) -> None:
    before = os.umask(0o002)
    root = tmp_path / "home"
    open_up(root)
    root.mkdir()
    os.chown(root, -1, 4242)
    root.chmod(0o2775)
    store = Store.open(root)
    head = store.config.save({"a": b"1"}, author="ann", message="", base=None).id
    store.artifacts.put("a.py", [b"1"], user="ann")

    def use_as_somebody_else() -> None:
        os.setgroups([4242])
        os.setgid(65534)
        os.setuid(65534)
        other = Store.open(root)
        assert other.config.read("a") == other.artifacts.open("a.py").read() == b"1"
        other.config.save({"a": b"2"}, author="bob", message="", base=head)
        other.artifacts.put("a.py", [b"2"], user="bob")

    try:
        wait_for(forked(use_as_somebody_else))
        assert store.config.read("a") == store.artifacts.open("a.py").read() == b"2"
        assert store.artifacts.put("a.py", [b"3"], user="ann").current == 3
        store.config.save({"a": b"3"}, author="ann", message="", base=store.config.head())
    finally:
        os.umask(before)


def test_many_processes_make_one_home(tmp_path: Path) -> None:
    root = tmp_path / "home"

    def use() -> None:
        Store.open(root).artifacts.put("a.py", [b"1"], user="ann")

    for child in [forked(use) for _ in range(8)]:
        wait_for(child)

    store = Store.open(root)
    assert store.artifacts.open("a.py").read() == b"1"
    assert store.config.check() == ""
    assert sorted(path.name for path in root.iterdir()) == [
        ".lock",
        "config.git",
        "dags.git",
        "drafts",
        "files",
        "imports",
        "outputs",
        "runs",
        "secrets",
        "version",
    ]


def test_store_needs_neither_airflow_nor_git_to_be_imported(tmp_path: Path) -> None:
    Store.open(tmp_path)
    code = (
        "import sys, pathlib; from couture_workflow.store.home import Store;"
        "Store.open(pathlib.Path(sys.argv[1]));"
        "print(sorted({'airflow', 'git', 'cryptography', 'flask'} & set(sys.modules)))"
    )

    output = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True
    ).stdout

    assert output == b"[]\n"


def _modes(root: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.lstat().st_mode) for path in (root, *root.iterdir())}


def test_a_new_home_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        store = Store.open(tmp_path / "home")
    finally:
        os.umask(before)

    assert {name: mode for name, mode in _modes(store.root).items() if mode & 0o077} == {}


def test_a_home_of_an_earlier_version_is_tightened_when_it_is_opened(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    for name in ("logs", "airflow"):
        (store.root / name).mkdir()
    (store.root / "workbench.lock").touch()
    for path in (store.root, *store.root.iterdir()):
        path.chmod(0o775 if path.is_dir() else 0o664)
    store.root.chmod(0o755)

    Store.open(store.root)

    assert {name: mode for name, mode in _modes(store.root).items() if mode & 0o077} == {}
    assert all(mode & 0o600 == 0o600 for mode in _modes(store.root).values())


def test_a_home_of_a_group_stays_the_groups_and_nobody_elses(tmp_path: Path) -> None:
    root = tmp_path / "home"
    root.mkdir()
    root.chmod(0o2777)
    before = os.umask(0o002)
    try:
        store = Store.open(root)
    finally:
        os.umask(before)

    modes = _modes(store.root)
    assert {name: mode for name, mode in modes.items() if mode & 0o007} == {}
    assert modes["home"] == 0o2770
    assert modes["dags.git"] & 0o070 == 0o070
    assert modes["secrets"] & 0o077 == 0


def test_a_link_to_another_folder_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    other.chmod(0o755)
    store = Store.open(tmp_path / "home")
    (store.root / "link").symlink_to(other)

    Store.open(store.root)

    assert stat.S_IMODE(other.stat().st_mode) == 0o755
