"""What a DAG file may import and call, read from the installed packages.

Run as a program, apart from the server, because it imports a great deal: ``python -m
couture_workflow.services.editor.completion_index`` prints the index as JSON. Nobody needs it while a DAG
runs.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import inspect
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from couture_workflow.services.editor.completion_signature import arguments, function_arguments, summary

#: Seconds after which no further module is read; the index then says that it is not complete.
BUDGET = 90.0

#: Folders of a provider whose modules are for DAG files; the rest is the provider's own affair.
_KINDS = (
    "operators",
    "sensors",
    "hooks",
    "transfers",
    "notifications",
    "triggers",
    "timetables",
    "decorators",
)
_OURS = "couture_workflow.operators"
_FIRST = ("airflow.sdk", _OURS, "airflow.sdk.exceptions")
_TIMETABLES = ("assets", "events", "interval", "simple", "trigger")
#: Modules of others whose names are offered too.
_USUAL = (
    "collections",
    "contextlib",
    "dataclasses",
    "datetime",
    "functools",
    "itertools",
    "json",
    "logging",
    "os",
    "pathlib",
    "pendulum",
    "re",
    "subprocess",
    "time",
    "typing",
)
#: Arguments that a decorated task does not take: the function stands for them.
_NOT_OF_DECORATORS = frozenset(
    {"python_callable", "op_args", "op_kwargs", "bash_command", "task_id", "sql", "kwargs_to_upstream"}
)

_MULTIPLE_OUTPUTS = {
    "name": "multiple_outputs",
    "type": "bool",
    "default": "False",
    "help": "Make an XCom of each item of the dictionary that the function returns.",
}


def build() -> dict[str, Any]:
    """Return the index: modules, callables, arguments of every task (``base``), decorators, values, jinja."""
    from airflow.sdk import BaseOperator, TriggerRule, WeightRule

    end = time.monotonic() + BUDGET
    modules: dict[str, Any] = {}
    callables: dict[str, Any] = {}
    complete = True
    for name in _module_names():
        if time.monotonic() > end:
            complete = False
            break
        if module := _import(name):
            names = _names(module)
            modules[name] = {"help": summary(module), "names": [_entry(*item) for item in names]}
            callables.update(_callables(name, names, BaseOperator))
    return {
        "complete": complete,
        "modules": modules,
        "top": sorted(name for name in sys.stdlib_module_names if not name.startswith("_")),
        "builtins": sorted(name for name in dir(builtins) if not name.startswith("_")),
        "callables": callables,
        "base": arguments(BaseOperator),
        "decorators": _decorators(BaseOperator),
        "values": {
            "trigger_rule": [rule.value for rule in TriggerRule],
            "weight_rule": [rule.value for rule in WeightRule],
        },
        "jinja": _jinja(),
    }


def _module_names() -> Iterator[str]:
    yield from _FIRST
    yield from (f"airflow.timetables.{name}" for name in _TIMETABLES)
    yield from _USUAL
    import airflow.providers

    for root in airflow.providers.__path__:
        for path in sorted(Path(root).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if not set(_KINDS).isdisjoint(parts[:-1]) and not any(_is_private(part) for part in parts):
                yield ".".join(("airflow.providers", *parts))


def _is_private(part: str) -> bool:
    return part.startswith("_") or part in ("tests", "example_dags") or not part.isidentifier()


def _import(name: str) -> ModuleType | None:
    # A provider may want a package that is not installed, and whatever else its author thought of.
    try:
        return importlib.import_module(name)
    except Exception:  # noqa: BLE001
        return None


def _names(module: ModuleType) -> list[tuple[str, Any]]:
    """Return the public names of a module with what they stand for."""
    own = module.__name__.startswith(("airflow.", "couture_workflow."))
    listed = getattr(module, "__all__", None)
    names = listed or [name for name in dir(module) if not name.startswith("_")]
    found = []
    for name in dict.fromkeys(names):
        # Lazy modules raise what they like for a name that needs another package.
        with contextlib.suppress(Exception):
            thing = getattr(module, name)
            foreign = own and not listed and getattr(thing, "__module__", None) != module.__name__
            if not (foreign or inspect.ismodule(thing) or name.startswith("_")):
                found.append((name, thing))
    return found


def _entry(name: str, thing: Any) -> list[str]:
    return [name, _kind(thing), summary(thing) if _kind(thing) != "constant" else ""]


def _kind(thing: Any) -> str:
    if inspect.isclass(thing):
        return "class"
    return "function" if callable(thing) else "constant"


def _callables(module: str, names: list[tuple[str, Any]], base: type) -> dict[str, Any]:
    """Return what is known of the calls that a DAG file makes: operators, sensors, DAGs, hooks, functions."""
    if module in _USUAL:
        return {}
    found = {}
    for name, thing in names:
        if inspect.isclass(thing) and not issubclass(thing, BaseException):
            found[f"{module}.{name}"] = _class(thing, base)
        elif inspect.isfunction(thing):
            found[f"{module}.{name}"] = {"help": summary(thing), "arguments": function_arguments(thing)}
    if module == "airflow.sdk":
        found["airflow.sdk.dag"] = {**found["airflow.sdk.DAG"], "help": "Make a DAG of a function."}
        grouped = found["airflow.sdk.TaskGroup"]["arguments"]
        found["airflow.sdk.task_group"] = {
            "help": "Make a group of tasks of a function.",
            "arguments": grouped,
        }
    return found


def _class(thing: type, base: type) -> dict[str, Any]:
    is_task = issubclass(thing, base)
    own = arguments(thing, until=base if is_task and thing is not base else None)
    found = {"help": summary(thing), "arguments": own if thing is not base else []}
    return {**found, "task": True} if is_task else found


def _decorators(base: type) -> dict[str, Any]:
    """Return the decorators below ``@task`` with the arguments that they take beside those of every task."""
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    found = {}
    manager: Any = ProvidersManagerTaskRuntime
    for name, function in manager().taskflow_decorators.items():
        with contextlib.suppress(Exception):  # the function of a provider that is not well
            module = inspect.getmodule(inspect.unwrap(function))
            marks = {"@task", f"@task.{name}"} if name == "python" else {f"@task.{name}"}
            kind = next(
                (
                    thing
                    for thing in vars(module).values()
                    if inspect.isclass(thing) and getattr(thing, "custom_operator_name", None) in marks
                ),
                base,
            )
            own = [item for item in arguments(kind, until=base) if item["name"] not in _NOT_OF_DECORATORS]
            own.append(_MULTIPLE_OUTPUTS)
            found[name] = {"help": summary(function) or summary(kind), "arguments": own, "task": True}
    return found


def _jinja() -> list[list[str]]:
    """Return the names that a template sees, with their types."""
    from airflow.sdk import macros
    from airflow.sdk.definitions.context import Context

    found = []
    for name, annotation in Context.__annotations__.items():
        text = getattr(annotation, "__forward_arg__", str(annotation))
        found.append(
            [name, text.removeprefix("NotRequired[").removesuffix("]") if "NotRequired" in text else text]
        )
    public = ("datetime", "dateutil", "random", "time", "timedelta", "uuid", "json", "yaml")
    functions = [name for name in dir(macros) if name.startswith("d") and name.count("_")]
    return [*found, *([f"macros.{name}", ""] for name in (*public, *functions))]


def main() -> None:
    """Print the index on the standard output, which the packages that are imported do not get to see."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    json.dump(build(), output, ensure_ascii=False, separators=(",", ":"))
    output.flush()
    output.close()


if __name__ == "__main__":
    main()
    os._exit(0)  # whatever threads and exit hooks the packages have left behind
