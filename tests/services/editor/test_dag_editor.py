"""What the editor opens, keeps and hears of others; the layout by ruff."""

from __future__ import annotations

import subprocess

import pytest

from couture_workflow.exceptions import ConflictError, InvalidError, InvalidNameError, NotFoundError
from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.editor import files as dag_editor
from couture_workflow.services.editor import format as dag_format
from couture_workflow.services.editor.files import Opened
from couture_workflow.store.home import Store


def save(store: Store, text: str | bytes | None, *, path: str = "a.py", author: str = "ada") -> str:
    content = text.encode() if isinstance(text, str) else text
    return store.dags.save({path: content}, author=author, message="m", base=store.dags.head()).id


def test_files_open_as_what_they_are(store: Store) -> None:
    assert dag_editor.open_file(store, "a.py") == Opened("a.py", exists=False, base=None)
    save(store, "x = 'ü'\r\n")
    save(store, b"\0\1", path="b.bin")
    save(store, b"\xff\xfe", path="latin.txt")
    base = save(store, b"x" * (dag_repository.MAX_EDITABLE + 1), path="big.csv")

    assert dag_editor.open_file(store, "a.py") == Opened("a.py", True, base, "x = 'ü'\r\n", "", 10)
    assert dag_editor.open_file(store, "new.py") == Opened("new.py", False, base)
    assert dag_editor.open_file(store, "b.bin").obstacle == "It is a binary file."
    assert dag_editor.open_file(store, "latin.txt").obstacle.startswith("It is not text in UTF-8 (byte 1 ")
    big = dag_editor.open_file(store, "big.csv")
    assert (big.text, big.obstacle[:21]) == ("", "It has 1,048,577 byte")


def test_the_line_of_a_dag_is_the_first_with_its_id(store: Store) -> None:
    save(store, "# a_b\nDAG('a')\nDAG('a_b')\nDAG(\"a.b\")\nDAG('a_b')\n")

    assert dag_editor.line_of(store, "a.py", "a_b") == 3
    assert dag_editor.line_of(store, "a.py", "a.b") == 4
    assert dag_editor.line_of(store, "a.py", "c") is None


@pytest.mark.parametrize("path", ["../a.py", "/a.py", "a'b\"<&>ü.py", ".git/hooks/x", "a\nb.py", ""])
def test_new_file_of_a_hostile_name_is_refused(store: Store, path: str) -> None:
    with pytest.raises(InvalidNameError):
        dag_editor.open_file(store, path)


def test_text_that_is_saved_needs_no_draft(store: Store) -> None:
    base = save(store, "1")
    draft = dag_editor.keep(store, "ada", "a.py", base=base, content="2", expected=None)

    assert draft is not None
    assert dag_editor.keep(store, "ada", "a.py", base=base, content="1", expected=draft.revision) is None
    assert dag_drafts.all_of(store, "ada") == []


def test_undoing_all_in_one_window_leaves_the_draft_of_another(store: Store) -> None:
    base = save(store, "1")
    dag_editor.keep(store, "ada", "a.py", base=base, content="typed elsewhere", expected=None)

    with pytest.raises(ConflictError):
        dag_editor.keep(store, "ada", "a.py", base=base, content="1", expected=None)

    (draft,) = dag_drafts.all_of(store, "ada")
    assert draft.content == "typed elsewhere"


def test_unknown_base_is_refused(store: Store) -> None:
    save(store, "1")

    with pytest.raises(NotFoundError):
        dag_editor.keep(store, "ada", "a.py", base="f" * 40, content="2", expected=None)


def test_change_by_somebody_else_is_told(store: Store) -> None:
    base = save(store, "1")
    save(store, "1", path="other.py")
    assert dag_editor.changed_since(store, "a.py", base) is None

    save(store, "2", author="bob")

    changed = dag_editor.changed_since(store, "a.py", base)
    assert changed is not None
    assert changed.author == "bob"
    save(store, None, author="eve")
    changed = dag_editor.changed_since(store, "a.py", base)
    assert changed is not None
    assert changed.author == "eve"


def test_modules_of_the_repository_and_their_names(store: Store) -> None:
    files = {
        "common/__init__.py": b"",
        "common/tables.py": (
            b"NAMES: list[str] = []\n_hidden = 1\nasync def load():\n  x = 1\nclass T:\n  y = 2\na == 1\n"
        ),
        "not-a-module.py": b"x = 1",
        "q.sql": b"x = 1",
        "bad.py": b"\xff\xfe = (((((\nfine = 1",
    }

    assert dag_editor.modules(files) == {
        "bad": ["fine"],
        "common": [],
        "common.tables": ["NAMES", "load", "T"],
    }


def test_ruff_lays_out_and_sorts_imports() -> None:
    source = "import sys\nimport os\nfrom airflow.sdk import task, DAG\nx = { 'a':1 }\n"

    assert dag_format.formatted("a.py", source).endswith('\n\nx = {"a": 1}\n')
    assert dag_format.organised("a.py", source) == (
        "import os\nimport sys\n\nfrom airflow.sdk import DAG, task\n\nx = { 'a':1 }\n"
    )
    assert dag_format.formatted("a.py", "a=1\r\n") == "a = 1\r\n"


def test_what_is_not_python_is_left_as_it_is() -> None:
    with pytest.raises(InvalidError, match="line 1:5"):
        dag_format.formatted("a.py", "def (\n")
    with pytest.raises(InvalidError, match="not a Python file"):
        dag_format.formatted("a.sql", "SELECT 1")


def test_text_made_to_break_ruff_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("ruff", 10)

    monkeypatch.setattr(subprocess, "run", refuse)

    with pytest.raises(InvalidError, match="Ruff gave up"):
        dag_format.formatted("a.py", "x")
