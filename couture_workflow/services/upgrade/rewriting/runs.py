"""What a file asks of runs, task instances and DAGs, which are other objects in Airflow 3."""

from __future__ import annotations

import libcst as cst

from couture_workflow.services.upgrade.rewriting.callables import parameters
from couture_workflow.services.upgrade.rewriting.document import Document, keyword, text_of
from couture_workflow.services.upgrade.table import (
    ATTRIBUTES_GONE,
    DAG_GONE,
    RUN_GONE,
    TASK_INSTANCE_GONE,
)

RUN, INSTANCE, DAG = "dag_run", "ti", "dag"
_KINDS = {"dag_run": RUN, "ti": INSTANCE, "task_instance": INSTANCE, "dag": DAG}
_CALLED = {RUN: "A run", INSTANCE: "A task instance", DAG: "A DAG"}
_NO_DATE = "A task instance of Airflow 3 has no execution_date."
_MANUAL = "not in ({0}scheduled{0}, {0}backfill{0})"


class Runs:
    """Knows which names are runs and task instances, and brings their attributes up to date."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._names: list[dict[str, str]] = []

    def enter(self, node: cst.FunctionDef | cst.Lambda) -> None:
        """Enter a function."""
        self._names.append(
            {
                each.name.value: _KINDS[each.name.value]
                for each in parameters(node)
                if each.name.value in _KINDS
            }
        )

    def leave(self) -> None:
        """Leave a function."""
        self._names.pop()

    def assigned(self, node: cst.Assign) -> None:
        """Look at an assignment: ``run = context["dag_run"]`` makes the name a run, another unmakes it."""
        if not self._names:
            return
        kind = self._kind(node.value)
        for each in node.targets:
            if isinstance(each.target, cst.Name):
                if kind:
                    self._names[-1][each.target.value] = kind
                else:
                    self._names[-1].pop(each.target.value, None)

    def attribute(self, node: cst.Attribute) -> None:
        """Look at an attribute."""
        name = node.attr.value
        kind = self._kind(node.value)
        if advice := ATTRIBUTES_GONE.get(kind, {}).get(name):
            self.document.note(node, f"{_CALLED[kind]} has no {name} in tasks of Airflow 3.", advice)
        if name not in {"execution_date", "external_trigger"}:
            return
        if name == "external_trigger":
            self._external(node, kind)
        elif kind == RUN:
            self.document.replace(node.attr, "logical_date")
            self.document.changed(node, "dag_run.execution_date is now dag_run.logical_date")
        elif kind == INSTANCE:
            self._of_task(node)
        elif not self._is_own(node.value):
            self.document.note(
                node,
                f"If {self.document.code(node.value)} is a run or a task instance here: it has no "
                "execution_date in Airflow 3.",
                "A run has logical_date; for a task instance use context['logical_date'].",
            )

    def call(self, node: cst.Call) -> None:
        """Look at what a DAG or a task instance is asked for."""
        function = node.func
        if not isinstance(function, cst.Attribute):
            return
        name, kind = function.attr.value, self._kind(function.value)
        if name == "xcom_push" and (len(node.args) > 2 or "execution_date" in map(keyword, node.args)):
            self._pushed_later(node)
        if name in RUN_GONE and kind == RUN:
            self.document.note(node, f"A run has no {name}() in tasks of Airflow 3.", RUN_GONE[name])
        if name in DAG_GONE and (kind == DAG or self.document.code(function.value).endswith("dag")):
            self.document.note(node, f"A DAG has no {name}() in tasks of Airflow 3.", DAG_GONE[name])
        elif name in TASK_INSTANCE_GONE and kind == INSTANCE:
            self.document.note(
                node, f"A task instance has no {name}() in Airflow 3.", TASK_INSTANCE_GONE[name]
            )

    def _pushed_later(self, node: cst.Call) -> None:
        if any(each.star for each in node.args):
            return
        self.document.note(
            node,
            "xcom_push has no execution_date in Airflow 3: the task would fail.",
            "Take it out: what is pushed is seen at once.",
        )

    def _external(self, node: cst.Attribute, kind: str) -> None:
        if kind == RUN and not self._in_string(node) and not self._is_target(node):
            new = f"({self.document.code(node.value)}.run_type {_MANUAL.format(chr(34))})"
            self.document.replace(node, new)
            self.document.changed(node, f"a run has no external_trigger: {new}")
        elif not self._is_own(node.value):
            self.document.note(
                node,
                "A run has no external_trigger in Airflow 3.",
                'Ask its type: dag_run.run_type not in ("scheduled", "backfill").',
            )

    def _of_task(self, node: cst.Attribute) -> None:
        base = node.value
        if isinstance(base, cst.Subscript):
            index = base.slice[0].slice
            key = index.value if isinstance(index, cst.Index) else None
            quote = key.quote if isinstance(key, cst.SimpleString) else "'"
            new = f"{self.document.code(base.value)}[{quote}logical_date{quote}]"
        elif self._in_string(node):
            self.document.note(node, _NO_DATE, "Use context['logical_date'].")
            return
        else:
            new = f'{self.document.code(base)}.get_template_context()["logical_date"]'
        self.document.replace(node, new)
        self.document.changed(node, f"a task instance has no execution_date: {new}")

    def _kind(self, node: cst.CSTNode) -> str:
        """Return what an expression is: a name that is known, or ``context["dag_run"]``."""
        if isinstance(node, cst.Name):
            return next((names[node.value] for names in reversed(self._names) if node.value in names), "")
        key: str | None = None
        if isinstance(node, cst.Subscript) and isinstance(node.slice[0].slice, cst.Index):
            key = text_of(node.slice[0].slice.value) if self._names else None
        elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.args:
            if node.func.attr.value == "get" and self._names:
                key = text_of(node.args[0].value)
        return _KINDS.get(key or "", "")

    def _is_own(self, node: cst.CSTNode) -> bool:
        """Tell whether an expression is an object of the file itself: ``self``, or a name of its top."""
        return self.document.code(node) in {"self", "cls", "params", "args"} or self._in_import(node)

    def _in_import(self, node: cst.CSTNode) -> bool:
        return isinstance(self.document.parent(node), cst.ImportFrom | cst.ImportAlias)

    def _in_string(self, node: cst.CSTNode) -> bool:
        while not isinstance(node, cst.Module):
            if isinstance(node, cst.FormattedString):
                return True
            node = self.document.parent(node)
        return False

    def _is_target(self, node: cst.CSTNode) -> bool:
        return isinstance(self.document.parent(node), cst.AssignTarget | cst.Del)
