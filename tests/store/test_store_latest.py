"""What is kept from one question to the next: the answers of the last one, and only while they are small."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from couture_workflow.store import latest
from couture_workflow.store.latest import Latest


class Asked:
    """Answers with the length of a key, and notes what it was asked for."""

    def __init__(self) -> None:
        self.kept: Latest[str, int] = Latest(lambda key, _: len(key))
        self.keys: list[str] = []

    def __call__(self, *keys: str) -> dict[str, int]:
        return self.kept.of(keys, self._missing)

    def _missing(self, keys: list[str]) -> Iterator[tuple[str, int]]:
        self.keys += keys
        return ((key, len(key)) for key in keys if key != "unknown")


def test_only_what_the_last_question_did_not_have_is_worked_out() -> None:
    asked = Asked()

    assert asked("a", "bb", "a") == {"a": 1, "bb": 2}
    assert asked("bb", "ccc") == {"bb": 2, "ccc": 3}
    assert asked("a", "ccc") == {"a": 1, "ccc": 3}
    assert asked.keys == ["a", "bb", "ccc", "a"]


def test_what_has_no_answer_is_left_out_and_asked_for_again() -> None:
    asked = Asked()

    assert asked("a", "unknown") == asked("unknown", "a") == {"a": 1}
    assert asked.keys == ["a", "unknown", "unknown"]


def test_too_much_is_answered_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "LARGEST", 3)
    asked = Asked()

    assert asked("aa", "bb") == asked("aa", "bb") == {"aa": 2, "bb": 2}
    assert asked.keys == ["aa", "bb", "aa", "bb"]


def test_an_error_keeps_what_was_known() -> None:
    asked = Asked()
    asked("a")

    def failing(_keys: list[str]) -> Iterator[tuple[str, int]]:
        raise OSError("no answer")

    with pytest.raises(OSError, match="no answer"):
        asked.kept.of(["a", "b"], failing)

    assert asked("a") == {"a": 1}
    assert asked.keys == ["a"]
