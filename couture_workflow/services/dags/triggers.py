"""Which DAG runs which other, and that none runs itself in the end.

Each file that is parsed leaves a note of the DAGs in it that run others, so that the parse of another file
can see a loop that goes through several. A note counts only while its file is as it was when it was parsed,
so what a deleted or changed file used to do stands in nobody's way. Of the DAGs of a loop the one that is
parsed first is accepted; the one that closes the loop is refused, and accepted as soon as the loop is open.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from couture_workflow.store import atomic

#: Task and the DAG that it runs.
Call = tuple[str, str]

_VERSION = 1
#: DAGs whose loops are told.
_MOST_LOOPS = 20


@dataclass(frozen=True)
class File:
    """A DAG file as it was parsed.

    :param root: folder of the DAG bundle.
    :param path: of the file, below ``root``.
    :param digest: of its content, "" if it cannot be read.
    """

    root: str
    path: str
    digest: str

    @classmethod
    def at(cls, root: Path, path: str) -> File:
        """Return a file as it is now."""
        return cls(str(root), path, _digest(root / path))

    def is_current(self) -> bool:
        """Tell whether the file is still the one that was parsed."""
        return bool(self.digest) and _digest(Path(self.root) / self.path) == self.digest


@dataclass(frozen=True)
class Note:
    """What the DAGs of one file run.

    :param calls: DAG -> its calls.
    :param refused: the DAGs that were not accepted.
    """

    file: File
    calls: Mapping[str, tuple[Call, ...]]
    refused: tuple[str, ...] = ()

    def accepted(self) -> dict[str, tuple[Call, ...]]:
        """Return the calls that count for others."""
        return {dag_id: calls for dag_id, calls in self.calls.items() if dag_id not in self.refused}


def loops(calls: Mapping[str, Collection[Call]]) -> list[tuple[Call, ...]]:
    """Return every loop once, as (dag, task) steps that begin at the DAG whose id comes first.

    One loop is told for each DAG that is in one: the shortest; of a great many, those of the first DAGs.
    """
    children = {dag_id: {child for _, child in of} for dag_id, of in calls.items()}
    found: dict[frozenset[str], tuple[Call, ...]] = {}
    for dag_id in sorted(_knotted(children))[:_MOST_LOOPS]:
        if loop := loop_of(dag_id, calls):
            found.setdefault(frozenset(step[0] for step in loop), loop)
    return list(found.values())


def _knotted(children: Mapping[str, set[str]]) -> set[str]:
    """Return the DAGs that are in a loop or between two: what is left when ends are taken away."""
    parents: dict[str, set[str]] = defaultdict(set)
    for dag_id, below in children.items():
        for child in below:
            parents[child].add(dag_id)
    left = _led_to(children.keys() | parents.keys(), children, parents)
    return _led_to(left, parents, children)


def _led_to(
    dag_ids: Set[str], forth: Mapping[str, Iterable[str]], back: Mapping[str, Collection[str]]
) -> set[str]:
    """Return what is left when whatever nothing leads to is taken away, again and again."""
    left = set(dag_ids)
    count = {dag_id: sum(1 for each in back.get(dag_id, ()) if each in left) for dag_id in left}
    waiting = [dag_id for dag_id in left if not count[dag_id]]
    while waiting:
        gone = waiting.pop()
        left.discard(gone)
        for each in forth.get(gone, ()):
            if each in left:
                count[each] -= 1
                if not count[each]:
                    waiting.append(each)
    return left


def loop_of(dag_id: str, calls: Mapping[str, Iterable[Call]]) -> tuple[Call, ...]:
    """Return the shortest way by which a DAG runs itself, as (dag, task) steps; () if it never does."""
    reached: dict[str, Call] = {}  # DAG -> the step by which it was reached first
    waiting = [dag_id]
    for current in waiting:
        for task_id, child in calls.get(current, ()):
            if child == dag_id:
                way = [(current, task_id)]
                while (step := way[-1][0]) != dag_id:
                    way.append(reached[step])
                return tuple(reversed(way))
            if child not in reached:
                reached[child] = (current, task_id)
                waiting.append(child)
    return ()


def sentence(loop: tuple[Call, ...]) -> str:
    """Return what a person reads about a loop."""
    first = loop[0][0]
    way = " -> ".join(f"{dag_id}.{task_id}" for dag_id, task_id in loop)
    return (
        f"DAG {first} would call itself: {way} -> {first}. Such runs would never end: let one of these tasks "
        "run another DAG, or remove it."
    )


def calls_of(dag: Any) -> tuple[Call, ...]:
    """Return what a DAG runs, as far as its file says so: templates are known only when it runs."""
    found = []
    for task in dag.tasks:
        partial = getattr(task, "partial_kwargs", {})
        for name in ("run_dag_id", "trigger_dag_id"):
            child = getattr(task, name, None) or partial.get(name)
            if isinstance(child, str) and child and "{{" not in child and "{%" not in child:
                found.append((str(task.task_id), child))
                break
    return tuple(found)


class Notes:
    """The notes of all files, in a folder of the home's cache."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> Iterator[Note]:
        """Return the notes that count: those of files that are as they were when they were parsed."""
        for path in sorted(self._folder.glob("*.json")):
            note = _read(path)
            if note and note.file.is_current():
                yield note

    def forget(self, file: File) -> None:
        """Drop the note of a file that was changed and in which no DAG runs another any more."""
        path = self._path(file)
        if path.is_file() and (note := _read(path)) and note.file.digest != file.digest:
            path.unlink(missing_ok=True)

    def admit(self, dag_id: str, calls: tuple[Call, ...], file: File) -> tuple[Call, ...]:
        """Note what a DAG runs; return the loop that it closes, () if it closes none.

        The note is written before the others are read: of two files that are parsed at once at least one sees
        the other.
        """
        known = _read(self._path(file)) if self._path(file).is_file() else None
        if known is None or known.file != file:
            known = Note(file, {})
        # As long as the file is the same, so is what was decided about its other DAGs, in whatever order
        # Airflow hands them over.
        others = tuple(refused for refused in known.refused if refused != dag_id)
        note = replace(known, calls={**known.calls, dag_id: calls}, refused=others)
        self._write(note)
        everything = dict(note.accepted())
        for other in self.all():
            if other.file != file:
                everything = {**other.accepted(), **everything}
        if loop := loop_of(dag_id, everything):
            self._write(replace(note, refused=(*others, dag_id)))
        return loop

    def _path(self, file: File) -> Path:
        name = hashlib.sha256(f"{file.root}\n{file.path}".encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"

    def _write(self, note: Note) -> None:
        document = {"version": _VERSION, **asdict(note)}
        content = json.dumps(document, sort_keys=True).encode()
        path = self._path(note.file)
        if not path.is_file() or path.read_bytes() != content:
            self._folder.mkdir(parents=True, exist_ok=True)
            atomic.write(path, content)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _read(path: Path) -> Note | None:
    try:
        stored = json.loads(path.read_bytes())
        if stored["version"] != _VERSION:
            return None
        calls = {dag: tuple((task, child) for task, child in pairs) for dag, pairs in stored["calls"].items()}
        return Note(File(**stored["file"]), calls, tuple(stored["refused"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # of another version, or deleted in this instant: its file is parsed again soon
