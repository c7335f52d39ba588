"""Templates: variables that the context of Airflow 3 no longer has, in Jinja expressions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from couture_workflow.services.upgrade.table import AMBIGUOUS, CONTEXT, CONTEXT_LOST, DATED

#: A block does not go on over the beginning of another one, which also keeps the search linear.
_BLOCK = re.compile(r"\{\{(?:(?!\{\{|\}\}).)*\}\}|\{%(?:(?!\{%|%\}).)*%\}", re.DOTALL)
#: The same where braces are doubled, as in an f-string.
_DOUBLED = re.compile(
    r"\{\{\{\{(?:(?!\{\{\{\{|\}\}\}\}).)*\}\}\}\}|\{\{%(?:(?!\{\{%|%\}\}).)*%\}\}", re.DOTALL
)
_NAMES = "|".join(sorted({*CONTEXT, *CONTEXT_LOST}, key=len, reverse=True))
_NAME = re.compile(rf"(?<![\w.'\"])(?:{_NAMES})(?!\w|['\"]|\s*=(?!=)|\s*\()")
#: A string inside of a block, or a name; strings are passed over.
_WORD = re.compile(rf"\\?'[^'{{}}]*'|\\?\"[^\"{{}}]*\"|{_NAME.pattern}")
_DATED = re.compile(r"\\?'[^'{}]*'|\\?\"[^\"{}]*\"|(?<![\w.])[a-z]\w*(?!\w|\s*=(?!=))")
_OF_RUN = re.compile(r"(?<![\w.])dag_run\.execution_date(?!\w)")
_OF_TASK = re.compile(r"(?<![\w.])(?:ti|task_instance)\.execution_date(?!\w)")
_EXTERNAL = re.compile(r"(?<![\w.])dag_run\.external_trigger(?!\w)")
_ASKED = re.compile(
    r"(?<![\w.])(?:dag\.(?:following|previous)_schedule|(?:ti|task_instance)\.get_dagrun)(?!\w)"
)
_SET = re.compile(r"\{%-?\s*(?:set|for)\s+([\w\s,]+?)(?:=|\bin\b|%)|\{%-?\s*macro\s+\w+\s*\(([^)]*)\)")
_PULL = re.compile(r"(xcom_pull\()([^()]*)\)")
_KEY = re.compile(r"(?<!\w)key\s*=\s*None(?!\w)")
_TASK_IDS = re.compile(r"task_ids\s*=\s*(\[[^\]]*\]|\([^)]*\)|\\?['\"][^'\"\\]*\\?['\"])")
_QUOTED = re.compile(r"['\"]([^'\"\\]+)\\?['\"]")


@dataclass(frozen=True)
class Rules:
    """How templates are to be read.

    :param period: what lies between two runs, as arguments of pendulum's ``add``; "" if that is not known.
    :param own: names that the file defines for its templates.
    :param certain: names that may be somebody's own are Airflow's here.
    :param foreign: the template may not be one of Airflow's at all: nothing is changed.
    :param doubled: its braces are doubled, as in an f-string.
    :param quote: a sign that strings in the template can have; "" for none.
    :param key: tells the one key of XComs that tasks push, "" if it is not one.
    """

    period: str = ""
    own: frozenset[str] = frozenset()
    certain: bool = False
    foreign: bool = False
    doubled: bool = False
    quote: str = ""
    key: Callable[[Sequence[str]], str] = lambda _: ""


@dataclass
class Rewritten:
    """A template as Airflow 3 has it.

    :param left: names in it that are gone and were not replaced.
    :param uncertain: names in it that were left, for they may be somebody's own.
    :param pulls: an XCom is asked for without a key.
    :param dated: it uses the date of the run.
    """

    text: str
    left: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    pulls: bool = False
    dated: bool = False


def rewrite(text: str, rules: Rules) -> Rewritten:
    """Return a template for Airflow 3."""
    found = Rewritten(text)
    if "{{" not in text and "{%" not in text:
        return found
    own = rules.own | _set_in(text)

    def name(match: re.Match[str]) -> str:
        word = match[0]
        if word in own or word[0] in "\\'\"":
            return word
        expression = CONTEXT.get(word, "")
        if rules.foreign or (word in AMBIGUOUS and not rules.certain):
            found.uncertain.append(word)
        elif not expression or ("{period}" in expression and not rules.period):
            found.left.append(word)
        else:
            return expression.format(period=rules.period)
        return word

    def block(match: re.Match[str]) -> str:
        inside = match[0]
        dated = (word[0] for word in _DATED.finditer(inside))
        found.dated = found.dated or any(word in DATED and word not in own for word in dated)
        if not rules.foreign:
            inside = _OF_RUN.sub("dag_run.logical_date", _OF_TASK.sub("logical_date", inside))
            inside = _PULL.sub(lambda pull: _pull(pull, rules, found), inside)
            inside = _external(inside, rules, found)
            found.left += _ASKED.findall(inside)
        return _WORD.sub(name, inside)

    found.text = (_DOUBLED if rules.doubled else _BLOCK).sub(block, text)
    return found


def _set_in(text: str) -> frozenset[str]:
    """Return the names that a template gives values to itself."""
    return frozenset(
        word.partition("=")[0].strip()
        for match in _SET.finditer(text)
        for word in (match[1] or match[2] or "").split(",")
    )


def _external(inside: str, rules: Rules, found: Rewritten) -> str:
    """Ask the type of a run in the place of ``external_trigger``."""
    if not rules.quote:
        found.left += _EXTERNAL.findall(inside)
        return inside
    quote = rules.quote
    new = f"(dag_run.run_type not in ({quote}scheduled{quote}, {quote}backfill{quote}))"
    return _EXTERNAL.sub(new, inside)


def _pull(match: re.Match[str], rules: Rules, found: Rewritten) -> str:
    """Write the key of an XCom that was asked for with ``key=None``."""
    arguments = match[2]
    if not _KEY.search(arguments):
        return match[0]
    named = _TASK_IDS.search(arguments)
    key = rules.key(_QUOTED.findall(named[1])) if named else ""
    if key == "return_value":
        arguments = re.sub(rf"{_KEY.pattern}\s*,\s*|\s*,\s*{_KEY.pattern}|{_KEY.pattern}", "", arguments)
    elif key and rules.quote:
        arguments = _KEY.sub(f"key={rules.quote}{key}{rules.quote}", arguments)
    else:
        found.pulls = True
    return f"{match[1]}{arguments})"


def names_in(text: str) -> list[str]:
    """Return the gone names that stand anywhere in a text, but not the ambiguous ones."""
    return [name for name in dict.fromkeys(_NAME.findall(text)) if name not in AMBIGUOUS]
