"""Inside the sandbox: a DAG of Airflow's SDK as plain data, in the form of ``gate.graph``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Origin = Callable[[object], tuple[str, int]]

#: What a task's serialized form has beside its arguments.
_NOT_ARGUMENTS = frozenset(
    {
        "task_id",
        "task_type",
        "operator_name",
        "_task_module",
        "_is_mapped",
        "_is_sensor",
        "_is_empty",
        "_operator_extra_links",
        "_needs_expansion",
        "_can_skip_downstream",
        "_expand_input_attr",
        "downstream_task_ids",
        "label",
        "task_group",
        "template_ext",
        "template_fields",
        "template_fields_renderers",
        "ui_color",
        "ui_fgcolor",
        "start_trigger_args",
        "start_from_trigger",
        "is_setup",
        "params",
        "is_teardown",
    }
)
_SETTINGS = (
    "description",
    "start_date",
    "end_date",
    "catchup",
    "max_active_tasks",
    "max_active_runs",
    "max_consecutive_failed_dag_runs",
    "dagrun_timeout",
    "fail_fast",
    "is_paused_upon_creation",
    "render_template_as_native_obj",
)
#: Values that Airflow stores although nobody wrote them.
_DEFAULTS: Mapping[str, Any] = {"retry_delay": 300.0}
_CHILDREN = ("run_dag_id", "trigger_dag_id")
_LONGEST = 2000
_VARIABLE = re.compile(r"\bvar\.(?:value|json)\.(?:get\(\s*[\"']([\w.-]+)[\"']\s*\)|(?!get\()(\w+))")
_CONNECTION = re.compile(r"\bconn\.(\w+)")
_OPENING, _CLOSING = re.compile(r"\{[{%]"), re.compile(r"[}%]\}")


def described(dag: Any, stored: Mapping[str, Any], *, path: str, origin: Origin) -> dict[str, Any]:
    """Return a DAG.

    :param stored: the DAG as Airflow stores it.
    :param origin: tells the file and line that made a task or DAG.
    """
    fields = {each["task_id"]: each for each in (task.get("__var", task) for task in stored["dag"]["tasks"])}
    where, line = origin(dag)
    return {
        "dag_id": dag.dag_id,
        "path": path,
        "schedule": _schedule(dag),
        "parameters": {name: _text(dag.params.get_param(name).value) for name in dag.params},
        "tags": sorted(dag.tags),
        "owners": sorted({str(task.owner) for task in dag.tasks}),
        "tasks": [_task(task, fields.get(task.task_id, {}), origin) for task in dag.tasks],
        "edges": [[task.task_id, below] for task in dag.tasks for below in sorted(task.downstream_task_ids)],
        "groups": dict(_groups(dag)),
        "settings": {name: text for name in _SETTINGS if (text := _setting(dag, name))},
        "line": line if where == path else 0,
        "mentions": [list(each) for each in _mentions(stored)],
        "connections": [[name, task.task_id] for task in dag.tasks for name in _connections(task)],
        "templates": [list(each) for each in _templates(fields)],
    }


def _schedule(dag: Any) -> str:
    schedule = dag.schedule
    if schedule is None:
        return "none"
    if isinstance(schedule, str):
        return schedule
    summary = str(getattr(dag.timetable, "summary", "") or "")
    kind = type(schedule)
    if isinstance(schedule, list | tuple):
        return ", ".join(str(getattr(each, "name", each)) for each in schedule)
    return summary or (kind.__name__ if "__str__" not in vars(kind) else str(schedule))


def _task(task: Any, fields: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    path, line = origin(task)
    return {
        "id": task.task_id,
        "label": task.label,
        "operator": str(getattr(task, "operator_name", "") or task.task_type),
        "group": _group(task),
        "trigger_rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
        "mapped": bool(task.is_mapped or _is_in_mapped_group(task)),
        "child": _child(task),
        "line": line,
        "path": path,
        "arguments": dict(_arguments(fields)),
    }


def _arguments(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Iterate over what a person wrote of a task."""
    for name, stored in sorted(fields.items()):
        value = _plain(stored)
        if name in _NOT_ARGUMENTS or name.startswith("_") or not value:
            continue
        if value == "NOTSET" or _DEFAULTS.get(name) == value:
            continue
        yield name, _text(value)


def _plain(stored: Any) -> Any:
    """Return a value without the marks that Airflow stores it with."""
    if isinstance(stored, dict):
        if "__var" in stored:
            return _plain(stored["__var"])
        return {name: plain for name, value in stored.items() if (plain := _plain(value)) not in ({}, [])}
    return [_plain(value) for value in stored] if isinstance(stored, list) else stored


def _group(task: Any) -> str:
    group = task.task_group
    return str(group.group_id) if group is not None and group.group_id else ""


def _is_in_mapped_group(task: Any) -> bool:
    return next(iter(task.iter_mapped_task_groups()), None) is not None


def _child(task: Any) -> str:
    arguments = given(task)
    for field in _CHILDREN:
        value = arguments.get(field)
        if isinstance(value, str) and value and "{" not in value:
            return value
    return ""


def given(task: Any) -> Mapping[str, Any]:
    """Return the arguments of a task, also of one that is expanded at run time."""
    found: Mapping[str, Any] = task.partial_kwargs if task.is_mapped else vars(task)
    return found


def _groups(dag: Any) -> Iterator[tuple[str, str]]:
    for name, group in dag.task_group.get_task_group_dict().items():
        if name:
            parent = group.parent_group
            yield str(name), str(parent.group_id or "") if parent is not None else ""


def _setting(dag: Any, name: str) -> str:
    value = getattr(dag, name, None)
    if value is None or value == "":
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _mentions(stored: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    from couture_workflow.services.files.uses import mentioned

    yield from dict.fromkeys(mentioned(stored))


def _connections(task: Any) -> Iterator[str]:
    for name, value in given(task).items():
        if name.endswith("conn_id") and isinstance(value, str) and value and "{" not in value:
            yield value


def _templates(fields: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Iterate over (kind, name, task) of variables and connections that templates name."""
    for task, given in fields.items():
        for text in _tags(json.dumps(given, default=str)):
            plain = text.replace('\\"', '"')
            for asked, named in _VARIABLE.findall(plain):  # get() with a default cannot fail
                yield "variable", asked or named, task
            for name in _CONNECTION.findall(plain):
                yield "connection", name, task


def _tags(text: str) -> Iterator[str]:
    """Iterate over what stands between {{ and }}, or {% and %}, in time that grows with the text."""
    place = 0
    while opening := _OPENING.search(text, place):
        closing = _CLOSING.search(text, opening.end())
        if closing is None:
            return
        place = closing.end()
        yield text[opening.start() : place]


def _text(value: Any) -> str:
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, default=str, sort_keys=True, ensure_ascii=False)
    )
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
