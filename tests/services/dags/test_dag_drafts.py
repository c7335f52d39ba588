"""Drafts of DAG files: kept for each account, safe from hostile names, lost changes and other windows."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from couture_workflow.exceptions import ConflictError, InvalidError, StorageError, TooLargeError
from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.store.home import Store

HOSTILE = "a'b\"<&>ü/../../x\0\n"


def test_draft_is_kept_listed_and_discarded(store: Store) -> None:
    first = dag_drafts.put(store, "ada", "a.py", base=None, content="x = 'ü'\r\n")
    second = dag_drafts.put(store, "ada", "b/c.py", base="1" * 40, content="")

    assert dag_drafts.get(store, "ada", "a.py") == first
    assert [draft.path for draft in dag_drafts.all_of(store, "ada")] == ["b/c.py", "a.py"]
    assert dag_drafts.all_of(store, "ada")[0] == second
    assert dag_drafts.all_of(store, "bob") == []
    assert dag_drafts.get(store, "bob", "a.py") is None
    assert dag_drafts.delete(store, "ada", "a.py")
    assert not dag_drafts.delete(store, "ada", "a.py")
    assert dag_drafts.get(store, "ada", "a.py") is None


@pytest.mark.parametrize("user", ["..", "../../bob", "", ".", "a/b", HOSTILE, "x" * 5000, "Ada", "\ud800"])
def test_name_of_an_account_cannot_leave_its_folder(store: Store, user: str) -> None:
    dag_drafts.put(store, user, "a.py", base=None, content="mine")
    dag_drafts.put(store, "ada", "a.py", base=None, content="hers")

    assert [draft.content for draft in dag_drafts.all_of(store, user)] == ["mine"]
    files = [path for path in store.root.rglob("*.json") if path.is_file()]
    assert len(files) == 2
    assert {path.parent.parent for path in files} == {store.drafts}


@pytest.mark.parametrize("path", ["", "../a.py", "a/../b", "/a", "a//b", "a\0b", "a\nb", "x" * 1001])
def test_path_that_no_file_can_have_is_refused(store: Store, path: str) -> None:
    with pytest.raises(InvalidError):
        dag_drafts.put(store, "ada", path, base=None, content="")

    assert dag_drafts.all_of(store, "ada") == []


def test_path_that_others_pushed_is_accepted(store: Store) -> None:
    draft = dag_drafts.put(store, "ada", "a'b\"<&>ü ö.py", base=None, content="1")

    assert dag_drafts.all_of(store, "ada") == [draft]


def test_other_window_is_not_overwritten(store: Store) -> None:
    first = dag_drafts.put(store, "ada", "a.py", base=None, content="1", expected=None)
    second = dag_drafts.put(store, "ada", "a.py", base=None, content="2", expected=first.revision)

    with pytest.raises(ConflictError) as refused:
        dag_drafts.put(store, "ada", "a.py", base=None, content="3", expected=first.revision)

    assert (refused.value.base, refused.value.theirs) == (first.revision, second.revision)
    assert dag_drafts.get(store, "ada", "a.py") == second
    dag_drafts.put(
        store, "ada", "a.py", base=None, content="2", expected=first.revision
    )  # the answer got lost
    assert dag_drafts.put(store, "ada", "a.py", base=None, content="3").content == "3"


def test_draft_that_was_discarded_elsewhere_can_be_kept_again(store: Store) -> None:
    first = dag_drafts.put(store, "ada", "a.py", base=None, content="1")
    dag_drafts.delete(store, "ada", "a.py")

    assert dag_drafts.put(store, "ada", "a.py", base=None, content="2", expected=first.revision)


def test_limits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_drafts, "MOST", 2)
    dag_drafts.put(store, "ada", "a.py", base=None, content="x" * dag_drafts.LARGEST)
    dag_drafts.put(store, "ada", "b.py", base=None, content="x")

    with pytest.raises(TooLargeError):
        dag_drafts.put(store, "ada", "a.py", base=None, content="ü" * (dag_drafts.LARGEST // 2 + 1))
    with pytest.raises(InvalidError, match="You have 2 drafts"):
        dag_drafts.put(store, "ada", "c.py", base=None, content="x")
    dag_drafts.put(store, "ada", "b.py", base=None, content="again")
    dag_drafts.put(store, "bob", "c.py", base=None, content="x")


def test_text_may_hold_half_a_character(store: Store) -> None:
    dag_drafts.put(store, "ada", "a.py", base=None, content="\ud83d")

    draft = dag_drafts.get(store, "ada", "a.py")
    assert draft is not None
    assert draft.content == "\ud83d"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"path": "a.py"}', b"\xff"])
def test_damaged_draft_is_none(store: Store, damage: bytes) -> None:
    dag_drafts.put(store, "ada", "a.py", base=None, content="1")
    (file,) = store.drafts.rglob("*.json")
    file.write_bytes(damage)

    assert dag_drafts.get(store, "ada", "a.py") is None
    assert dag_drafts.all_of(store, "ada") == []
    assert dag_drafts.put(store, "ada", "a.py", base=None, content="2", expected="x")


def test_nobody_else_on_the_machine_reads_a_draft(store: Store) -> None:
    dag_drafts.put(store, "ada", "a.py", base=None, content="1")

    (file,) = store.drafts.rglob("*.json")
    assert (file.stat().st_mode & 0o077, file.parent.stat().st_mode & 0o077) == (0, 0)


def test_disk_that_refuses_is_told(store: Store) -> None:
    store.drafts.rmdir()
    store.drafts.write_bytes(b"")

    with pytest.raises(StorageError):
        dag_drafts.put(store, "ada", "a.py", base=None, content="1")


def _write(root: Path, number: int) -> None:
    store = Store(root)
    for turn in range(20):
        dag_drafts.put(store, "ada", "a.py", base=None, content=f"{number}-{turn}-" * 5000)


@pytest.mark.slow
def test_writers_at_the_same_time_leave_a_whole_text(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(store.root, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    draft = dag_drafts.get(store, "ada", "a.py")

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert draft is not None
    assert draft.content in {f"{number}-19-" * 5000 for number in range(3)}
    assert dag_drafts.all_of(store, "ada") == [draft]
