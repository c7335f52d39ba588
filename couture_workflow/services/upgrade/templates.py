"""Templates: variables that the context of Airflow 3 no longer has, in Jinja expressions."""

from __future__ import annotations

import re

from couture_workflow.services.upgrade.table import AMBIGUOUS, CONTEXT, CONTEXT_LOST

_BLOCK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
#: The same where braces are doubled, as in an f-string.
_DOUBLED = re.compile(r"\{\{\{\{.*?\}\}\}\}|\{\{%.*?%\}\}", re.DOTALL)
_NAMES = "|".join(sorted({*CONTEXT, *CONTEXT_LOST}, key=len, reverse=True))
_NAME = re.compile(rf"(?<![\w.'\"])(?:{_NAMES})(?!\w|['\"]|\s*=(?!=)|\s*\()")
_OF_RUN = re.compile(r"(?<![\w.])dag_run\.execution_date(?!\w)")
_OF_TASK = re.compile(r"(?<![\w.])(?:ti|task_instance)\.execution_date(?!\w)")
_SET = re.compile(r"\{%-?\s*(?:set|for)\s+(\w+)")
_KEY_FIRST = re.compile(r"(xcom_pull\(\s*)key\s*=\s*None\s*,?\s*")
_KEY_LATER = re.compile(r"(xcom_pull\([^()]*?)\s*,\s*key\s*=\s*None(?!\w)")


def rewrite(text: str, *, period: str, doubled: bool = False) -> tuple[str, list[str]]:
    """Return a template for Airflow 3, and the names in it that are gone and were not replaced.

    :param period: what lies between two runs, as arguments of pendulum's ``add``; "" if that is not known.
    :param doubled: its braces are doubled, as in an f-string.
    """
    left: list[str] = []
    own = frozenset(_SET.findall(text))

    def name(match: re.Match[str]) -> str:
        found = match[0]
        if found in own:
            return found
        expression = CONTEXT.get(found, "")
        if not expression or ("{period}" in expression and not period):
            left.append(found)
            return found
        return expression.format(period=period)

    def block(match: re.Match[str]) -> str:
        inside = _OF_RUN.sub("dag_run.logical_date", _OF_TASK.sub("logical_date", match[0]))
        inside = _KEY_LATER.sub(r"\1", _KEY_FIRST.sub(r"\1", inside))
        return _NAME.sub(name, inside)

    if "{{" not in text and "{%" not in text:
        return text, []
    return (_DOUBLED if doubled else _BLOCK).sub(block, text), left


def names_in(text: str) -> list[str]:
    """Return the gone names that stand anywhere in a text, but not the ambiguous ones."""
    return [name for name in dict.fromkeys(_NAME.findall(text)) if name not in AMBIGUOUS]
