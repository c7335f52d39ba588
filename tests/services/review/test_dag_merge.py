"""Three-way merges: the same as git's own, and parts that put all three texts together again."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from couture_workflow.services.review.merge import Part, clashes, merge
from couture_workflow.store.home import Store


def by_git(folder: Path, base: str, mine: str, theirs: str) -> str | None:
    """Return what git merges, None if it finds a clash."""
    for name, text in {"base": base, "mine": mine, "theirs": theirs}.items():
        (folder / name).write_bytes(text.encode())
    command = ["git", "merge-file", "-p", "--diff3", "mine", "base", "theirs"]
    done = subprocess.run(command, cwd=folder, capture_output=True)
    assert done.returncode < 128
    return done.stdout.decode() if done.returncode == 0 else None


def test_changes_in_different_places_are_merged(store: Store) -> None:
    parts = merge(store.dags.git, "a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\ne\n")

    assert parts == (
        Part("mine", "a\n", "A\n", "a\n"),
        Part("same", "b\nc\n", "b\nc\n", "b\nc\n"),
        Part("theirs", "d\n", "d\n", "D\ne\n"),
    )
    assert "".join(part.result for part in parts) == "A\nb\nc\nD\ne\n"


def test_clash_is_as_small_as_it_can_be(store: Store) -> None:
    parts = merge(store.dags.git, "a\nb\nz\n", "a\nx\n1\ny\nz\n", "a\nx\n2\ny\nz\n")

    assert parts == (
        Part("same", "a\n", "a\n", "a\n"),
        Part("both", "", "x\n", "x\n"),
        Part("clash", "b\n", "1\n", "2\n"),
        Part("both", "", "y\n", "y\n"),
        Part("same", "z\n", "z\n", "z\n"),
    )


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "expected"),
    [
        pytest.param("a\n", "b\n", "b\n", [("both", "b\n")], id="the same change"),
        pytest.param("", "a\n", "b\n", [("clash", "a\n")], id="both added the file"),
        pytest.param("a\n", "", "a\nb\n", [("clash", "")], id="deleted and added to"),
        pytest.param("a", "a\nb", "a", [("mine", "a\nb")], id="no end of line at the end"),
        pytest.param(
            "a\r\nb\r\n", "a\r\nB\r\n", "a\r\nb\r\n", [("same", "a\r\n"), ("mine", "B\r\n")], id="crlf"
        ),
        pytest.param("\x0c\u2028a\n", "\x0c\u2028a\n", "b\n", [("theirs", "b\n")], id="other ends of lines"),
        pytest.param("<<<<<<< mine\n", "=======\n", "<<<<<<< mine\n", [("mine", "=======\n")], id="markers"),
        pytest.param("a\n", "\ud800\n", "a\n", [("mine", "\ud800\n")], id="half a character"),
        pytest.param("", "", "", [], id="nothing"),
    ],
)
def test_odd_texts(base: str, mine: str, theirs: str, expected: list[tuple[str, str]], store: Store) -> None:
    assert [(part.kind, part.result) for part in merge(store.dags.git, base, mine, theirs)] == expected


@pytest.mark.parametrize("seed", range(60))
def test_merges_as_git_does(seed: int, store: Store, tmp_path: Path) -> None:
    chance = random.Random(seed)
    words = [f"{letter}\n" for letter in ("abcdefghijklmnop" if seed % 2 else "abc")]

    def edited(lines: list[str]) -> list[str]:
        lines = list(lines)
        for _ in range(chance.randint(0, 3)):
            at = chance.randint(0, len(lines))
            lines[at : at + chance.randint(0, 2)] = chance.choices(words, k=chance.randint(0, 2))
        return lines

    base = chance.choices(words, k=chance.randint(0, 14))
    texts = ["".join(lines) for lines in (base, edited(base), edited(base))]

    parts = merge(store.dags.git, *texts)

    assert ["".join(p) for p in zip(*((p.base, p.mine, p.theirs) for p in parts), strict=True)][1:] == (
        texts[1:] if parts else []
    )
    result = "".join(part.result for part in parts)
    assert (result if clashes(parts) == 0 else None) == by_git(tmp_path, *texts)
