"""Strings of a DAG file that are templates."""

from __future__ import annotations

import libcst as cst

from couture_workflow.services.upgrade.document import Document
from couture_workflow.services.upgrade.templates import names_in, rewrite

_ADVICE = "Write it with logical_date, such as {{ logical_date.add(days=1) | ds }}."


class Strings(cst.CSTVisitor):
    """Visits strings and brings the templates in them up to date.

    :param period: what lies between two runs, as arguments of pendulum's ``add``; "" if that is not known.
    """

    def __init__(self, document: Document, *, period: str) -> None:
        self.document = document
        self.period = period

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        """Look at a plain string."""
        if "b" not in node.prefix.lower():
            self._rewrite(node, doubled=False)

    def visit_FormattedString(self, node: cst.FormattedString) -> None:
        """Look at an f-string, whose templates have doubled braces and may have values in them."""
        left: list[str] = []
        for part in node.parts:
            if isinstance(part, cst.FormattedStringText):
                left += self._rewrite(part, doubled=True)
        code = self.document.code(node)
        apart = len([part for part in node.parts if isinstance(part, cst.FormattedStringText)]) > 1
        if apart and ("{{{{" in code or "{{%" in code):
            whole = [name for name in names_in(code) if name not in left]
            done = "".join(
                rewrite(part.value, period=self.period, doubled=True)[0]
                for part in node.parts
                if isinstance(part, cst.FormattedStringText)
            )
            self._tell(node, [name for name in whole if name in names_in(done)])

    def _rewrite(self, node: cst.SimpleString | cst.FormattedStringText, *, doubled: bool) -> list[str]:
        new, left = rewrite(node.value, period=self.period, doubled=doubled)
        if new != node.value:
            self.document.replace(node, new)
            self.document.changed(node, "template: variables of the context that are gone replaced")
        self._tell(node, left)
        return left

    def _tell(self, node: cst.CSTNode, names: list[str]) -> None:
        for name in dict.fromkeys(names):
            self.document.note(node, f"This template uses {name}, which Airflow 3 does not have.", _ADVICE)
