"""What functions of tasks read of the context: keys that are gone, and parameters named like them."""

from __future__ import annotations

import libcst as cst

from couture_workflow.services.upgrade.arguments import of_dict
from couture_workflow.services.upgrade.document import Document, keyword, text_of
from couture_workflow.services.upgrade.table import AMBIGUOUS, CONTEXT, CONTEXT_LOST

_USUAL = frozenset({"context", "ctx", "kwargs"})
_METHODS = frozenset({"execute", "poke", "pre_execute", "post_execute"})
_ADVICE = "Compute it from logical_date, such as context['logical_date'].add(days=1)."


class Callbacks(cst.CSTVisitor):
    """Collects the names of functions that tasks call with the context, and the arguments of their own."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.own: dict[str, set[str]] = {}

    def visit_Call(self, node: cst.Call) -> None:
        """Look for ``python_callable=`` and its ``op_kwargs=``, and for ``on_..._callback=``."""
        given = {keyword(each): each.value for each in node.args}
        for name, value in given.items():
            if name == "python_callable" or (name.startswith("on_") and name.endswith("_callback")):
                if isinstance(value, cst.Name):
                    self.names.add(value.value)
                    items = of_dict(given["op_kwargs"]) if "op_kwargs" in given else ()
                    known = {
                        text_of(each.key) or "" for each in items or () if isinstance(each, cst.DictElement)
                    }
                    known |= {keyword(each) for each in items or () if isinstance(each, cst.Arg)}
                    self.own.setdefault(value.value, set()).update(known)


class Context(cst.CSTVisitor):
    """Visits functions and brings what they read of the context up to date.

    :param period: what lies between two runs, as arguments of pendulum's ``add``; "" if that is not known.
    """

    def __init__(self, document: Document, *, period: str) -> None:
        self.document = document
        self.period = period
        self.callbacks = Callbacks()
        document.module.visit(self.callbacks)
        self._functions: list[tuple[str, set[str]]] = []

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        """Enter a function."""
        name = node.name.value
        if any(_is_task_decorator(each, self.document) for each in node.decorators):
            self.callbacks.names.add(name)
        known = {each.name.value for each in _parameters(node)} & _USUAL
        if node.params.star_kwarg is not None:
            known.add(node.params.star_kwarg.name.value)
        if name in self.callbacks.names | _METHODS:
            known |= {each.name.value for each in node.params.params[:2]} - {"self"}
            self._named_parameters(node)
        self._functions.append((name, known))

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        """Leave a function."""
        self._functions.pop()

    def visit_Lambda(self, node: cst.Lambda) -> None:
        """Enter a lambda."""
        known = {each.name.value for each in node.params.params} & _USUAL
        if node.params.star_kwarg is not None:
            known.add(node.params.star_kwarg.name.value)
        self._functions.append(("", known))

    def leave_Lambda(self, original_node: cst.Lambda) -> None:
        """Leave a lambda."""
        self._functions.pop()

    def visit_Subscript(self, node: cst.Subscript) -> None:
        """Look at ``context["execution_date"]``."""
        index = node.slice[0].slice if len(node.slice) == 1 else None
        if not isinstance(index, cst.Index) or not isinstance(index.value, cst.SimpleString):
            return
        key = text_of(index.value)
        if not key or not self._is_context(node.value, key):
            return
        expression = self._expression(key)
        if not expression:
            self._gone(node, key)
            return
        quote = index.value.quote
        base, _, rest = expression.partition(".")
        new = f"{self.document.code(node.value)}[{quote}{base}{quote}]" + (f".{rest}" if rest else "")
        self.document.replace(node, new)
        self.document.changed(node, f"the context has no {key!r}: {new}")

    def visit_Call(self, node: cst.Call) -> None:
        """Look at ``context.get("execution_date")``."""
        function = node.func
        if not isinstance(function, cst.Attribute) or function.attr.value not in {"get", "pop"}:
            return
        first = node.args[0].value if node.args else None
        key = text_of(first)
        if not key or first is None or not self._is_context(function.value, key):
            return
        if key == "execution_date" and isinstance(first, cst.SimpleString):
            self.document.replace(first, f"{first.quote}logical_date{first.quote}")
            self.document.changed(node, "the context has no 'execution_date': it is 'logical_date'")
        else:
            self._gone(node, key)

    def visit_Attribute(self, node: cst.Attribute) -> None:
        """Look at ``dag_run.execution_date`` and ``ti.execution_date``."""
        if node.attr.value != "execution_date" or not self._functions:
            return
        base, name = node.value, ""
        if isinstance(base, cst.Name):
            name = base.value
        elif isinstance(base, cst.Subscript) and isinstance(base.slice[0].slice, cst.Index):
            name = text_of(base.slice[0].slice.value) or ""
        if name == "dag_run":
            self.document.replace(node.attr, "logical_date")
            self.document.changed(node, "dag_run.execution_date is now dag_run.logical_date")
        elif name in {"ti", "task_instance"}:
            self._of_task(node, base)

    def _of_task(self, node: cst.Attribute, base: cst.BaseExpression) -> None:
        if isinstance(base, cst.Subscript):
            index = base.slice[0].slice
            quote = (
                index.value.quote
                if isinstance(index, cst.Index) and isinstance(index.value, cst.SimpleString)
                else "'"
            )
            new = f"{self.document.code(base.value)}[{quote}logical_date{quote}]"
        elif self._in_string(node):
            self.document.note(node, "A task instance has no execution_date.", "Use context['logical_date'].")
            return
        else:
            new = f'{self.document.code(base)}.get_template_context()["logical_date"]'
        self.document.replace(node, new)
        self.document.changed(node, f"a task instance has no execution_date: {new}")

    def _in_string(self, node: cst.CSTNode) -> bool:
        while not isinstance(node, cst.Module):
            if isinstance(node, cst.FormattedString):
                return True
            node = self.document.parent(node)
        return False

    def _is_context(self, node: cst.CSTNode, key: str) -> bool:
        """Tell whether an expression is the context, and the key one that is gone from it."""
        if key not in CONTEXT and key not in CONTEXT_LOST:
            return False
        if not isinstance(node, cst.Name):
            return False
        for name, known in reversed(self._functions):
            if node.value in known:
                if key in self.callbacks.own.get(name, ()):
                    return False
                return key not in AMBIGUOUS or name in self.callbacks.names | _METHODS
        return False

    def _expression(self, key: str) -> str:
        """Return what a key is in Python, "" if that is not known."""
        expression = CONTEXT.get(key, "")
        if "|" in expression or ("{period}" in expression and not self.period):
            return ""
        return expression.format(period=self.period)

    def _gone(self, node: cst.CSTNode, key: str) -> None:
        self.document.note(node, f"The context of Airflow 3 has no {key!r}.", _ADVICE)

    def _named_parameters(self, node: cst.FunctionDef) -> None:
        """Compute at the start of a function what it took as parameters that are gone."""
        own = self.callbacks.own.get(node.name.value, set())
        gone = [
            each
            for each in _parameters(node)
            if (each.name.value in CONTEXT or each.name.value in CONTEXT_LOST)
            and each.name.value not in own | AMBIGUOUS
        ]
        if not gone:
            return
        expressions = {each.name.value: self._expression(each.name.value) for each in gone}
        at = _first_statement(node)
        known = all(expression.startswith("logical_date") for expression in expressions.values())
        if at is None or not known or not _is_simple(node, gone):
            for each in gone:
                self._gone(each, each.name.value)
            return
        self._rename(node, gone)
        begin = self.document.line_start(at)
        indent = self.document.indent(begin)
        for name, expression in expressions.items():
            self.document.insert(begin, f"{indent}{name} = {expression}{self.document.newline}")
            self.document.changed(node, f"{node.name.value}: the context has no {name!r}: {expression}")

    def _rename(self, node: cst.FunctionDef, gone: list[cst.Param]) -> None:
        """Take ``logical_date`` in the place of the first parameter that is gone, leave out the others."""
        first, *others = gone
        self.document.replace(first.name, "logical_date")
        if others:
            self.document.remove(list(node.params.params), others)


def _parameters(node: cst.FunctionDef) -> list[cst.Param]:
    return [*node.params.params, *node.params.kwonly_params]


def _is_simple(node: cst.FunctionDef, gone: list[cst.Param]) -> bool:
    """Tell whether parameters can be replaced: all among the plain ones, without values of their own."""
    plain = node.params.params
    return (
        all(any(each is other for other in plain) for each in gone)
        and all(each.default is None or each.name.value == "execution_date" for each in gone)
        and all(each.name.value != "logical_date" for each in _parameters(node))
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


def _is_task_decorator(node: cst.Decorator, document: Document) -> bool:
    function = node.decorator.func if isinstance(node.decorator, cst.Call) else node.decorator
    return any(
        name.startswith(("airflow.decorators.task", "airflow.sdk.task")) for name in document.names(function)
    )
