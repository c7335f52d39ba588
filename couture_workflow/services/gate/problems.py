"""What the save gate finds, and what it has to know: plain data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from couture_workflow.services.gate.graph import DagGraph

Level = Literal["error", "warning", "note"]

_ORDER: dict[str, int] = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Problem:
    """One finding.

    :param level: an error blocks a save, a warning does not, a note is for information.
    :param code: what kind it is, such as "syntax", "import", "duplicate-dag" or ruff's "AIR301".
    :param path: the file at fault, "" if it is none in particular.
    :param line: 1 for the first line, 0 if the whole file is meant.
    :param column: 1 for the first column, 0 if the whole line is meant.
    :param end_line: last line of the place, 0 if only its start is known.
    :param end_column: column behind the place.
    :param advice: what to do about it, "" if the message says it.
    """

    level: Level
    code: str
    message: str
    path: str = ""
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    advice: str = ""

    def json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Report:
    """All that a check found, errors first, and the DAGs of the files that it parsed."""

    problems: tuple[Problem, ...] = ()
    graphs: tuple[DagGraph, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return what blocks a save."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Return what should be looked at."""
        return tuple(problem for problem in self.problems if problem.level == "warning")

    @property
    def passed(self) -> bool:
        """Tell whether nothing blocks a save."""
        return not self.errors

    def json(self) -> dict[str, Any]:
        """Return it as a JSON object: ``passed``, ``problems``, ``graphs``."""
        return {
            "passed": self.passed,
            "problems": [problem.json() for problem in self.problems],
            "graphs": [graph.json() for graph in self.graphs],
        }


@dataclass(frozen=True)
class Waiting:
    """A task that unfinished runs still have to do.

    :param runs: how many of them.
    :param pinned: whether they keep the version of the DAG that they started with.
    """

    dag_id: str
    task: str
    runs: int
    pinned: bool


@dataclass(frozen=True)
class Known:
    """What is known of the Airflow that the files are meant for.

    :param variables: value of each variable, None if they are not known. Files are shown only those whose
        name stands in them.
    :param connections: ids of the connections, None if they are not known.
    :param pools: slots of each pool (-1: without limit), None if they are not known.
    :param database: what Airflow's database is, such as "mysql"; "" if that is not known.
    :param dag_ids: id of each DAG of other bundles -> where it is defined, in words.
    :param waiting: tells of some DAGs what their unfinished runs still have to do; None: nobody knows.
    :param complete: whether there are no others; a secrets backend cannot be asked for a list.
    """

    variables: Mapping[str, str] | None = None
    connections: frozenset[str] | None = None
    pools: Mapping[str, int] | None = None
    database: str = ""
    dag_ids: Mapping[str, str] = field(default_factory=dict)
    waiting: Callable[[Collection[str]], Iterable[Waiting]] | None = None
    complete: bool = True


def ordered(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems, each once: errors first, then by place."""
    return tuple(
        sorted(
            dict.fromkeys(problems),
            key=lambda each: (_ORDER[each.level], each.path, each.line, each.column, each.code),
        )
    )
