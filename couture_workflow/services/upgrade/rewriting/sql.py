"""Operators that were of one database and are ``SQLExecuteQueryOperator`` now: their connection."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from couture_workflow.services.upgrade.rewriting.arguments import Arguments
from couture_workflow.services.upgrade.rewriting.document import Document, is_none
from couture_workflow.services.upgrade.table import OLD_MODULE, OWN_CONNECTION, SQL, Sql

_UNKNOWN = (
    "{} took the connection {!r} where none was named; its successor takes none, and the file does not show "
    "which is meant."
)


class SqlTasks(cst.CSTVisitor):
    """Knows which tasks of a file are of one database, and what default arguments say of their connection."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.used: set[Sql] = set()
        self.shared = False  # other tasks may take conn_id too
        self._renamed: set[str] = set()
        self._literals: dict[str, str] = {}
        self._uncertain: set[str] = set()
        document.module.visit(self)

    def visit_Call(self, node: cst.Call) -> None:
        """Note a task."""
        called = self.document.code(node.func).rpartition(".")[2]
        if spec := self.spec(node.func):
            self.used.add(spec)
        elif called.endswith(("Operator", "Sensor", "Transfer")) and called not in OWN_CONNECTION:
            self.shared = True

    def spec(self, node: cst.CSTNode) -> Sql | None:
        """Return what is known of the class that an expression names, None if it is not of one database."""
        for full in self.document.names(node):
            module, _, name = full.removesuffix(".partial").rpartition(".")
            if OLD_MODULE.fullmatch(module) and name in SQL:
                return SQL[name]
        return None

    def defaults(self, every: Sequence[Arguments]) -> None:
        """Bring the connections in default arguments up to date.

        :param every: all dicts of default arguments of the file.
        """
        for spec in sorted(self.used, key=lambda each: each.argument):
            having = [each for each in every if spec.argument in each.given]
            if not having or any("conn_id" in each.given for each in having):
                continue
            if len(self.used) == 1 and not self.shared:
                for each in having:
                    each.rename(spec.argument, "conn_id")
                self._renamed.add(spec.argument)
                if len(having) < len(every):
                    self._uncertain.add(spec.argument)
                continue
            value = having[0].given[spec.argument].value
            if len(every) == 1 and isinstance(value, cst.SimpleString):
                self._literals[spec.argument] = self.document.code(value)
            else:
                self._uncertain.add(spec.argument)

    def task(self, call: cst.Call, called: str, spec: Sql, arguments: Arguments, *, write: bool) -> None:
        """Bring the connection of one task up to date.

        :param write: the old default is written out where no connection is named.
        """
        given = arguments.given.get(spec.argument)
        if given is not None and is_none(given.value):
            self.document.note(given.node, _UNKNOWN.format(called, spec.default), "Name it with conn_id=.")
        arguments.rename(spec.argument, "conn_id")
        hook = [name for name in spec.hook if name in arguments.given]
        if hook and "hook_params" not in arguments.given:
            values = ", ".join(
                f'"{name}": {self.document.code(arguments.given[name].value)}' for name in hook
            )
            for name in hook:
                arguments.drop(name, because="it goes into hook_params=")
            arguments.add(call, f"hook_params={{{values}}}")
        if "runtime_parameters" in arguments.given:
            self.document.note(
                arguments.given["runtime_parameters"].node,
                f"{called}: runtime_parameters= is gone.",
                "Give hook_params={'options': '-c name=value'} in its place.",
            )
        if not write or given is not None or "conn_id" in arguments.given:
            return
        if any(each.star for each in call.args) or spec.argument in self._uncertain or called == "partial":
            self.document.note(call, _UNKNOWN.format(called, spec.default), "Name it with conn_id=.")
        elif spec.argument in self._literals:
            arguments.add(call, f"conn_id={self._literals[spec.argument]}")
        elif spec.argument not in self._renamed:
            quote = "'" if "'" in self.document.code(call) else '"'
            arguments.add(call, f"conn_id={quote}{spec.default}{quote}")
            self.document.changed(call, f"{called}: its connection was {spec.default}; written out")

    def derived(self, node: cst.ClassDef, base: cst.CSTNode) -> None:
        """Tell of a class that is made on one of one database."""
        if spec := self.spec(base):
            self.document.note(
                node,
                f"{node.name.value} is made on an operator that is {spec.successor} now: its connection is "
                f"conn_id=, no longer {spec.argument}=, and without one there is none.",
                f"Give super().__init__(conn_id=...) the connection; it was {spec.default!r} by default. An "
                f"attribute self.{spec.argument} is self.conn_id now.",
            )
