"""Inside the sandbox: parse a DAG file as Airflow's DAG processor does, and tell what is in it."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from couture_workflow.patches import dag_parsing

#: What DAG files import most, loaded once.
PRELOADED = (
    "airflow.dag_processing.dagbag",
    "airflow.dag_processing.importers.python_importer",
    "airflow.models.dag",
    "airflow.sdk.bases.hook",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.io",
    "airflow.serialization.serialized_objects",
    "airflow.timetables.trigger",
    "airflow.providers.standard.operators.bash",
    "airflow.providers.standard.operators.empty",
    "airflow.providers.standard.operators.latest_only",
    "airflow.providers.standard.operators.python",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.sensors.external_task",
    "airflow.providers.standard.sensors.filesystem",
    "couture_workflow.operators",
    "couture_workflow.operators.dag",
    "couture_workflow.operators.spark",
    "couture_workflow.services.gate.sandbox_answers",
    "couture_workflow.services.gate.sandbox_graph",
    "couture_workflow.services.files.uses",
    "airflow.decorators",
    "encodings.idna",
    "pendulum",
    "requests",
    "yaml",
)

_FRAMES = 20
_LONGEST = 2000


def preload() -> None:
    """Import what nearly every DAG file needs; whatever is not installed is left out."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import airflow.sdk

        for name in PRELOADED:
            try:
                __import__(name)
            except ImportError:
                continue
        for name in ("DAG", "dag", "task", "task_group", "Asset", "Param", "Label", "Variable", "Connection"):
            getattr(airflow.sdk, name)
        dag_parsing.look()


