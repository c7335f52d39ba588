"""Parameters of functions that were named like keys of the context which are gone."""

from __future__ import annotations

from collections.abc import Callable as Function

import libcst as cst

from couture_workflow.services.upgrade.rewriting.callables import Callable, parameters
from couture_workflow.services.upgrade.rewriting.document import Document
from couture_workflow.services.upgrade.table import AMBIGUOUS, CONTEXT, CONTEXT_LOST


class Parameters:
    """Computes at the start of a function what it took as parameters that are gone.

    :param expression: what a key is in Python, "" if that is not known.
    :param gone: tells of a parameter that cannot be computed.
    """

    def __init__(
        self, document: Document, expression: Function[[str], str], gone: Function[[cst.CSTNode, str], None]
    ) -> None:
        self.document = document
        self.expression = expression
        self.gone = gone

    def _own(self, node: cst.FunctionDef, used: Callable, own: set[str]) -> None:
        """Tell of parameters that may as well be the function's own."""
        everything = parameters(node)
        for each in everything[used.filled :]:
            name = each.name.value
            if name in AMBIGUOUS and name not in own and each.default is None and not used.unknown:
                self.gone(each, name)

    def function(self, node: cst.FunctionDef, used: Callable, *, certain: bool, own: set[str]) -> None:
        """Bring the parameters of a function up to date.

        :param certain: the file shows all calls of the function.
        :param own: names that the file gives it a value for.
        """
        self._own(node, used, own)
        gone = self._gone(node, used, own)
        if not gone:
            return
        expressions = {each.name.value: self.expression(each.name.value) for each in gone}
        at = _first_statement(node)
        known = all(expression.startswith("logical_date") for expression in expressions.values())
        if at is None or not known or not certain or used.unknown or not _is_simple(node, gone):
            for each in gone:
                self.gone(each, each.name.value)
            return
        self._rename(node, gone)
        begin = self.document.line_start(at)
        indent = self.document.indent(begin)
        for name, expression in expressions.items():
            self.document.insert(begin, f"{indent}{name} = {expression}{self.document.newline}")
            self.document.changed(node, f"{node.name.value}: the context has no {name!r}: {expression}")

    def of_lambda(self, node: cst.Lambda, used: Callable) -> None:
        """Bring the parameters of a lambda up to date: the one name in it becomes the other."""
        gone = self._gone(node, used, used.own)
        names = [each.name.value for each in gone]
        if names != ["execution_date"] or used.unknown or not _is_simple(node, gone):
            for each in gone:
                self.gone(each, each.name.value)
            return
        found = _Names({"execution_date", "logical_date"})
        node.body.visit(found)
        if found.taken or any(each.value == "logical_date" for each in found.found):
            self.gone(gone[0], names[0])
            return
        for name in [gone[0].name, *found.found]:
            self.document.replace(name, "logical_date")
        self.document.changed(node, "lambda: the context has no 'execution_date': logical_date")

    def _gone(self, node: cst.FunctionDef | cst.Lambda, used: Callable, own: set[str]) -> list[cst.Param]:
        everything = parameters(node)
        filled = {each.name.value for each in everything[: used.filled]}
        return [
            each
            for each in everything
            if (each.name.value in CONTEXT or each.name.value in CONTEXT_LOST)
            and each.name.value not in own | filled | AMBIGUOUS
        ]

    def _rename(self, node: cst.FunctionDef, gone: list[cst.Param]) -> None:
        """Take ``logical_date`` in the place of the first parameter that is gone, leave out the others."""
        first, *others = gone
        self.document.replace(first.name, "logical_date")
        if others:
            self.document.remove(list(node.params.params), others)


class _Names(cst.CSTVisitor):
    """Collects uses of names, and whether an inner function or comprehension takes one for itself."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.found: list[cst.Name] = []
        self.taken = False

    def visit_Name(self, node: cst.Name) -> None:
        """Look at a name."""
        if node.value in self.names:
            self.found.append(node)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        """Look at what an attribute is of, not at its name."""
        node.value.visit(self)
        return False

    def visit_Arg(self, node: cst.Arg) -> bool:
        """Look at the value of an argument, not at its name."""
        node.value.visit(self)
        return False

    def visit_Param(self, node: cst.Param) -> None:
        """Look at what an inner lambda takes."""
        self.taken = self.taken or node.name.value in self.names

    def visit_CompFor(self, node: cst.CompFor) -> None:
        """Look at what a comprehension takes."""
        inner = _Names(self.names)
        node.target.visit(inner)
        self.taken = self.taken or bool(inner.found)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        """Look at what is assigned inside of an expression."""
        self.taken = self.taken or (isinstance(node.target, cst.Name) and node.target.value in self.names)


def _is_simple(node: cst.FunctionDef | cst.Lambda, gone: list[cst.Param]) -> bool:
    """Tell whether parameters can be replaced: all among the plain ones, without values of their own."""
    plain = node.params.params
    return (
        all(any(each is other for other in plain) for each in gone)
        and all(each.default is None or each.name.value == "execution_date" for each in gone)
        and all(each.name.value != "logical_date" for each in parameters(node))
    )


def _first_statement(node: cst.FunctionDef) -> cst.BaseStatement | None:
    """Return the first statement of a function behind its docstring, None if nothing can be put before it."""
    if not isinstance(node.body, cst.IndentedBlock):
        return None
    body = list(node.body.body)
    first = body[0]
    if isinstance(first, cst.SimpleStatementLine) and isinstance(first.body[0], cst.Expr):
        if isinstance(first.body[0].value, cst.SimpleString | cst.ConcatenatedString):
            body = body[1:]
    return body[0] if body else None
