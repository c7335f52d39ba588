"""What the tasks of a file push as XComs: under which key, as far as the text shows it."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from couture_workflow.services.upgrade.rewriting.callables import is_task_decorator
from couture_workflow.services.upgrade.rewriting.document import Document, is_none, keyword, text_of

RESULT = "return_value"
#: Operators that push their result, and nothing else.
_RESULT_ALONE = frozenset({"BashOperator", "SSHOperator", "SimpleHttpOperator", "HttpOperator"})
_CONTEXT = frozenset({"context", "kwargs", "ctx", "ti", "task_instance"})


class XComs(cst.CSTVisitor):
    """Collects the keys that each task pushes; None where the text does not show them all."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._functions: dict[str, list[cst.FunctionDef]] = {}
        self._classes: dict[str, cst.ClassDef] = {}
        self._tasks: dict[str, set[str] | None] = {}
        self._calls: list[tuple[str, cst.Call]] = []
        self._pushes = 0
        document.module.visit(self)
        for task_id, call in self._calls:
            keys = self._of_call(call)
            known = self._tasks.get(task_id, set())
            self._tasks[task_id] = None if keys is None or known is None else known | keys

    def key(self, task_ids: Iterable[str]) -> str:
        """Return the one key that tasks push, "" if it is not exactly one."""
        found: set[str] = set()
        for task_id in task_ids:
            keys = self._tasks.get(task_id)
            if keys is None:
                return ""
            found |= keys
        return found.pop() if len(found) == 1 else ""

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        """Note a class."""
        self._classes[node.name.value] = node

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        """Note a function; one with ``@task`` is a task of its name."""
        name = node.name.value
        self._functions.setdefault(name, []).append(node)
        for each in node.decorators:
            if is_task_decorator(each, self.document):
                given = each.decorator.args if isinstance(each.decorator, cst.Call) else ()
                told = [text_of(item.value) for item in given if keyword(item) == "task_id"]
                self._tasks[(told[0] if told else name) or name] = self._of_function(node)

    def visit_Call(self, node: cst.Call) -> None:
        """Note a task, or a push."""
        if isinstance(node.func, cst.Attribute) and node.func.attr.value == "xcom_push":
            self._pushes += 1
        for each in node.args:
            if keyword(each) == "task_id" and (task_id := text_of(each.value)):
                self._calls.append((task_id, node))

    def _of_call(self, call: cst.Call) -> set[str] | None:
        called = self.document.code(call.func).rpartition(".")[2]
        given = {keyword(each): each.value for each in call.args}
        function = given.get("python_callable")
        if isinstance(function, cst.Name):
            found = self._functions.get(function.value, [])
            return self._of_function(found[0]) if len(found) == 1 else None
        if called in self._classes:
            methods = [
                each
                for each in self._classes[called].body.body
                if isinstance(each, cst.FunctionDef) and each.name.value == "execute"
            ]
            return self._of_function(methods[0]) if methods else None
        return {RESULT} if called in _RESULT_ALONE else None

    def _of_function(self, node: cst.FunctionDef) -> set[str] | None:
        keys = _Keys()
        node.body.visit(keys)
        if keys.unknown or (keys.passed and self._pushes > keys.pushes):
            return None
        return keys.found


class _Keys(cst.CSTVisitor):
    """Collects the keys that the body of a function pushes."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.pushes = 0
        self.unknown = False
        self.passed = False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        """Leave inner functions out: what they do is not known."""
        self.passed = True
        return False

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        """Leave lambdas out."""
        return False

    def visit_Return(self, node: cst.Return) -> None:
        """Look at a result."""
        if node.value is not None and not is_none(node.value):
            self.found.add(RESULT)

    def visit_Call(self, node: cst.Call) -> None:
        """Look at a push, and at what is given the context."""
        if isinstance(node.func, cst.Attribute) and node.func.attr.value == "xcom_push":
            self.pushes += 1
            values = [each.value for each in node.args if keyword(each) == "key"]
            values = values or [each.value for each in node.args[:1] if not keyword(each) and not each.star]
            key = text_of(values[0]) if values else None
            self.unknown = self.unknown or not key
            self.found.add(key or "")
        for each in node.args:
            if isinstance(each.value, cst.Name) and each.value.value in _CONTEXT:
                self.passed = True


def task_ids_of(node: cst.BaseExpression) -> list[str]:
    """Return the ids of tasks that an expression names, none if it is not all of them."""
    elements = [each.value for each in node.elements] if isinstance(node, cst.List | cst.Tuple) else [node]
    names = [text_of(each) for each in elements]
    return [name for name in names if name] if all(names) else []
