"""The parameters of a schedule: text that was typed becomes a value of its type, and secrets are refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.notebooks import parameters as notebook_parameters
from couture_workflow.services.notebooks import run as notebook_run
from couture_workflow.services.notebooks.parameters import Parameter
from couture_workflow.services.schedules.form import TYPES, Finding, Form
from couture_workflow.store.names import quote

#: Characters of all values together, as JSON has them, and of a number that is typed.
_LARGEST, _LONGEST_NUMBER = 100_000, 1000
_TEMPLATE = re.compile(r"\{[{%#]")
#: Templates that tell nothing but when a run is; for whoever may not write DAG files.
_PLAIN = re.compile(
    r"[^{]*(?:\{\{ ?(?:ds|ds_nodash|ts|ts_nodash|run_id|logical_date|data_interval_(?:start|end)) ?\}\}"
    r"[^{]*)+"
)
#: Characters of a text that may be a template.
_LONGEST_TEMPLATE = 2_000
#: Whole numbers that Airflow can carry, from a form to a task: what its messages (msgpack) have room for.
_SMALLEST_WHOLE, _LARGEST_WHOLE = -(2**63), 2**64 - 1
_HALF = re.compile("[\ud800-\udfff]")
_SECRETS = re.compile(r"\bconn\b[^}]{0,200}\b(password|extra|extra_dejson|get_password|get_uri)\b")
_YES, _NO = ("true", "yes", "1", "on"), ("false", "no", "0", "off", "")

_WAY_OUT = (
    "A parameter stands in the DAG file and in every output, for all to read. Keep the secret in an Airflow "
    "connection or variable, and let the notebook ask for it by name."
)


class _UnfitError(ValueError):
    """A text that is no value of its type; the sentence says what would be."""


def is_template(value: Any) -> bool:
    """Tell whether a value is a text that Airflow fills in when the notebook runs, such as ``{{ ds }}``."""
    return isinstance(value, str) and bool(_TEMPLATE.search(value))


def values(
    given: Mapping[str, Any],
    types: Mapping[str, str],
    known: Sequence[Parameter],
    *,
    templates: bool = True,
    literal: bool = False,
) -> tuple[dict[str, Any], list[Finding]]:
    """Return values of their types, and what is wrong with them.

    :param types: how a text was meant; else the type that the notebook's parameter has.
    :param known: parameters of the notebook.
    :param templates: all templates may be used, not only those of the time of a run.
    :param literal: texts are taken as they are; nothing is a template.
    """
    if _size(given) > _LARGEST:  # first of all: what follows takes its time for each character
        message = (
            f"The values have more than {_LARGEST:,} characters. Put them into a file beside the notebook."
        )
        return dict(given), [Finding(field="parameters", message=message)]
    of_notebook = {parameter.name: parameter.type for parameter in known}
    found: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, value in given.items():
        field = f"parameters.{name}"
        if problem := _name_problem(name) or _type_problem(name, types):
            findings.append(Finding(field=field, message=problem))
            continue
        kind = types.get(name) or of_notebook.get(name, "any")
        try:
            template = is_template(value) and not literal
            found[name] = value if template else _typed(name, value, kind)
            notebook_run.checked_parameters({name: found[name]})
            for part in _parts(found[name]):
                _check_part(name, part, templates=templates, literal=literal)
        except (_UnfitError, InvalidError) as error:
            found[name] = value
            findings.append(Finding(field=field, message=str(error)))
    return found, findings


def unknown(form: Form, known: Sequence[Parameter]) -> list[Finding]:
    """Return warnings of parameters that the notebook does not have."""
    names = {parameter.name for parameter in known}
    return [
        Finding(
            field=f"parameters.{name}",
            message=f"The notebook has no parameter {quote(name)}. It is given all the same.",
            level="warning",
        )
        for name in form.parameters
        if name not in names
    ]


def _name_problem(name: str) -> str:
    if not notebook_parameters.is_name(name):
        return (
            f"{quote(name)} is no name of a parameter: it must be that of a variable, such as rows_per_day."
        )
    if notebook_parameters.looks_secret(name):
        return f"{quote(name)} looks like a secret. {_WAY_OUT}"
    return ""


def _type_problem(name: str, types: Mapping[str, str]) -> str:
    kind = types.get(name, "")
    if kind in (*TYPES, "any", ""):
        return ""
    return f"There is no type {quote(kind)} for {quote(name)}. There are {', '.join(TYPES)}."


def _size(given: Mapping[str, Any]) -> int:
    try:
        return len(json.dumps(given, default=str))
    except (ValueError, RecursionError):
        return 0  # nested too deep, which is told of each value


def _parts(value: Any) -> Iterator[Any]:
    """Iterate over the texts, numbers and keys in a value, however deep."""
    todo = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            yield from (_Key(key) for key in part)
            todo += part.values()
        elif isinstance(part, list):
            todo += part
        else:
            yield part


class _Key(str):
    """A key of a dict, which Airflow takes for no template."""

    __slots__ = ()


def _check_part(name: str, part: Any, *, templates: bool, literal: bool) -> None:
    """Raise what is wrong with a text or a number in a value."""
    if isinstance(part, float) and not math.isfinite(part):
        raise _UnfitError(f"{quote(name)} has a number that JSON cannot carry: {part}. Leave it out.")
    if isinstance(part, int) and not _SMALLEST_WHOLE <= part <= _LARGEST_WHOLE:
        raise _UnfitError(
            f"{quote(name)} has a whole number that Airflow cannot carry: it takes those from -2**63 to "
            "2**64 - 1. Give it as a text."
        )
    if isinstance(part, str) and _HALF.search(part):
        raise _UnfitError(
            f"{quote(name)} has half a character in it (a lone surrogate), which Airflow cannot carry. Take "
            "it out."
        )
    if is_template(part) and not literal and not isinstance(part, _Key):
        _check_template(name, part, every=templates)


def _check_template(name: str, text: str, *, every: bool) -> None:
    from jinja2 import Environment, TemplateSyntaxError

    if len(text) > _LONGEST_TEMPLATE:
        raise _UnfitError(
            f"{quote(name)} has {{{{, {{% or {{#, which Airflow takes for a template, and more than "
            f"{_LONGEST_TEMPLATE:,} characters. Put the text into a file beside the notebook."
        )
    if _SECRETS.search(text):
        raise _UnfitError(f"{quote(name)} would be a secret of a connection. {_WAY_OUT}")
    if not every and not _PLAIN.fullmatch(text):
        raise _UnfitError(
            f'{quote(name)} has a template, which needs the permission "can edit on DAG Files". You may use '
            "{{ ds }}, {{ ts }}, {{ run_id }}, {{ logical_date }} and {{ data_interval_start }}."
        )
    try:
        Environment(autoescape=True).parse(text)
    except (TemplateSyntaxError, RecursionError) as error:
        raise _UnfitError(f"{quote(name)} is no template that Airflow can fill in: {error}.") from error


def _typed(name: str, value: Any, kind: str) -> Any:
    if value is None or kind not in TYPES:
        return value
    read = _READERS.get(kind)
    return read(name, value) if read is not None else value


def _whole(name: str, value: Any) -> Any:
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
        try:
            value = int(value.strip())
        except ValueError:
            pass
    if isinstance(value, bool) or not isinstance(value, int):
        raise _UnfitError(f"{quote(name)} is a whole number, and {_shown(value)} is none.")
    return value


def _number(name: str, value: Any) -> Any:
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
        try:
            value = float(value.strip())
        except ValueError:
            pass
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise _UnfitError(f"{quote(name)} is a number, and {_shown(value)} is none.")
    return value


def _truth(name: str, value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() in (*_YES, *_NO):
        return value.strip().lower() in _YES
    if not isinstance(value, bool):
        raise _UnfitError(f"{quote(name)} is true or false, and {_shown(value)} is neither.")
    return value


def _word(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        raise _UnfitError(f"{quote(name)} is a text, and {_shown(value)} is none. Put it in quotes.")
    return value


def _day(name: str, value: Any) -> Any:
    if not isinstance(value, str) or not notebook_parameters.is_date(value.strip()):
        raise _UnfitError(
            f"{quote(name)} is a day, and {_shown(value)} is none. Give one such as 2026-12-01, or "
            "{{ ds }} for that of the run."
        )
    return value.strip()


def _nothing(name: str, value: Any) -> Any:
    if isinstance(value, str) and value.strip() in ("", "None", "null"):
        return None
    return value


def _collection(kind: type, example: str) -> Callable[[str, Any], Any]:
    def read(name: str, value: Any) -> Any:
        found = value
        if isinstance(value, str) and len(value) <= _LARGEST:
            try:
                found = json.loads(value)
            except (ValueError, RecursionError):
                found = None
        if not isinstance(found, kind):
            raise _UnfitError(
                f"{quote(name)} is a {kind.__name__}, and {_shown(value)} is none. Write it as JSON, such as "
                f"{example}."
            )
        return found

    return read


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "int": _whole,
    "float": _number,
    "bool": _truth,
    "str": _word,
    "date": _day,
    "None": _nothing,
    "list": _collection(list, '["a", 1]'),
    "dict": _collection(dict, '{"a": 1}'),
}


def _shown(value: Any) -> str:
    return quote(value) if isinstance(value, str) else quote(str(value)[:100])
