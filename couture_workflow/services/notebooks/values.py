"""What a notebook can be given as parameters, and how a record shows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any

from couture_workflow.exceptions import InvalidError

#: Lists and dicts in each other that a parameter has at most.
_DEEPEST = 100
#: Characters of a value that a record shows, and of a key in a sentence.
SHOWN, _KEY = 2_000, 60


def checked_parameters(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return parameters as a notebook can be given them, or raise ``InvalidError`` for one that cannot.

    Dates and times become text, as ``2026-01-31`` and ``2026-01-31T12:00:00+00:00``.
    """
    for name, value in (parameters or {}).items():
        if found := _unfit(value, set()):
            keys, why = found
            where = "".join(f"[{_short(key)}]" for key in reversed(keys))
            raise InvalidError(
                f"The parameter {name!r}{where} {why}. Give text, numbers, True, False, None, dates, and "
                "lists and dicts of these.",
                field="parameters",
            )
        if not str(name).isidentifier():
            raise InvalidError(f"The parameter {name!r} is no name of Python.", field="parameters")
    return {name: _text_of_dates(value) for name, value in (parameters or {}).items()}


def shown(name: str, value: Any, redact: Callable[[Any, str | None], Any]) -> str:
    """Return a value as JSON for a record: masked, and without its end where it is long."""
    text = json.dumps(redact(value, name), ensure_ascii=False, default=str)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"


def _text_of_dates(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _text_of_dates(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_text_of_dates(each) for each in value]
    return value.isoformat() if isinstance(value, (date, time)) else value


def _short(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= _KEY else f"{text[:_KEY]}…"


def _unfit(value: Any, above: set[int]) -> tuple[list[Any], str] | None:
    """Return where a part is that a notebook cannot be given and why, None if there is none.

    Where: the keys that lead to it, the last one first. They are put together for the one part that is told
    of: a long key would else be copied for each part below it.

    :param above: ids of the lists and dicts that the value is in.
    """
    if value is None or isinstance(value, (str, int, float, date, time)):
        return None
    if not isinstance(value, (list, tuple, dict)):
        return [], f"is a {type(value).__name__}"
    if id(value) in above or len(above) > _DEEPEST:
        return [], "is nested in itself, or too deep"
    above.add(id(value))
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict) and not isinstance(key, str):
            return [], f"has the key {_short(key)}, which is not a text"
        if found := _unfit(each, above):
            found[0].append(key)
            return found
    above.discard(id(value))
    return None
