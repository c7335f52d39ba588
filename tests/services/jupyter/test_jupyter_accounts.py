"""Accounts of people's Jupyter servers: numbers that stay, and only what is the product's is given away."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter import accounts
from couture_workflow.services.jupyter.accounts import Accounts
from couture_workflow.store import home as store_home

FIRST = 70_000
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change owners")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "notebooks").mkdir()
    return tmp_path


def test_a_number_is_given_once_and_never_to_somebody_else(home: Path) -> None:
    numbers = Accounts(home, FIRST, rooms=True)
    ann, bob = numbers.of("ann"), numbers.of("bob")
    assert (ann.uid, bob.uid, ann.shared) == (FIRST + 1, FIRST + 2, FIRST)

    assert Accounts(home, 90_000, rooms=True).of("ann").uid == ann.uid  # whatever the option says by then
    assert {numbers.of(f"person {number}").uid for number in range(20)}.isdisjoint({ann.uid, bob.uid})
    register = home / "notebooks" / ".accounts.json"
    assert json.loads(register.read_text())["bob"] == bob.uid
    assert stat.S_IMODE(register.stat().st_mode) == 0o600


def test_two_names_that_look_alike_are_two_accounts(home: Path) -> None:
    numbers = Accounts(home, FIRST, rooms=True)
    assert len({numbers.of(name).uid for name in ("ann", "Ann", "ann ", "a'n\"n", "änn")}) == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is damaged"),
        ('["ann"]', "is damaged"),
        ('{"ann": "x"}', "is damaged"),
        ('{"a": 7, "b": 7}', "two people"),
    ],
)
def test_a_damaged_register_gives_nobody_the_notebooks_of_another(home: Path, text: str, said: str) -> None:
    (home / "notebooks" / ".accounts.json").write_text(text)
    with pytest.raises(JupyterError, match=f"{said}.*Restore|Restore.*{said}|{said}"):
        Accounts(home, FIRST, rooms=True).of("ann")
    assert (home / "notebooks" / ".accounts.json").read_text() == text


def test_a_person_who_is_called_as_an_account_of_the_system_has_another_name(home: Path) -> None:
    assert Accounts(home, FIRST, rooms=True).of("root").name == "root.notebooks"
    assert Accounts(home, FIRST, rooms=True).of("ann").name == "ann"


@as_root
def test_links_and_files_with_a_second_name_are_not_given_away(home: Path) -> None:
    own, shared, secret = home / "notebooks" / "ann", home / "notebooks" / "shared", home / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    (own / "deep").mkdir(parents=True)
    shared.mkdir()
    (own / "deep" / "restored.ipynb").write_text("{}")
    (own / "link").symlink_to(secret)
    (own / "folder").symlink_to(home)
    os.link(secret, own / "second")
    (own / "of-bob").write_text("")
    os.chown(own / "of-bob", FIRST + 9, FIRST + 9)
    (shared / "all.ipynb").write_text("{}")
    ann = Accounts(home, FIRST, rooms=True).of("ann")

    for _ in range(2):
        Accounts(home, FIRST, rooms=True).hand_over(ann, own, shared)

    assert [(path.stat().st_uid, path.stat().st_gid) for path in (own, own / "deep")] == [(ann.uid, 0)] * 2
    assert stat.S_IMODE((own / "deep").stat().st_mode) == 0o2770
    assert (own / "deep" / "restored.ipynb").stat().st_uid == ann.uid
    assert (secret.stat().st_uid, stat.S_IMODE(secret.stat().st_mode)) == (0, 0o600)
    assert home.stat().st_uid == 0
    assert (own / "of-bob").stat().st_uid == FIRST + 9
    assert ((shared / "all.ipynb").stat().st_uid, (shared / "all.ipynb").stat().st_gid) == (0, FIRST)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o2775


def test_the_topmost_closed_folder_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "inner" / "closed"
    inner.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    inner.chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        if not folder.stat().st_mode & 0o001:
            break
    found = accounts.closed([str(inner / "file"), "/usr/bin/env"])
    assert len(found) == 1
    assert str(inner).startswith(found[0])
    assert not Path(found[0]).stat().st_mode & 0o001
    assert all(parent.stat().st_mode & 0o001 for parent in Path(found[0]).parents)


@as_root
def test_the_home_of_a_group_may_be_passed_through_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("notebooks", "files", "secrets"):
        (folder / name).mkdir()
    for path in (folder, *folder.iterdir()):
        path.chmod(0o2775 if path == folder else 0o775)

    store_home.tighten(folder)  # setgid and writable for its group: a group's
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2770  # nobody has an account yet
    folder.chmod(0o2775)
    (folder / "notebooks").chmod(0o775)
    Accounts(folder, FIRST, rooms=True).of("ann")
    store_home.tighten(folder)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2771
    assert modes == {"notebooks": 0o771, "files": 0o770, "secrets": 0o700}
    folder.chmod(0o755)
    store_home.tighten(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "notebooks").stat().st_mode) == 0o700
