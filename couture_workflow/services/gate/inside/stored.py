"""Inside the sandbox: what Airflow keeps of a DAG, by its own way from a parsing process to the database.

That way has parts that refuse different things: the message from the process to its parent, the JSON column,
and the reading of it. A DAG that fails in the first or the last never appears, and nothing says why.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SHOWN = 60
#: Keys of a path that are kept: an argument is among the first.
_DEEP = 8
_LARGEST_SHOWN = 2**200
#: Numbers that Airflow also keeps in columns of whole numbers, and bytes of a text column of MySQL.
_DAG_NUMBERS = ("max_active_tasks", "max_active_runs", "max_consecutive_failed_dag_runs")
_TASK_NUMBERS = ("retries", "pool_slots")
_MOST_TEXT = 2**16 - 1
#: How deep JSON may be nested in MySQL, and how deep arguments of a DAG and of a task are already.
_DEEPEST, _DAG_DEPTH, _TASK_DEPTH = 100, 2, 5
#: Keys of the stored form that no person wrote.
_WRAPPERS = frozenset({"__var", "__type", "partial_kwargs", "expand_input", "value"})
_NAMES = {"timetable": "schedule"}
#: What the stored form has twice.
_REPEATED = frozenset({"task_group", "dag_dependencies", "edge_info"})


class NotStoredError(Exception):
    """Airflow could not store a DAG.

    :param task: the task at fault, "" if it is none.
    :param argument: the argument at fault, "" if that is not known.
    """

    def __init__(self, message: str, *, task: str = "", argument: str = "") -> None:
        super().__init__(message)
        self.task = task
        self.argument = argument


@dataclass(frozen=True)
class Culprit:
    """A value of a DAG that cannot be stored.

    :param what: what is wrong with it, the end of a sentence.
    :param task: the task that has it, "" for the DAG.
    :param argument: its argument.
    """

    what: str
    task: str
    argument: str

    def __str__(self) -> str:
        owner = f'the task "{self.task}"' if self.task else "the DAG"
        return f'The argument "{self.argument}" of {owner} holds {self.what}'


def stored(dag: Any) -> Mapping[str, Any]:
    """Return a DAG as Airflow stores it; raise ``NotStoredError`` or what Airflow raises if it cannot."""
    from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG

    try:
        data: Mapping[str, Any] = DagSerialization.to_dict(dag)
    except Exception as error:
        raise _not_serialized(dag, error) from error
    try:
        lazy = _sent(LazyDeserializedDAG(data=dict(data), last_loaded=dag.last_loaded))
    except RecursionError as error:
        raise _too_deep(dag) from error
    except (OverflowError, ValueError, TypeError, NotImplementedError) as error:
        for culprit in _culprits(data, _unsendable):
            raise NotStoredError(str(culprit), task=culprit.task, argument=culprit.argument) from error
        raise
    _read_back(dag, lazy)
    return data


def refused(data: Mapping[str, Any]) -> Iterator[tuple[Culprit, tuple[str, ...]]]:
    """Iterate over values that databases other than SQLite refuse, with the names of those that do.

    :param data: the DAG as Airflow stores it.
    """
    text = json.dumps(data)
    if "NaN" in text or "Infinity" in text:
        for culprit in _distinct(_culprits(data, _no_json)):
            yield culprit, ("mysql", "postgresql")
    if "\\u0000" in text:
        for culprit in _distinct(_culprits(data, _nul)):
            yield culprit, ("postgresql",)
    yield from _of_columns(data["dag"])
    if text.count("[") + text.count("{") > _DEEPEST and (deep := _deepest(data)):
        yield deep, ("mysql",)


def _distinct(culprits: Iterator[Culprit]) -> Iterator[Culprit]:
    yield from {(each.task, each.argument): each for each in culprits}.values()


def _of_columns(dag: Mapping[str, Any]) -> Iterator[tuple[Culprit, tuple[str, ...]]]:
    """Iterate over values that Airflow also keeps in columns of their own, and that do not fit."""
    rows: list[tuple[str, Mapping[str, Any], tuple[str, ...]]] = [("", dag, _DAG_NUMBERS)]
    rows += [
        (str(task.get("task_id", "")), task, _TASK_NUMBERS) for task in map(_fields, dag.get("tasks", ()))
    ]
    for task, fields, names in rows:
        for name in names:
            value = fields.get(name)
            if isinstance(value, int) and not -(2**31) <= value < 2**31:
                what = f"the number {value}. MySQL and PostgreSQL store it below 2**31 only."
                yield Culprit(what, task, name), ("mysql", "postgresql")
    size = len(str(dag.get("description") or "").encode("utf-8", "replace"))
    if size > _MOST_TEXT:
        yield Culprit(f"{size} bytes, and MySQL stores {_MOST_TEXT} of it.", "", "description"), ("mysql",)


def _deepest(data: Mapping[str, Any]) -> Culprit | None:
    """Return an argument that is nested deeper than MySQL's JSON may be."""
    dag = data["dag"]
    tasks = [(_fields(task), _TASK_DEPTH) for task in dag.get("tasks", ())]
    own = {name: value for name, value in dag.items() if name not in _REPEATED and name != "tasks"}
    for fields, depth in [(own, _DAG_DEPTH), *tasks]:
        for name, value in fields.items():
            if _depth(value) + depth > _DEEPEST:
                task = "" if fields is own else str(fields.get("task_id", ""))
                return Culprit(
                    f"a value that is nested deeper than MySQL stores it ({_DEEPEST}).", task, name
                )
    return None


