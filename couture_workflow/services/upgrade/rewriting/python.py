"""The passes over one parsed file, in their order."""

from __future__ import annotations

from dataclasses import dataclass

from libcst import ParserSyntaxError

from couture_workflow.services.upgrade.rewriting.context import Context
from couture_workflow.services.upgrade.rewriting.dags import dag_calls, period, upgrade_dag
from couture_workflow.services.upgrade.rewriting.defaults import default_arguments
from couture_workflow.services.upgrade.rewriting.document import Document
from couture_workflow.services.upgrade.rewriting.imports import Imports, add_imports
from couture_workflow.services.upgrade.rewriting.sql import SqlTasks
from couture_workflow.services.upgrade.rewriting.strings import Strings
from couture_workflow.services.upgrade.rewriting.tasks import Tasks
from couture_workflow.services.upgrade.rewriting.xcoms import XComs
from couture_workflow.services.upgrade.text import problem

_UNDATED = (
    "This file uses the date of the run (ds, ts, logical_date): a run that the API triggers without a "
    "logical date has none, and its tasks fail."
)
_UNDATED_ADVICE = "Trigger it with a logical_date, or use dag_run.run_after, which every run has."


@dataclass(frozen=True)
class Rewritten:
    """A new text, with (line, message) of changes and (line, message, advice) of notes, in old lines.

    :param new_lines: what line each old one became.
    :param refused: the file is such that nothing of it can be changed.
    """

    text: str
    changes: tuple[tuple[int, str], ...] = ()
    notes: tuple[tuple[int, str, str], ...] = ()
    new_lines: tuple[int, ...] = ()
    refused: bool = False


def rewrite(text: str, *, old: bool) -> Rewritten:
    """Return a source with old names, arguments, templates and uses of the context brought up to date.

    :param text: a source that Python can parse, without a byte order mark.
    :param old: the file is of the days before Airflow 3, so its DAGs had the defaults of those days.
    """
    try:
        document = Document(text)
        if document.module.code != document.parsed:  # then no offset of a node could be trusted
            return _untouched(text, "The parser does not give this file back as it is.")
        _edit(document, old=old)
    except (ParserSyntaxError, RecursionError) as error:
        return _untouched(text, f"The file is too deeply nested to be upgraded ({type(error).__name__}).")
    result, new_lines = document.result()
    if problem(result) is not None:
        return _untouched(text, "The upgrade of this file would not be Python, so it was left as it is.")
    return Rewritten(result, tuple(document.changes), tuple(document.notes), new_lines)


def _edit(document: Document, *, old: bool) -> None:
    calls = dag_calls(document)
    between = period(document, calls)
    shared: set[int] = set()
    for call in calls:
        upgrade_dag(call, document, old=old, done=shared)
    sql = SqlTasks(document)
    default_arguments(document, sql)
    xcoms = XComs(document)
    context = Context(document, period=between)
    strings = Strings(document, period=between, xcoms=xcoms)
    for visitor in (Tasks(document, xcoms, sql), context, strings, Imports(document)):
        document.module.visit(visitor)
    dated = sorted([*context.dated, *strings.dated], key=document.line)
    if old and dated:
        document.note(dated[0], _UNDATED, _UNDATED_ADVICE)
    add_imports(document)


def _untouched(text: str, message: str) -> Rewritten:
    return Rewritten(text, notes=((1, message, "Upgrade it by hand."),), refused=True)