def run(question: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a question: ``{"tree": folder, "list": True}`` or ``{"tree": folder, "path": file, ...}``."""
    sys.dont_write_bytecode = True
    tree = os.path.realpath(question["tree"])
    if question.get("list"):
        return {"files": _dag_files(tree)}
    if data := question.get("data"):
        return {"problems": [problem for path in data if (problem := _data_problem(tree, path))]}
    return _parse(tree, str(question["path"]), question)


def _dag_files(tree: str) -> list[str]:
    """Return the files that Airflow would parse, ``.airflowignore`` and its safe mode respected."""
    from airflow.configuration import conf
    from airflow.dag_processing.importers.python_importer import PythonDagImporter

    safe = conf.getboolean("core", "dag_discovery_safe_mode", fallback=True)
    found = PythonDagImporter().list_dag_files(tree, safe_mode=safe)
    return sorted(os.path.relpath(path, tree) for path in found)


def _data_problem(tree: str, path: str) -> dict[str, Any] | None:
    """Return what is wrong with the syntax of a YAML or JSON file; one with templates in it is left alone."""
    import yaml

    try:
        text = Path(tree, path).read_text(encoding="utf-8")
        if "{{" in text or "{%" in text:
            return None
        if path.endswith(".json"):
            json.loads(text)
        else:
            for _ in yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.Loader)):
                pass
    except json.JSONDecodeError as error:
        return {"path": path, "line": error.lineno, "message": f"This is not JSON: {error.msg}."}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return {"path": path, "line": line, "message": f"This is not YAML: {error.problem}."}
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        return {"path": path, "line": 0, "message": f"This cannot be read: {error}."}
    return None


def _parse(tree: str, path: str, question: Mapping[str, Any]) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import BundleDagBag

    from couture_workflow.services.gate import sandbox_answers, sandbox_graph

    recorder = _Recorder(tree)
    recorder.install()
    asked = sandbox_answers.install(question)
    file = str(Path(tree, path))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        bag = BundleDagBag(
            dag_folder=file,
            bundle_path=Path(tree),
            bundle_name=question.get("bundle", "dags"),
            load_op_links=False,
        )
    found: list[dict[str, Any]] = []
    for dag in bag.dags.values():
        try:
            found.append(sandbox_graph.described(dag, path=path, origin=recorder.origin))
        except Exception as error:  # noqa: BLE001 (whatever the file's own objects raise)
            recorder.errors.append(recorder.told(error))
    if not recorder.errors:  # found by Airflow after the file was run: cycles, wrong settings
        for text in bag.import_errors.values():
            kind, _, message = text.partition(": ")
            frames = recorder.dag_places(message)
            recorder.errors.append({"type": kind, "message": message[:_LONGEST], "frames": frames})
    return {
        "dags": found,
        "errors": recorder.errors,
        "warnings": list(recorder.warnings(caught)),
        "reads": sorted(path for path in recorder.reads if "__pycache__" not in path),
        "asked": asked,
    }


class _Recorder:
    """Notes where in the tree things come from: tasks, DAGs, errors; and what of it is read."""

    def __init__(self, tree: str) -> None:
        self.tree = f"{tree}/"
        self.errors: list[dict[str, Any]] = []
        self.reads: set[str] = set()
        self._places: dict[int, tuple[str, int]] = {}
        self._kept: list[object] = []  # so that no id is used twice

    def install(self) -> None:
        """Start to note."""
        dag_parsing.observe(failed=self._failed, made=self._note, circular=self._name_cycle)
        sys.addaudithook(self._audit)

    def origin(self, thing: object) -> tuple[str, int]:
        """Return the file and line that made a task or DAG, ("", 0) if that is not known."""
        return self._places.get(id(thing), ("", 0))

    def dag_places(self, message: str) -> list[list[Any]]:
        """Return the place of the DAG that a message names, of the first DAG if it names none."""
        from airflow.sdk import DAG

        dags = [thing for thing in self._kept if isinstance(thing, DAG)]
        named = [dag for dag in dags if str(getattr(dag, "dag_id", "")) in message.split()]
        return [list(self.origin(dag)) for dag in (named or dags)[:1]]

    def _failed(self, error: BaseException) -> None:
        self.errors.append(self.told(error))

    def _note(self, thing: object) -> None:
        if id(thing) not in self._places:
            self._kept.append(thing)
            self._places[id(thing)] = self._caller()

    def _name_cycle(self, dag: Any, error: BaseException) -> None:
        """Name all tasks of a cycle, where Airflow names one."""
        if way := cycle({task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}):
            told = self.told(error)
            told["message"] = f"The tasks of the DAG {dag.dag_id} wait for each other: {' → '.join(way)}"
            told["frames"] = [list(self.origin(dag.get_task(way[0])))]
            self.errors.append(told)

    def _caller(self) -> tuple[str, int]:
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_filename.startswith(self.tree):
                return self._relative(frame.f_code.co_filename), frame.f_lineno
            frame = frame.f_back  # type: ignore[assignment]
        return "", 0

    def _relative(self, path: str) -> str:
        return path.removeprefix(self.tree)

    def _audit(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open" or (event in ("os.listdir", "os.scandir") and not _by_import()):
            name = given[0]
            if isinstance(name, str | bytes | os.PathLike):
                path = os.path.normpath(Path.cwd() / os.fsdecode(name))
                if f"{path}/".startswith(self.tree):
                    self.reads.add(self._relative(path) if event == "open" else f"{path}/"[len(self.tree) :])

    def told(self, error: BaseException) -> dict[str, Any]:
        """Return what an error says, and its lines in the tree, innermost last."""
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
        return found

    def _frames(self, error: BaseException) -> Iterator[list[Any]]:
        lines = traceback.extract_tb(error.__traceback__)
        inside = [line for line in lines if line.filename.startswith(self.tree)]
        for line in inside[-_FRAMES:]:
            yield [self._relative(line.filename), line.lineno or 0]

    def _shown(self, text: str) -> str:
        return text.replace(self.tree, "")[:_LONGEST]

    def warnings(self, caught: list[warnings.WarningMessage]) -> Iterator[dict[str, Any]]:
        """Iterate over the warnings that the tree itself is the cause of."""
        for each in caught[:200]:
            if each.filename.startswith(self.tree):
                yield {
                    "path": self._relative(each.filename),
                    "line": each.lineno,
                    "type": each.category.__name__,
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
