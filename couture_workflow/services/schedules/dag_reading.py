"""What a DAG file of a schedule says after somebody changed it by hand, as far as literals tell it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.notebooks import parameters as notebook_parameters
from couture_workflow.services.processes import apart
from couture_workflow.services.schedules.form import KEPT, Form, form_of, kept_form_of

#: Seconds for one file, characters of one that is read.
_PATIENCE, _LONGEST = 5.0, 2**20
#: Ids that Airflow takes.
_ID = re.compile(r"[\w.-]{1,250}")
_DAG = ("dag_id", "schedule", "start_date", "params", "tags", "default_args")
_TASK = (
    "input_nb",
    "parameters",
    "kernel",
    "export_html",
    "hide_code",
    "retries",
    "execution_timeout",
    "email",
    "keep_outputs",
    "keep_days",
)
#: Argument -> field of the form that is unknown if it is no literal.
_FIELDS = {
    "schedule": "when",
    "start_date": "when",
    "params": "parameters",
    "default_args": "owner",
    "execution_timeout": "time_limit",
    "export_html": "html",
    "hide_code": "html",
}
#: What an argument is that a file does not have.
_FALLBACKS = {"tags": [], "kernel": "", "retries": 0, "keep_outputs": KEPT, "keep_days": 0}
#: Named by a function of the product, so there is nothing to be read in it.
_RUN_PARAMETERS = "run_parameters"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is in a file.

    :param values: arguments of the DAG and the task that are literals, by name.
    :param unknown: names of arguments that are none.
    :param problem: why nothing can be read, "" if something can.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    problem: str = ""


def read(contents: Sequence[bytes]) -> list[Reading]:
    """Return what is in files, read in a process apart."""
    if not contents:
        return []
    texts = [content.decode("utf-8", "replace")[:_LONGEST] for content in contents]
    found = []
    for answer in apart.each("schedules.dag_reading.look", None, texts, seconds=_PATIENCE):
        told = answer.value or {"problem": "The DAG file cannot be read."}
        found.append(Reading(**{**told, "unknown": tuple(told.get("unknown", ()))}))
    return found


def applied(form: Form, reading: Reading) -> tuple[Form, tuple[str, ...]]:
    """Return a form with what a file says in place of what it had, and the fields that are unknown."""
    if reading.problem:
        return form, ("when", "parameters", "retries", "time_limit", "email", "html", "tags", "owner")
    unknown = {_FIELDS.get(name, name) for name in reading.unknown}
    if "input_nb" in unknown:
        unknown.remove("input_nb")
    if not isinstance(reading.values.get("schedule"), str):
        unknown.add("when")
    sent = form.json()
    for name, value in _told(reading.values).items():
        if name in unknown:
            continue
        try:
            sent = kept_form_of({**sent, name: value}).json()
        except InvalidError:
            unknown.add(name)
    return replace(form_of(sent), name=form.name), tuple(sorted(unknown))


def dag_id(reading: Reading) -> str:
    """Return the id of the DAG in a file, "" if there is none that Airflow could have."""
    said = reading.values.get("dag_id")
    return said if isinstance(said, str) and _ID.fullmatch(said) else ""


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a form that arguments say."""
    email = values.get("email") or ""
    defaults = values.get("default_args")
    found: dict[str, Any] = {
        "parameters": values.get("params", values.get("parameters")) or {},
        "html": "none" if not values.get("export_html") else "results" if values.get("hide_code") else "code",
        "email": ", ".join(map(str, email)) if isinstance(email, list) else email,
        "time_limit": values.get("execution_timeout") or 0,
        "owner": defaults.get("owner", "") if isinstance(defaults, dict) else "",
        "when": _when(values),
    }
    for name, fallback in _FALLBACKS.items():
        found[name] = values.get(name, fallback)
    return found


def _when(values: Mapping[str, Any]) -> Any:
    start = values.get("start_date") or {}
    schedule = values.get("schedule")
    if not isinstance(schedule, str):
        return None
    if schedule == "@once":
        return {"kind": "at", "at": start.get("at", ""), "zone": start.get("zone", "UTC")}
    return {"kind": "cron", "cron": schedule, "zone": start.get("zone", "UTC")}


def look(_: None, source: str) -> dict[str, Any]:
    """Be the other process for ``read``."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return {"problem": f"The DAG file is not valid Python (line {getattr(error, 'lineno', 0) or 0})."}
    values: dict[str, Any] = {}
    unknown: set[str] = set()
    for call, names in _calls(tree):
        for argument in call.keywords:
            if argument.arg in names:
                _take(argument.arg, argument.value, values, unknown)
        if names is _DAG and call.args:
            _take("dag_id", call.args[0], values, unknown)
    problem = "" if values or unknown else "The DAG file has no DAG with a notebook any more."
    return {"values": values, "unknown": sorted(unknown), "problem": problem}


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, tuple[str, ...]]]:
    """Iterate over the first DAG and the first task that runs a notebook."""
    wanted = {"DAG": _DAG, "dag": _DAG, "CoutureJupyterOperator": _TASK}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in wanted:
                names = wanted.pop(name)
                if names is _DAG:
                    wanted = {key: value for key, value in wanted.items() if value is not _DAG}
                yield node, names


def _take(name: str, node: ast.expr, values: dict[str, Any], unknown: set[str]) -> None:
    if name == "parameters" and isinstance(node, ast.Name) and node.id == _RUN_PARAMETERS:
        return
    value, known = _value(name, node)
    if known:
        values[name] = value
    else:
        unknown.add(name)


def _value(name: str, node: ast.expr) -> tuple[Any, bool]:
    if name == "start_date":
        return _start(node)
    if name == "execution_timeout":
        return _seconds(node)
    return notebook_parameters.literal(node)


def _start(node: ast.expr) -> tuple[Any, bool]:
    """Return the time and zone that ``pendulum.datetime(...)`` means."""
    if not isinstance(node, ast.Call):
        return None, False
    numbers = [notebook_parameters.literal(each)[0] for each in node.args]
    zone = next(
        (notebook_parameters.literal(each.value)[0] for each in node.keywords if each.arg == "tz"), "UTC"
    )
    if not isinstance(zone, str) or not 3 <= len(numbers) <= 6 or not all(type(n) is int for n in numbers):
        return None, False
    padded = [*numbers, 0, 0, 0][:6]
    year, month, day, hour, minute, second = padded
    at = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}" + (f":{second:02}" if second else "")
    return {"at": at, "zone": zone}, True


def _seconds(node: ast.expr) -> tuple[Any, bool]:
    """Return the seconds that ``timedelta(...)`` means."""
    units = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
    if not isinstance(node, ast.Call) or node.args:
        return None, False
    total = 0
    for argument in node.keywords:
        number, known = notebook_parameters.literal(argument.value)
        if not known or type(number) is not int or argument.arg not in units:
            return None, False
        total += number * units[argument.arg]
    return total, True
