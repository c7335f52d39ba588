"""Versions of DAG files: what differs, renames, texts; and drafts beside what others did meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from couture_workflow.exceptions import ConflictError, InvalidError, NotFoundError
from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.services.dags.versions import (
    FileChange,
    Texts,
    before,
    changed_files,
    history,
    is_file,
    order,
    renamed_since,
    texts,
    within,
)
from couture_workflow.services.review import before_save as dag_review
from couture_workflow.store.home import Store

LINES = "".join(f"line {number}\n" for number in range(20))


def save(store: Store, **changes: Any) -> str:
    contents = {name.replace("__", "/").replace("_", "."): text for name, text in changes.items()}
    encoded = {path: text.encode() if isinstance(text, str) else text for path, text in contents.items()}
    return store.dags.save(encoded, author="eva", message="Save", base=store.dags.head()).id


def test_history_tells_the_files_of_each_version(store: Store) -> None:
    first = save(store, a_py=LINES, x__b_py="1\n")
    second = save(store, a_py=None, c_py=LINES)
    third = save(store, x__b_py="2\n", x__d_py="1\n")

    found = history(store)

    assert [version.commit.id for version in found] == [third, second, first] == order(store)
    assert [version.files for version in found] == [
        (FileChange("x/b.py", "changed"), FileChange("x/d.py", "added")),
        (FileChange("c.py", "renamed", "a.py"),),
        (FileChange("a.py", "added"), FileChange("x/b.py", "added")),
    ]
    assert [version.commit.id for version in history(store, "x")] == [third, first]
    assert within(found[1].files, "a.py") == [FileChange("c.py", "renamed", "a.py")]
    assert (before(store, second), before(store, first)) == (first, None)


def test_history_of_nothing(store: Store) -> None:
    assert history(store) == []
    assert order(store) == []
    assert not is_file(store, "a.py", [])


def test_changed_files_between_any_two_versions(store: Store) -> None:
    first = save(store, a_py=LINES, x__b_py="1\n")
    second = save(store, a_py=None, c_py=LINES)

    assert changed_files(store, None, first, "x") == [FileChange("x/b.py", "added")]
    assert changed_files(store, second, first) == [FileChange("a.py", "renamed", "c.py")]
    assert renamed_since(store, first, second) == {"a.py": "c.py"}
    assert renamed_since(store, "0" * 40, second) == {}
    with pytest.raises(NotFoundError):
        changed_files(store, "--output=x", second)


def test_kind_of_a_path(store: Store) -> None:
    first = save(store, x__b_py="1\n", a_py="1\n")
    save(store, a_py=None)

    assert is_file(store, "x/b.py", [])
    assert not is_file(store, "x", [first])
    assert is_file(store, "a.py", [first])  # deleted by now


def test_texts_of_two_versions(store: Store) -> None:
    first = save(store, a_py="1\n", b_bin=b"\0\1")
    second = save(store, a_py=None, c_py="1\n", b_bin=b"\0\2")

    assert texts(store, first, second, "a.py") == Texts("1\n", None)
    assert texts(store, first, second, "c.py", old_path="a.py") == Texts("1\n", "1\n")
    assert texts(store, first, second, "b.bin") == Texts("", "", shown=False)


def draft(store: Store, path: str, text: str) -> None:
    dag_drafts.put(store, "ada", path, base=store.dags.head(), content=text)


def reviewed(store: Store, path: str) -> dag_review.Reviewed:
    (file,) = dag_review.review(store, "ada", [path]).files
    return file


def test_draft_alone(store: Store) -> None:
    save(store, a_py="1\n")
    draft(store, "a.py", "2\n")
    draft(store, "new.py", "3\n")
    save(store, other_py="1\n")

    found = dag_review.review(store, "ada", [])

    assert {(file.path, file.old, file.mine, file.exists, file.meanwhile) for file in found.files} == {
        ("a.py", "1\n", "2\n", True, "nothing"),
        ("new.py", "", "3\n", False, "nothing"),
    }
    assert dag_review.review(store, "ada", ["a.py", "no.py"]).missing == ("no.py",)
    assert dag_review.review(store, "eva", []).files == ()


def test_draft_of_a_file_that_others_changed(store: Store) -> None:
    save(store, a_py=LINES)
    draft(store, "a.py", LINES.replace("line 1\n", "mine\n"))
    theirs = save(store, a_py=LINES.replace("line 9\n", "theirs\n"))

    found = reviewed(store, "a.py")

    assert (found.meanwhile, found.theirs and found.theirs.id) == ("changed", theirs)
    assert [part.kind for part in found.parts] == ["same", "mine", "same", "theirs", "same"]


def test_draft_that_says_what_others_saved(store: Store) -> None:
    save(store, a_py="1\n")
    draft(store, "a.py", "2\n")
    save(store, a_py="2\n")

    assert reviewed(store, "a.py").meanwhile == "nothing"


def test_draft_of_a_renamed_file_moves_and_merges(store: Store) -> None:
    save(store, a_py=LINES)
    draft(store, "a.py", LINES.replace("line 1\n", "mine\n"))
    save(store, a_py=None, b_py=LINES.replace("line 9\n", "theirs\n"))
    gone = reviewed(store, "a.py")

    dag_review.move(store, "ada", "a.py", "b.py")
    found = reviewed(store, "b.py")

    assert (gone.meanwhile, gone.renamed_to) == ("renamed", "b.py")
    assert dag_drafts.get(store, "ada", "a.py") is None
    assert [part.kind for part in found.parts] == ["same", "mine", "same", "theirs", "same"]


def test_draft_does_not_move_over_another(store: Store) -> None:
    save(store, a_py=LINES)
    draft(store, "a.py", "mine")
    draft(store, "b.py", "other")

    with pytest.raises(ConflictError):
        dag_review.move(store, "ada", "a.py", "b.py")
    with pytest.raises(NotFoundError):
        dag_review.move(store, "ada", "no.py", "b.py")

    assert reviewed(store, "a.py").mine == "mine"


@pytest.mark.parametrize(
    ("theirs", "meanwhile"),
    [pytest.param(None, "deleted", id="deleted"), pytest.param(b"\0", "binary", id="binary")],
)
def test_draft_of_a_file_that_is_no_text_any_more(theirs: bytes | None, meanwhile: str, store: Store) -> None:
    save(store, a_py="1\n")
    draft(store, "a.py", "2\n")
    save(store, a_py=theirs)

    assert reviewed(store, "a.py").meanwhile == meanwhile


def test_draft_from_a_version_that_is_not_known(store: Store) -> None:
    save(store, a_py="1\n")
    dag_drafts.put(store, "ada", "a.py", base="0" * 40, content="2\n")

    found = reviewed(store, "a.py")

    assert (found.meanwhile, [part.kind for part in found.parts]) == ("changed", ["clash"])


def test_saved_draft_is_dropped_unless_it_went_on(store: Store) -> None:
    draft(store, "a.py", "1\n")
    revision = reviewed(store, "a.py").revision
    draft(store, "a.py", "2\n")

    dag_review.drop_saved(store, "ada", "a.py", "1\n", revision)
    kept = dag_drafts.get(store, "ada", "a.py")
    dag_review.drop_saved(store, "ada", "a.py", "2\n", "")

    assert kept is not None
    assert dag_drafts.get(store, "ada", "a.py") is None


def test_half_a_character_is_told_with_its_line() -> None:
    with pytest.raises(InvalidError, match='Line 2 of "a.py"'):
        dag_review.encoded("a.py", "a\n\ud800")
