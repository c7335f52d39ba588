"""Many files put in place together: all or nothing, whenever the process is killed, whoever else writes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import ConflictError, InvalidNameError, StorageFullError
from couture_workflow.services.workbench import doctor
from couture_workflow.store import atomic, pending_files
from couture_workflow.store.file_sets import FileSet
from couture_workflow.store.home import Store
from tests.support.processes import forked, wait_for

NAMES = ("a.jar", "b.jar", "c.zip")


def put(store: Store, text: str, *, names: tuple[str, ...] = NAMES, expect: int | None = None) -> None:
    with FileSet(store.kinds, user="ann") as files:
        for name in names:
            files.add(store.dependencies, name, [f"{name} {text}".encode()], expect=expect)
        files.add(store.artifacts, "job.py", [text.encode()], expect=expect)
        files.commit()


def contents(store: Store) -> set[str]:
    """Return the different texts that the files have: one, unless old and new are mixed."""
    found = {store.dependencies.open(name).read().decode().split()[1] for name in NAMES}
    return found | {store.artifacts.open("job.py").read().decode()}


def test_files_of_both_kinds_get_new_versions_together(store: Store) -> None:
    store.dependencies.put("a.jar", [b"earlier"], user="bob")
    store.dependencies.delete("a.jar")

    put(store, "1")

    assert contents(store) == {"1"}
    assert [version.uploaded_by for version in store.dependencies.get("a.jar").versions] == ["bob", "ann"]
    assert store.dependencies.get("b.jar").current == 1
    assert store.dependencies.deleted() == ()
    assert not pending_files.is_pending(store.root / "files")


def test_what_is_there_already_makes_no_version(store: Store) -> None:
    put(store, "1")

    with FileSet(store.kinds, user="bob") as files:
        files.add(store.dependencies, "a.jar", [b"a.jar 1"], expect=1)
        changed = files.commit()

    assert changed == []
    assert store.dependencies.get("a.jar").current == 1


def test_left_without_a_commit_it_changes_nothing(store: Store) -> None:
    with FileSet(store.kinds, user="ann") as files:
        files.add(store.dependencies, "a.jar", [b"1"], expect=None)

    assert store.dependencies.list() == ()
    assert doctor.collect_garbage(store).size == 1


def test_one_file_that_changed_meanwhile_keeps_all_others_out(store: Store) -> None:
    with FileSet(store.kinds, user="ann") as files:
        files.add(store.dependencies, "a.jar", [b"1"], expect=None)
        files.add(store.dependencies, "b.jar", [b"1"], expect=None)
        store.dependencies.put("b.jar", [b"somebody else's"], user="bob")
        with pytest.raises(ConflictError):
            files.commit()

    assert [file.name for file in store.dependencies.list()] == ["b.jar"]
    assert store.dependencies.get("b.jar").current == 1


def test_name_that_differs_in_case_is_refused(store: Store) -> None:
    store.dependencies.put("A.jar", [b"1"], user="bob")

    with pytest.raises(InvalidNameError), FileSet(store.kinds, user="ann") as files:
        files.add(store.dependencies, "a.jar", [b"1"], expect=None)


COLLECT = """
import pathlib, sys
from couture_workflow.services.workbench import doctor
from couture_workflow.store.home import Store

print("begins", flush=True)
doctor.collect_garbage(Store(pathlib.Path(sys.argv[1])), older_than=0)
"""


@pytest.mark.slow
def test_contents_are_safe_from_the_garbage_collection_until_the_commit(store: Store) -> None:
    with FileSet(store.kinds, user="ann") as files:
        files.add(store.dependencies, "a.jar", [b"1"], expect=None)
        command = [sys.executable, "-c", COLLECT, str(store.root)]
        collector = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert collector.stdout is not None
        assert collector.stdout.readline() == b"begins\n"
        with pytest.raises(subprocess.TimeoutExpired):
            collector.wait(0.5)
        files.commit()
    assert collector.wait(60) == 0

    assert store.dependencies.open("a.jar").read() == b"1"


def counting(limit: int) -> Callable[[], None]:
    """Return what kills this process at the call of that number."""
    left = limit

    def step() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def killed_at(step: int, work: Callable[[], Any]) -> bool:
    """Run some work in a child that is killed before a step on the disk; tell whether it came that far."""

    def run() -> None:
        count = counting(step)
        for owner, name in (
            (Path, "replace"),
            (Path, "rename"),
            (Path, "mkdir"),
            (Path, "unlink"),
            (os, "fsync"),
            (os, "rmdir"),
            (shutil, "rmtree"),
            (atomic, "write_all"),
        ):
            original = getattr(owner, name)

            def counted(*arguments: Any, _original: Any = original, **options: Any) -> Any:
                count()
                return _original(*arguments, **options)

            setattr(owner, name, counted)
        work()

    _, status = os.waitpid(forked(run), 0)
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("heal", ["open", "upload", "gc"])
def test_kill_at_every_step_leaves_the_old_or_the_new_state(store: Store, heal: str) -> None:
    put(store, "0")
    step, version, after_the_point = 0, 1, 0

    while True:
        text = str(step + 1)
        killed = killed_at(step, partial(put, Store(store.root), text, expect=version))
        pending = pending_files.is_pending(store.root / "files")
        if heal == "open":
            Store.open(store.root)
        elif heal == "gc":
            doctor.collect_garbage(store, older_than=0)
        else:
            store.dependencies.put("other.jar", [b"1"], user="bob")
        found = contents(store)

        assert len(found) == 1, (step, found)
        assert not pending_files.is_pending(store.root / "files")
        assert store.dependencies.get("c.zip").current == store.artifacts.get("job.py").current
        after_the_point += pending and found == {text}
        version = store.dependencies.get("a.jar").current
        if not killed:
            break
        step += 1

    assert found == {text}
    assert step > 30
    assert after_the_point > 5
    doctor.collect_garbage(store, older_than=0)
    assert [finding for finding in doctor.check(store) if finding.path.parent != store.root] == []


@pytest.mark.slow
def test_sets_of_several_processes_are_never_mixed(store: Store) -> None:
    put(store, "0")
    random.seed(3)

    def write(who: int) -> None:
        for number in range(15):
            while True:
                current = store.dependencies.get("a.jar").current
                try:
                    put(store, f"{who}.{number}", expect=current)
                except ConflictError:
                    continue
                break

    for child in [forked(lambda who=who: write(who)) for who in range(3)]:
        wait_for(child)

    assert len(contents(store)) == 1
    versions = [store.dependencies.get(name).versions for name in NAMES]
    assert [len(found) for found in versions] == [46, 46, 46]
    texts = [
        [store.dependencies.open(name, version.number).read().split()[1] for version in found]
        for name, found in zip(NAMES, versions, strict=True)
    ]
    assert texts[0] == texts[1] == texts[2]


def test_full_disk_leaves_the_old_state(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "1")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with FileSet(store.kinds, user="ann") as files:
        for name in NAMES:
            files.add(store.dependencies, name, [b"x 2"], expect=1)
        monkeypatch.setattr(atomic, "write_all", full)
        with pytest.raises(StorageFullError):
            files.commit()

    assert contents(store) == {"1"}
    assert list((store.root / "files").glob(".import*")) == []
