"""Calls of ``DAG(...)`` and ``@dag(...)``, and what lies between two runs of a DAG."""

from __future__ import annotations

import re
from collections.abc import Sequence

import libcst as cst

from couture_workflow.services.upgrade.rewriting.arguments import Arguments, of_dict
from couture_workflow.services.upgrade.rewriting.callables import parameters, value_of
from couture_workflow.services.upgrade.rewriting.document import Document, is_none, keyword, text_of
from couture_workflow.services.upgrade.table import (
    DAG_DROPPED,
    DAG_ORDER,
    DAG_RENAMED,
    DAGS,
    NEW_DAGS,
    PERIODS,
)

_SCHEDULES = ("schedule", "schedule_interval", "timetable")
_CRON = re.compile(r"(\*|\d+) (\*|\d+) (\*|\d+) \* (\*|[0-7]|[A-Za-z]{3})")
_UNITS = ("days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks")


def dag_calls(document: Document) -> list[cst.Call]:
    """Return the calls that make a DAG."""
    found: list[cst.Call] = []

    class Visitor(cst.CSTVisitor):
        def visit_Call(self, node: cst.Call) -> None:
            if document.names(node.func) & DAGS:
                found.append(node)

    document.module.visit(Visitor())
    return found


def upgrade_dag(call: cst.Call, document: Document, *, old: bool, done: set[int]) -> None:
    """Bring one call up to date.

    :param old: the file is of the days before Airflow 3, so the DAG had the defaults of those days.
    :param done: dicts of arguments that were brought up to date, for several calls may share one.
    """
    positional = _name_positional(call, document)
    arguments = Arguments(document, call.args, what="DAG")
    names = set(arguments.given) | positional
    complete = True
    _names(arguments)
    for argument in (each for each in call.args if each.star):
        items = _starred(argument, document)
        complete = complete and items is not None
        if items is None:
            if old:
                document.note(call, _HIDDEN, _HIDDEN_ADVICE)
            continue
        starred = Arguments(document, items, what="DAG")
        names |= set(starred.given)
        if id(items) not in done:
            done.add(id(items))
            _names(starred)
            starred.finish()
    if old and not document.names(call.func) & NEW_DAGS:
        if not names & set(_SCHEDULES) and complete:
            _write_schedule(call, arguments)
        _tell_defaults(call, document, names)
    arguments.finish()


_HIDDEN = "DAG(**...): the text does not show which arguments it is given, and some are gone in Airflow 3."
_HIDDEN_ADVICE = (
    "Look for schedule_interval (now schedule), concurrency (now max_active_tasks), default_view "
    "and orientation (gone)."
)


def _names(arguments: Arguments) -> None:
    """Bring the names of a DAG's arguments up to date."""
    for name in sorted(DAG_DROPPED):
        arguments.drop(name, because="Airflow 3 does not have it")
    for before, now in DAG_RENAMED.items():
        arguments.rename(before, now)
    _sla_callback(arguments)


def _starred(argument: cst.Arg, document: Document) -> Sequence[cst.CSTNode] | None:
    """Return the items of what is given as ``**value``, None if the text does not show them all."""
    value = argument.value
    if argument.star != "**":
        return None
    if isinstance(value, cst.Name):
        if _is_parameter(argument, value.value, document):
            return None
        found = _Assignments(value.value)
        document.module.visit(found)
        if len(found.values) != 1 or found.changed:
            return None
        value = found.values[0]
    items = of_dict(value)
    if items is None or any(
        isinstance(each, cst.StarredDictElement) or (isinstance(each, cst.Arg) and each.star)
        for each in items
    ):
        return None
    return items


def _is_parameter(node: cst.CSTNode, name: str, document: Document) -> bool:
    """Tell whether a function around a node takes a name, so that its value is not shown."""
    while not isinstance(node, cst.Module):
        node = document.parent(node)
        if isinstance(node, cst.FunctionDef):
            starred = [
                each for each in (node.params.star_kwarg, node.params.star_arg) if isinstance(each, cst.Param)
            ]
            if any(each.name.value == name for each in [*parameters(node), *starred]):
                return True
    return False


