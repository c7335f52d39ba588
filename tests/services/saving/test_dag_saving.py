"""Saving DAG files: through the gate, as one commit, or not at all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from couture_workflow.exceptions import ConflictError, GateError, InvalidError, InvalidNameError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.gate.problems import Known
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.web.errors import describe

KNOWN = Known(variables={}, connections=frozenset())


def dag(dag_id: str) -> bytes:
    return f"from airflow.sdk import DAG\n\nwith DAG({dag_id!r}, schedule=None):\n    pass\n".encode()


def save(store: Any, changes: dict[str, bytes | None], **options: Any) -> dag_saving.Saved:
    options = {"user": "ann", "message": "A change", "base": store.dags.head(), "known": KNOWN, **options}
    return dag_saving.save(store, changes, **options)


def test_a_sound_change_is_one_commit_of_its_author(store: Any) -> None:
    saved = save(store, {"a.py": dag("a"), "sql/b.sql": b"SELECT 1"})

    assert saved.report.passed and not saved.overridden
    assert (saved.commit.author, saved.commit.message) == ("ann", "A change")
    assert dag_repository.read_all(store) == {"a.py": dag("a"), "sql/b.sql": b"SELECT 1"}


def test_an_error_saves_nothing_and_lists_the_problems(store: Any) -> None:
    first = save(store, {"a.py": dag("a")})

    with pytest.raises(GateError, match=r"Nothing was saved: b\.py:1: .*nowhere") as refused:
        save(store, {"a.py": dag("changed"), "b.py": b"import nowhere  # airflow dag\n"})

    assert store.dags.head() == first.commit.id
    assert [(each["code"], each["path"]) for each in refused.value.problems if each["level"] == "error"] == [
        ("import", "b.py")
    ]
    told = describe(refused.value)
    assert (told.status, told.code) == (422, "gate")
    assert told.json()["problems"][0]["line"] == 1


def test_an_override_saves_in_spite_of_errors_and_says_so(store: Any) -> None:
    saved = save(store, {"b.py": b"import nowhere  # airflow dag\n"}, override=True)

    assert saved.overridden
    assert [problem.code for problem in saved.report.errors] == ["import"]
    assert store.dags.head() == saved.commit.id


def test_an_override_of_a_sound_change_is_none(store: Any) -> None:
    assert not save(store, {"a.py": dag("a")}, override=True).overridden


def test_an_error_that_was_there_before_does_not_block_other_files(store: Any) -> None:
    save(store, {"broken.py": b"import nowhere  # airflow dag\n"}, override=True)

    assert save(store, {"a.py": dag("a")}).report.passed


def test_a_duplicate_with_a_saved_file_is_refused(store: Any) -> None:
    save(store, {"a.py": dag("same")})

    with pytest.raises(GateError, match=r'"same" is also defined in a\.py'):
        save(store, {"b.py": dag("same")})


@pytest.mark.slow
def test_a_rename_is_no_duplicate(store: Any) -> None:
    save(store, {"a.py": dag("same")})

    report = save(store, {"a.py": None, "b/a.py": dag("same")}).report

    assert [problem.code for problem in report.problems] == []


def test_a_delete_tells_which_dag_goes(store: Any) -> None:
    save(store, {"a.py": dag("a"), "b.py": dag("b")})

    report = save(store, {"a.py": None}).report

    assert [(problem.code, problem.path) for problem in report.problems] == [("vanished-dag", "a.py")]


def test_a_delete_of_a_module_that_is_needed_is_refused(store: Any) -> None:
    save(store, {"helper.py": b"x = 1\n", "a.py": b"from helper import x\n" + dag("a")})

    with pytest.raises(GateError, match=r"a\.py:1: No module named 'helper'"):
        save(store, {"helper.py": None})


@pytest.mark.slow
def test_two_people_on_one_file_conflict_and_on_two_do_not(store: Any) -> None:
    base = save(store, {"a.py": dag("a"), "b.py": dag("b")}).commit.id
    save(store, {"a.py": dag("a2")}, user="bob")

    with pytest.raises(ConflictError):
        save(store, {"a.py": dag("a3")}, base=base)
    saved = save(store, {"b.py": dag("b2")}, base=base)

    assert dag_repository.read_all(store) == {"a.py": dag("a2"), "b.py": dag("b2")}
    assert saved.report.passed


@pytest.mark.parametrize("path", ["../a.py", "/a.py", "a//b.py", ".git/hooks/x", "a b.py", ""])
def test_paths_that_may_not_be_are_refused(store: Any, path: str) -> None:
    with pytest.raises(InvalidNameError):
        save(store, {path: dag("a")})


def test_nothing_to_save_is_refused(store: Any) -> None:
    with pytest.raises(InvalidError, match="nothing to save"):
        save(store, {})


@pytest.mark.slow
def test_a_save_without_a_message_gets_one(store: Any) -> None:
    assert save(store, {"a.py": dag("a")}, message=" ").commit.message == "Change a.py"
    assert save(store, {"a.py": None}, message="").commit.message == "Delete a.py"


def test_a_check_saves_nothing(store: Any) -> None:
    head = save(store, {"a.py": dag("a")}).commit.id

    report = dag_saving.check(store, {"b.py": dag("a")}, known=KNOWN)

    assert [problem.code for problem in report.errors] == ["duplicate-dag"]
    assert store.dags.head() == head


@pytest.mark.slow
def test_two_people_cannot_save_the_same_dag_in_different_files_at_once(store: Any) -> None:
    base = save(store, {"first.py": dag("first")}).commit.id
    both = threading.Barrier(2)

    def one(path: str) -> Exception | None:
        both.wait()
        try:
            save(store, {path: dag("twin")}, base=base)
        except GateError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as pool:
        found = [error for error in pool.map(one, ["a.py", "b.py"]) if error is not None]

    assert len(found) == 1 and "twin" in str(found[0])
    assert len({"a.py", "b.py"} & dag_repository.read_all(store).keys()) == 1


@pytest.mark.slow
def test_many_people_save_different_dags_at_once(store: Any) -> None:
    base = save(store, {"first.py": dag("first")}).commit.id

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: save(store, {f"{name}.py": dag(name)}, base=base), "abcd"))

    assert {f"{name}.py" for name in "abcd"} <= dag_repository.read_all(store).keys()
