"""Inside the sandbox: notes where in a tree things come from: tasks, DAGs, errors; and what of it is read."""

from __future__ import annotations

import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from couture_workflow.patches import dag_parsing
from couture_workflow.services.gate.inside.loading import Loading
from couture_workflow.services.gate.inside.places import Place, Places, Span

_FRAMES = 20
#: A warning as Airflow keeps it: file, line, kind, message. It is raised once more as a ``UserWarning``.
_WARNING = re.compile(r"(.*?):(\d+): ([\w.]+): (.*)", re.DOTALL)
#: Characters of a message that are told.
LONGEST = 2000


class Recorder:
    """Notes where in the tree things come from: tasks, DAGs, errors; and what of it is read."""

    def __init__(self, tree: str) -> None:
        self.tree = f"{tree}/"
        self.errors: list[dict[str, Any]] = []
        self.reads: set[str] = set()
        self.registered: list[Any] = []
        self.texts: dict[int, list[Any]] = {}
        self._places: dict[int, tuple[str, int]] = {}
        self._spans: dict[int, Span | None] = {}
        self._source = Places(tree)
        self.loading = Loading(self.tree, self._source)
        self._kept: list[object] = []  # so that no id is used twice

    def install(self) -> None:
        """Start to note."""
        dag_parsing.observe(
            failed=self._failed,
            made=self._note,
            circular=self._name_cycle,
            registered=self.registered.append,
        )
        sys.addaudithook(self._audit)

    def origin(self, thing: object) -> tuple[str, int]:
        """Return the file and line that made a task or DAG, ("", 0) if that is not known."""
        return self._places.get(id(thing), ("", 0))

    def place(self, thing: object, *, names: Sequence[str] = (), text: str = "") -> Place | None:
        """Return where an argument of what made a task or DAG is.

        :param names: what it may be called.
        :param text: a text that it holds, for when none of the names is there.
        """
        path, span = self.origin(thing)[0], self._spans.get(id(thing))
        return self._source.argument(path, span, names=names, text=text)

    def dag_place(self, kind: str, message: str) -> dict[str, Any]:
        """Return the place of the DAG that a message names, of the first DAG if it names none."""
        from airflow.sdk import DAG

        dags = [thing for thing in self._kept if isinstance(thing, DAG)]
        named = [dag for dag in dags if str(getattr(dag, "dag_id", "")) in message.split()]
        for dag in (named or dags)[:1]:
            names = ["schedule"] if "Timetable" in kind else []
            return {"frames": [list(self.origin(dag))], "place": self.place(dag, names=names)}
        return {"frames": []}

    def _failed(self, error: BaseException) -> None:
        self.errors.append(self.told(error))

    def _note(self, thing: object) -> None:
        if id(thing) not in self._places:
            self._kept.append(thing)
            self._places[id(thing)], self._spans[id(thing)] = self._caller()

    def _name_cycle(self, dag: Any, error: BaseException) -> None:
        """Name all tasks of a cycle, where Airflow names one."""
        if way := cycle({task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}):
            told = self.told(error)
            told["message"] = f"The tasks of the DAG {dag.dag_id} wait for each other: {' → '.join(way)}"
            first = dag.get_task(way[0])
            told |= {"frames": [list(self.origin(first))], "place": self.place(first)}
            self.errors.append(told)

    def _caller(self) -> tuple[tuple[str, int], Span | None]:
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_filename.startswith(self.tree):
                place = self._relative(frame.f_code.co_filename), frame.f_lineno
                return place, self._source.running(frame)
            frame = frame.f_back  # type: ignore[assignment]
        return ("", 0), None

    def _relative(self, path: str) -> str:
        return path.removeprefix(self.tree)

    def _audit(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open" or (event in ("os.listdir", "os.scandir") and not _by_import()):
            name = given[0]
            if isinstance(name, str | bytes | os.PathLike):
                path = os.path.normpath(Path.cwd() / os.fsdecode(name))
                if f"{path}/".startswith(self.tree):
                    self.reads.add(self._relative(path) if event == "open" else f"{path}/"[len(self.tree) :])

    def told(self, error: BaseException, dag: Any = None) -> dict[str, Any]:
        """Return what an error says, and its lines in the tree, innermost last.

        :param dag: the DAG that it is about, if the file itself was run to its end.
        """
        found: dict[str, Any] = {
            "type": type(error).__name__,
            "module": type(error).__module__,
            "message": self._shown(_message(error)),
            "frames": list(self._frames(error)),
            "errno": getattr(error, "errno", None) if isinstance(error, OSError) else None,
            "name": getattr(error, "name", None) if isinstance(error, ImportError) else None,
        }
        if isinstance(error, SyntaxError) and error.filename and error.lineno:
            found["message"] = self._shown(str(error.msg))
            found["frames"].append([self._relative(str(error.filename)), error.lineno])
            found["column"] = error.offset or 0
        elif dag is not None:
            found.update(self._of_dag(error, dag))
        else:
            found["place"] = self._failing(error)
        return found

    def _of_dag(self, error: BaseException, dag: Any) -> dict[str, Any]:
        """Return where what an error is about was made: a task, or the DAG."""
        task, argument = getattr(error, "task", ""), getattr(error, "argument", "")
        thing = dag.task_dict.get(task, dag) if isinstance(task, str) else dag
        path, line = self.origin(thing)
        if not line:
            return {}
        return {"frames": [[path, line]], "place": self.place(thing, names=[argument])}

    def _failing(self, error: BaseException) -> Place | None:
        """Return the part of the innermost line in the tree that failed."""
        step, inside = error.__traceback__, None
        while step is not None:
            inside = step if step.tb_frame.f_code.co_filename.startswith(self.tree) else inside
            step = step.tb_next
        if inside is None:
            return None
        code = inside.tb_frame.f_code
        span = self._source.span(code, inside.tb_lasti)
        return self._source.failed(self._relative(code.co_filename), span, _message(error))

    def _frames(self, error: BaseException) -> Iterator[list[Any]]:
        lines = traceback.extract_tb(error.__traceback__)
        inside = [line for line in lines if line.filename.startswith(self.tree)]
        for line in inside[-_FRAMES:]:
            yield [self._relative(line.filename), line.lineno or 0]

    def _shown(self, text: str) -> str:
        return text.replace(self.tree, "")[:LONGEST]

    def warnings(
        self, caught: list[warnings.WarningMessage], kept: Iterable[str]
    ) -> Iterator[dict[str, Any]]:
        """Iterate over the warnings that the tree itself is the cause of.

        :param kept: what Airflow keeps of them, where it says of which kind each is.
        """
        told = [found.groups() for text in kept if (found := _WARNING.fullmatch(text))]
        kinds = {(path, int(line), message): kind for path, line, kind, message in told}
        for each in caught[:200]:
            if each.filename.startswith(self.tree):
                place = (each.filename, each.lineno, str(each.message))
                kind = kinds.get(place, each.category.__name__).rpartition(".")[2]
                yield {
                    "path": self._relative(each.filename),
                    "line": each.lineno,
                    "type": kind,
                    "message": self._shown(str(each.message)),
                }


def cycle(below: Mapping[str, list[str]]) -> list[str]:
    """Return a way from a task back to itself, [] if there is none."""
    done: set[str] = set()
    for start in below:
        way, waiting = [start], [iter(below[start])]
        while waiting:
            task = next(waiting[-1], None)
            if task is None:
                done.add(way.pop())
                waiting.pop()
            elif task in way:
                return [*way[way.index(task) :], task]
            elif task not in done:
                way.append(task)
                waiting.append(iter(below.get(task, ())))
    return []


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 (their own class, their own __str__)
        return ""


def _by_import() -> bool:
    """Tell whether a folder is listed by Python's own search for modules."""
    return sys._getframe(2).f_code.co_filename.startswith("<frozen importlib")