class _Assignments(cst.CSTVisitor):
    """Collects the values that a name is assigned anywhere, and whether what it names is changed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: list[cst.BaseExpression] = []
        self.changed = False

    def visit_Assign(self, node: cst.Assign) -> None:
        """Look at an assignment."""
        for each in node.targets:
            if self._is(each.target):
                self.values.append(node.value)
            elif isinstance(each.target, cst.Subscript) and self._is(each.target.value):
                self.changed = True

    def visit_Call(self, node: cst.Call) -> None:
        """Look at ``name.update(...)`` and the like."""
        function = node.func
        if isinstance(function, cst.Attribute) and self._is(function.value):
            self.changed = self.changed or function.attr.value in {"update", "setdefault", "pop"}

    def _is(self, node: cst.CSTNode) -> bool:
        return isinstance(node, cst.Name) and node.value == self.name


def _name_positional(call: cst.Call, document: Document) -> set[str]:
    """Give the second to fifth argument the names that they had by their place."""
    named = set()
    for name, argument in zip(DAG_ORDER, call.args, strict=False):
        if keyword(argument) or argument.star:
            break
        if name != "dag_id":
            document.insert(document.start(argument), f"{name}=")
            document.changed(argument, f"DAG: the argument in this place is now given as {name}=")
            named.add(name)
    return named


def _sla_callback(arguments: Arguments) -> None:
    """Take out a callback of None. Another one stays: it is called here, see ``services.sla``."""
    given = arguments.given.get("sla_miss_callback")
    if given is not None and is_none(given.value):
        arguments.drop("sla_miss_callback", because="None says nothing")


def _write_schedule(call: cst.Call, arguments: Arguments) -> None:
    """Write out the schedule that a DAG without one had."""
    document = arguments.document
    value = timedelta_name(document, call) + "(days=1)"
    arguments.add(call, f"schedule={value}")
    document.changed(
        call,
        "DAG: a DAG without a schedule was run daily and now is not; schedule=timedelta(days=1) written out",
    )


def timedelta_name(document: Document, before: cst.CSTNode) -> str:
    """Return how ``timedelta`` can be called at a place, with an import added if it is not known there."""
    limit = document.line(before)
    for statement in document.module.body:
        if document.line(statement) >= limit or not isinstance(statement, cst.SimpleStatementLine):
            continue
        for small in statement.body:
            if name := _binding(small):
                return name
    document.imports.add("from datetime import timedelta")
    return "timedelta"


def _binding(statement: cst.BaseSmallStatement) -> str:
    """Return how an import statement lets ``timedelta`` be called, "" if it does not."""
    if isinstance(statement, cst.ImportFrom):
        if isinstance(statement.module, cst.Name) and statement.module.value == "datetime":
            for alias in statement.names if not isinstance(statement.names, cst.ImportStar) else ():
                if alias.name.value == "timedelta":
                    return str(alias.evaluated_alias or "timedelta")
    elif isinstance(statement, cst.Import):
        for alias in statement.names:
            if alias.evaluated_name == "datetime":
                return f"{alias.evaluated_alias or 'datetime'}.timedelta"
    return ""


def _tell_defaults(call: cst.Call, document: Document, names: set[str]) -> None:
    if _period(call, document) == "days=0":
        return
    if "catchup" not in names and not any(
        each.star and _starred(each, document) is None for each in call.args
    ):
        document.note(
            call,
            "Without catchup=, all periods since start_date were run; Airflow 3 runs none of them.",
            "Write catchup=True if the missed periods shall be run, else catchup=False. Look at start_date "
            "first: an old one makes a run for each period since.",
        )
    document.note(
        call,
        "The date of a scheduled run (logical_date, ds, ts) moves by one period: it was the start of the "
        "period and now is the time at which the run is due.",
        "Check every use of the date. To have the old dates, set [scheduler] create_cron_data_intervals "
        "and create_delta_data_intervals to True before the DAG's first run.",
    )


def period(document: Document, calls: list[cst.Call]) -> str:
    """Return what lies between two runs of every DAG of a file, "" if it is not the same or not fixed."""
    periods = {_period(call, document) for call in calls}
    return periods.pop() if len(periods) == 1 else ""


def _period(call: cst.Call, document: Document) -> str:
    value: cst.CSTNode | None = None
    for argument in call.args:
        items = _starred(argument, document) if argument.star else (argument,)
        if items is None:
            return ""
        for name, each in Arguments(document, items, what="DAG").given.items():
            value = each.value if name in _SCHEDULES else value
    if value is None:
        return "" if len([each for each in call.args if not keyword(each)]) > 1 else "days=1"
    if isinstance(value, cst.Name) and value.value != "None":
        value = value_of(value, document)
    if is_none(value):
        return "days=0"
    if isinstance(value, cst.Call) and document.names(value.func) & {"datetime.timedelta"}:
        return _timedelta(value, document)
    schedule = text_of(value)
    return "" if schedule is None else PERIODS.get(schedule, _cron_period(schedule))


def _timedelta(call: cst.Call, document: Document) -> str:
    """Return the arguments of a ``timedelta`` as those of pendulum's ``add``, "" if it is no plain one."""
    parts = []
    for unit, argument in zip(_UNITS, call.args, strict=False):
        name = keyword(argument) or unit
        if name == "milliseconds" or not isinstance(argument.value, cst.Integer):
            return ""
        parts.append(f"{name}={document.code(argument.value)}")
    return ", ".join(parts)


def _cron_period(cron: str) -> str:
    match = _CRON.fullmatch(" ".join(cron.split()))
    if match is None or match[1] == "*":
        return ""
    _, hour, day, weekday = match.groups()
    if hour == "*":
        return "hours=1" if day == weekday == "*" else ""
    if day != "*":
        return "months=1" if weekday == "*" else ""
    return "days=1" if weekday == "*" else "weeks=1"
