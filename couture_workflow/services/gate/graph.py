"""What a DAG consists of, as plain data: read by a sandboxed parse, drawn by pages, compared by review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class GraphTask:
    """One task of a DAG.

    :param label: its id without the prefixes of its groups.
    :param operator: name of its class, such as "CoutureSparkOperator".
    :param group: id of the task group that it is in, "" for none.
    :param mapped: whether it is expanded into several at run time.
    :param child: id of the DAG that it triggers, "" if it triggers none or a template says which.
    :param line: line of the DAG file or module that made it, 0 if that is not known.
    :param path: the file of that line.
    :param arguments: what differs from an operator's defaults, as short texts.
    """

    id: str
    label: str
    operator: str
    group: str = ""
    trigger_rule: str = "all_success"
    mapped: bool = False
    child: str = ""
    line: int = 0
    path: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DagGraph:
    """One DAG of a file.

    :param path: the DAG file.
    :param schedule: as a person would write it: a cron line, "asset ...", "none" for no schedule.
    :param parameters: default of each parameter, as JSON.
    :param edges: (upstream task, downstream task).
    :param groups: id of a task group -> id of the group that it is in, "" for none.
    :param settings: start date, catchup, limits and so on, as short texts.
    :param line: line of the file that made it, 0 if that is not known.
    """

    dag_id: str
    path: str
    schedule: str = "none"
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    tasks: tuple[GraphTask, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    line: int = 0

    def json(self) -> dict[str, Any]:
        """Return what ``graph_of`` reads."""
        return asdict(self)


def graph_of(data: object) -> DagGraph:
    """Read a graph; whatever is not of the expected kind is read as text or left out.

    :param data: from JSON; it may come from a hostile process.
    """
    found = _mapping(data)
    edges = [edge for edge in _sequence(found.get("edges")) if len(_sequence(edge)) == 2]
    return DagGraph(
        dag_id=_text(found.get("dag_id")),
        path=_text(found.get("path")),
        schedule=_text(found.get("schedule", "none")),
        parameters=_texts(found.get("parameters")),
        tags=tuple(map(_text, _sequence(found.get("tags")))),
        owners=tuple(map(_text, _sequence(found.get("owners")))),
        tasks=tuple(map(_task_of, _sequence(found.get("tasks")))),
        edges=tuple((_text(edge[0]), _text(edge[1])) for edge in edges),
        groups=_texts(found.get("groups")),
        settings=_texts(found.get("settings")),
        line=_number(found.get("line")),
    )


def _task_of(data: object) -> GraphTask:
    found = _mapping(data)
    return GraphTask(
        id=_text(found.get("id")),
        label=_text(found.get("label")),
        operator=_text(found.get("operator")),
        group=_text(found.get("group")),
        trigger_rule=_text(found.get("trigger_rule", "all_success")),
        mapped=found.get("mapped") is True,
        child=_text(found.get("child")),
        line=_number(found.get("line")),
        path=_text(found.get("path")),
        arguments=_texts(found.get("arguments")),
    )


def _mapping(data: object) -> dict[str, Any]:
    return data if isinstance(data, dict) else {}


def _sequence(data: object) -> list[Any]:
    return data if isinstance(data, list) else []


def _texts(data: object) -> dict[str, str]:
    return {_text(key): _text(value) for key, value in _mapping(data).items()}


def _text(data: object) -> str:
    """Return text that can be written as UTF-8, whatever it was."""
    text = data if isinstance(data, str) else "" if data is None else str(data)
    return text.encode("utf-8", "replace").decode()


def _number(data: object) -> int:
    return data if isinstance(data, int) and not isinstance(data, bool) and 0 <= data < 2**31 else 0
