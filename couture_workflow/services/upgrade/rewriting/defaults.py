"""The dicts of default arguments that a DAG gives to its tasks."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from couture_workflow.services.upgrade.rewriting.arguments import Arguments, of_dict, task_arguments
from couture_workflow.services.upgrade.rewriting.document import Document, keyword
from couture_workflow.services.upgrade.rewriting.sql import SqlTasks


def default_arguments(document: Document, sql: SqlTasks) -> None:
    """Bring the dicts of default arguments up to date."""
    names = _Names()
    document.module.visit(names)
    dicts = _Dicts(document, names.found)
    document.module.visit(dicts)
    every = [Arguments(document, items, what="default_args") for items in [*names.dicts, *dicts.found]]
    sql.defaults(every)
    for arguments in every:
        for name in ("schedule_interval", "schedule"):
            if name in arguments.given:
                document.note(
                    arguments.given[name].node,
                    f"{name} in default_args never had an effect: it is an argument of the DAG.",
                    "Give it to DAG(...) if it is meant, else remove it.",
                )
        task_arguments(arguments)
        arguments.finish()


class _Names(cst.CSTVisitor):
    """Collects what is given as ``default_args=``: names, and dicts that are written there."""

    def __init__(self) -> None:
        self.found = {"default_args"}
        self.dicts: list[Sequence[cst.CSTNode]] = []

    def visit_Arg(self, node: cst.Arg) -> None:
        """Look at one argument."""
        if keyword(node) != "default_args":
            return
        if isinstance(node.value, cst.Name):
            self.found.add(node.value.value)
        elif (items := of_dict(node.value)) is not None:
            self.dicts.append(items)


class _Dicts(cst.CSTVisitor):
    """Collects the dicts that are assigned to the names, or that these are updated by."""

    def __init__(self, document: Document, names: set[str]) -> None:
        self.document = document
        self.names = names
        self.found: list[Sequence[cst.CSTNode]] = []

    def visit_Assign(self, node: cst.Assign) -> None:
        """Look at an assignment."""
        for each in node.targets:
            self._assigned(each.target, node.value)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        """Look at an assignment with a type."""
        if node.value is not None:
            self._assigned(node.target, node.value)

    def visit_Call(self, node: cst.Call) -> None:
        """Look at ``default_args.update(...)``."""
        function = node.func
        if isinstance(function, cst.Attribute) and function.attr.value == "update" and node.args:
            if isinstance(function.value, cst.Name) and function.value.value in self.names:
                items = of_dict(node.args[0].value)
                self.found.append(node.args if items is None else items)

    def _assigned(self, target: cst.CSTNode, value: cst.CSTNode) -> None:
        if isinstance(target, cst.Name) and target.value in self.names:
            if (items := of_dict(value)) is not None:
                self.found.append(items)