def _depth(value: Any) -> int:
    """Return how deep a value is, as MySQL counts."""
    depth, level = 0, [value]
    while level:
        depth += 1
        parts = [each.values() if isinstance(each, dict) else each for each in level if _is_container(each)]
        level = [part for each in parts for part in each]
    return depth


def _is_container(value: Any) -> bool:
    return isinstance(value, dict | list | tuple)


def _fields(task: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = task.get("__var", task)
    return found


def _sent(lazy: Any) -> Any:
    """Return a DAG as the parent process gets it."""
    import msgspec
    from airflow.dag_processing.processor import DagFileParsingResult, DagFileProcessorProcess
    from airflow.sdk.execution_time.comms import _RequestFrame

    result = DagFileParsingResult(fileloc="", serialized_dags=[lazy])
    frame = _RequestFrame(id=0, body=result.model_dump()).as_bytes()
    received = msgspec.msgpack.decode(memoryview(frame)[4:], type=_RequestFrame)
    told: Any = DagFileProcessorProcess.decoder.validate_python(received.body)
    return told.serialized_dags[0]


def _read_back(dag: Any, lazy: Any) -> None:
    """Do what the parent process does before it writes, and what the scheduler does after that."""
    from airflow.exceptions import DeserializationError

    try:
        json.dumps(lazy.data, sort_keys=True)
        lazy.next_dagrun_info(last_automated_run_info=None)
    except RecursionError as error:
        raise _too_deep(dag) from error
    except (DeserializationError, OverflowError, ValueError, TypeError) as error:
        raise NotStoredError(
            f'Airflow cannot read the DAG "{dag.dag_id}" once it is stored: {_root(error)}'
        ) from error


def _not_serialized(dag: Any, error: Exception) -> Exception:
    """Return what is to be said of a DAG that Airflow does not serialize, and of which task it is."""
    from airflow.serialization.serialized_objects import OperatorSerialization

    if isinstance(_cause(error), RecursionError):
        return _too_deep(dag)
    for task in dag.tasks:
        with contextlib.suppress(Exception):  # whatever the file's own objects raise
            OperatorSerialization.serialize(task)
            continue
        return NotStoredError(
            f'Airflow cannot store the task "{task.task_id}": {_root(error)}', task=str(task.task_id)
        )
    return NotStoredError(f'Airflow cannot store the DAG "{dag.dag_id}": {_root(error)}')


def _too_deep(dag: Any) -> NotStoredError:
    return NotStoredError(f'The DAG "{dag.dag_id}" has values that are nested too deep for Airflow to store.')


def _cause(error: BaseException) -> BaseException:
    for _ in range(20):
        if error.__cause__ is None:
            break
        error = error.__cause__
    return error


def _root(error: BaseException) -> str:
    cause = _cause(error)
    text = str(getattr(cause, "message", "") or cause).strip().partition("\n")[0]
    return f"{type(cause).__name__}: {text}"


def _culprits(data: Mapping[str, Any], wrong: Callable[[Any], str]) -> Iterator[Culprit]:
    """Iterate over values of a stored DAG that something is wrong with.

    :param wrong: says what, "" if nothing.
    """
    dag = data.get("dag", {})
    waiting: list[tuple[tuple[str, ...], Any]] = []
    for task in dag.get("tasks", ()):
        fields = _fields(task)
        waiting += [(("", str(fields.get("task_id", "")), name), value) for name, value in fields.items()]
    ours = {name: value for name, value in dag.items() if name not in _REPEATED and name != "tasks"}
    waiting += [((name,), value) for name, value in ours.items()]  # looked at first: tasks repeat parameters
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            for name, part in value.items():
                below = (*path, str(getattr(name, "value", name))) if len(path) < _DEEP else path
                waiting += [(path, name), (below, part)]
        elif isinstance(value, list | tuple):
            waiting += [(path, part) for part in value]
        elif what := wrong(value):
            yield _culprit(path, what)


def _culprit(path: tuple[str, ...], what: str) -> Culprit:
    task, names = (path[1], path[2:]) if path[0] == "" else ("", path)
    argument = next((name for name in names if name not in _WRAPPERS), names[0])
    return Culprit(what, task, _NAMES.get(argument, argument))


def _unsendable(value: Any) -> str:
    from airflow.sdk.execution_time.comms import _RequestFrame

    try:
        _RequestFrame._encoder.encode(value)
    except OverflowError:
        number = str(value) if abs(value) < _LARGEST_SHOWN else f"with {value.bit_length()} bits"
        return f"the whole number {number}, and Airflow stores those from -2**63 to 2**64 - 1 only."
    except UnicodeEncodeError:
        return f"the text {ascii(value)[:_SHOWN]}, which has half a character in it (a lone surrogate)."
    except (NotImplementedError, ValueError, TypeError):
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        return f"an object of the type {kind}, and Airflow does not know how to store that."
    return ""


def _no_json(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"the number {value}, which is no JSON: MySQL and PostgreSQL do not store the DAG."
    return ""


def _nul(value: Any) -> str:
    if isinstance(value, str) and "\0" in value:
        return f"the text {ascii(value)[:_SHOWN]} with the character NUL: PostgreSQL does not store the DAG."
    return ""
