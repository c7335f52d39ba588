"""Three-way merge of texts by lines, as ``git merge-file`` does it, in parts that people can choose from."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.store.git_process import Git

_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """Some lines of a merge.

    :param kind: "same" (nobody changed them), "mine", "theirs" (who did), "both" (in one way) or "clash".
    :param base: the lines before, each with its end.
    """

    kind: str
    base: str
    mine: str
    theirs: str

    @property
    def result(self) -> str:
        """Return the merged lines; of a clash: mine."""
        return self.theirs if self.kind == "theirs" else self.mine


@dataclass(frozen=True)
class _Hunk:
    """Lines ``start`` to ``end`` of the base, counted from 0, became ``added`` more lines than they were."""

    start: int
    end: int
    added: int


def merge(git: Git, base: str, mine: str, theirs: str) -> tuple[Part, ...]:
    """Merge what two people made of a text.

    :param git: of any repository; its git compares the texts.
    """
    texts = {"base": base, "mine": mine, "theirs": theirs}
    encoded = {name: text.encode("utf-8", "surrogatepass") for name, text in texts.items()}
    lines = {name: _lines(text) for name, text in texts.items()}
    with tempfile.TemporaryDirectory(prefix="couture-merge-") as folder:
        for name, content in encoded.items():
            (Path(folder) / name).write_bytes(content)
        ours, others = (_hunks(git, Path(folder), name) for name in ("mine", "theirs"))
    return tuple(_present(_parts(lines["base"], lines["mine"], lines["theirs"], ours, others)))


def clashes(parts: Sequence[Part]) -> int:
    """Return how many parts need a person."""
    return sum(part.kind == "clash" for part in parts)


def _lines(text: str) -> list[str]:
    """Return the lines as git counts them: only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _hunks(git: Git, folder: Path, name: str) -> list[_Hunk]:
    command = ("diff", "--no-index", "--text", "--no-color", "--no-ext-diff", "--no-textconv", "-U0")
    output = git.run(*command, "--no-indent-heuristic", "--", "base", name, folder=folder, accept=(0, 1))
    found = []
    for old, old_count, _, new_count in _HUNK.findall(output):
        count = int(old_count or 1)
        start = int(old) - (count > 0)  # of an insertion git names the line before
        found.append(_Hunk(start, start + count, int(new_count or 1) - count))
    return found


def _parts(
    base: Sequence[str],
    mine: Sequence[str],
    theirs: Sequence[str],
    ours: Sequence[_Hunk],
    others: Sequence[_Hunk],
) -> Iterator[Part]:
    done = shift_mine = shift_theirs = 0  # lines of the base that are dealt with; where the others' lines are
    for start, end, in_mine, in_theirs in _clusters(ours, others):
        yield _part("same", base[done:start], base[done:start], base[done:start])
        more_mine, more_theirs = sum(h.added for h in in_mine), sum(h.added for h in in_theirs)
        my_lines = mine[start + shift_mine : end + shift_mine + more_mine]
        their_lines = theirs[start + shift_theirs : end + shift_theirs + more_theirs]
        if in_mine and in_theirs:
            yield from _both(base[start:end], my_lines, their_lines)
        else:
            yield _part("mine" if in_mine else "theirs", base[start:end], my_lines, their_lines)
        done, shift_mine, shift_theirs = end, shift_mine + more_mine, shift_theirs + more_theirs
    yield _part("same", base[done:], base[done:], base[done:])


def _clusters(
    ours: Sequence[_Hunk], others: Sequence[_Hunk]
) -> Iterator[tuple[int, int, list[_Hunk], list[_Hunk]]]:
    """Give the stretches of the base that changed; changes that touch each other are one."""
    hunks = sorted(
        [(h.start, h.end, 0, h) for h in ours] + [(h.start, h.end, 1, h) for h in others], key=_place
    )
    while hunks:
        start, end, *_ = hunks[0]
        sides: tuple[list[_Hunk], list[_Hunk]] = ([], [])
        while hunks and hunks[0][0] <= end:
            _, until, side, hunk = hunks.pop(0)
            sides[side].append(hunk)
            end = max(end, until)
        yield start, end, *sides


def _place(item: tuple[int, int, int, _Hunk]) -> tuple[int, int, int]:
    return item[:3]


def _both(base: Sequence[str], mine: Sequence[str], theirs: Sequence[str]) -> Iterator[Part]:
    """Split what both changed into lines that they agree on, at start and end, and the clash between."""
    if mine == theirs:
        yield _part("both", base, mine, theirs)
        return
    shortest = min(len(mine), len(theirs))
    head = next((i for i in range(shortest) if mine[i] != theirs[i]), shortest)
    room = shortest - head
    tail = next((i for i in range(room) if mine[-1 - i] != theirs[-1 - i]), room)
    yield _part("both", (), mine[:head], mine[:head])
    yield _part("clash", base, mine[head : len(mine) - tail], theirs[head : len(theirs) - tail])
    yield _part("both", (), mine[len(mine) - tail :], mine[len(mine) - tail :])


def _part(kind: str, base: Sequence[str], mine: Sequence[str], theirs: Sequence[str]) -> Part:
    return Part(kind, "".join(base), "".join(mine), "".join(theirs))


def _present(parts: Iterator[Part]) -> Iterator[Part]:
    return (part for part in parts if part.base or part.mine or part.theirs)
