"""Which files were written for an older Airflow: those that the upgrade would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from couture_workflow.services.gate import progress
from couture_workflow.services.gate.problems import Problem
from couture_workflow.services.upgrade import apart as upgrade_apart
from couture_workflow.services.upgrade.upgrading import looks_old

#: Names of ruff's rules about what Airflow 3 has no more.
_RULES = ("AIR301", "AIR302")
#: Files after which somebody who waits is told how far it is.
_PART = 25


def problems(
    texts: Mapping[str, str], found: Sequence[Problem], *, hurry: bool, told: progress.Told
) -> Iterator[Problem]:
    """Iterate over the files that the upgrade would change.

    :param texts: by path.
    :param found: what ruff says of them.
    :param hurry: leave out files for which there is no time: a person waits for a page.
    """
    places = {problem.path: problem for problem in reversed(found) if problem.code in _RULES}
    asked = [(path, text) for path, text in texts.items() if path in places or looks_old(text)]
    part = max(len(asked), 1) if hurry else _PART
    for start in range(0, len(asked), part):
        some = asked[start : start + part]
        answers = zip(some, upgrade_apart.would_change(some, hurry=hurry), strict=True)
        told("compared with Airflow 3", start + len(some), len(asked))
        yield from (_problem(path, places.get(path)) for (path, _), changes in answers if changes)


def _problem(path: str, at: Problem | None) -> Problem:
    place = (at.line, at.column, at.end_line, at.end_column) if at else (0, 0, 0, 0)
    return Problem(
        "warning",
        "old-dag",
        "The file has parts that were written for an older Airflow.",
        path,
        *place,
        advice="Upgrade this file: that rewrites them, and shows you what it did.",
    )
