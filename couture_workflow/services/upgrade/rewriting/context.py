"""What functions of tasks read of the context: keys that are gone, and what dates they ask runs for."""

from __future__ import annotations

from dataclasses import dataclass, field

import libcst as cst

from couture_workflow.services.upgrade.rewriting.callables import METHODS, Callables, parameters
from couture_workflow.services.upgrade.rewriting.document import Document, text_of
from couture_workflow.services.upgrade.rewriting.parameters import Parameters
from couture_workflow.services.upgrade.rewriting.runs import Runs
from couture_workflow.services.upgrade.rewriting.strings import is_earlier
from couture_workflow.services.upgrade.table import AMBIGUOUS, CONTEXT, CONTEXT_LOST, DATED

_ADVICE = "Compute it from logical_date, such as context['logical_date'].{}(days=1)."
_ADVICES = {
    "tables": "Give the task the value itself, such as with op_kwargs= or params=.",
    "conf": "Use conf of airflow.configuration; what a run was triggered with is dag_run.conf.",
    "test_mode": "Leave it out: Airflow 3 has no test mode.",
}
_CONF = "airflow_conf"
_CURRENT = "get_current_context"


@dataclass
class _Function:
    """A function that the visit is in.

    :param context: names that are the context.
    :param maybe: names that may be it.
    :param own: keys that the function is given by its own file.
    :param sure: the keys of the context are all that can be in it.
    """

    context: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    sure: bool = False


class Context(cst.CSTVisitor):
    """Visits functions and brings what they read of the context up to date.

    :param period: what lies between two runs, as arguments of pendulum's ``add``; "" if that is not known.
    """

    def __init__(self, document: Document, *, period: str) -> None:
        self.document = document
        self.period = period
        self.used = Callables(document)
        self.runs = Runs(document)
        self.dated: list[cst.CSTNode] = []
        self._parameters = Parameters(document, self._expression, self._gone)
        self._functions: list[_Function] = []
        self._classes: list[str] = []

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        """Enter a class."""
        self._classes.append(node.name.value)

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:
        """Leave a class."""
        self._classes.pop()

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        """Enter a function."""
        name = node.name.value
        found = _Function()
        places = [each.name.value for each in [*node.params.posonly_params, *node.params.params]]
        method = bool(self._classes) and isinstance(self.document.parent(self._block(node)), cst.ClassDef)
        if method:
            if name in METHODS and self._classes[-1] in self.used.operators and len(places) > 1:
                found.context.add(places[1])
                found.sure = True
        else:
            self._plain(node, found, places)
        called = not method and bool(self.used.of(name).called)
        if called:
            found.own |= self.used.of(name).own | self.used.of(name).given
        self._usual(node, found, called=called)
        self._drop_assigned(node, found)
        self._functions.append(found)
        self.runs.enter(node)
        everything = parameters(node)[0 if method else self.used.of(name).filled :]
        self.dated += [
            each
            for each in everything
            if found.sure and each.name.value in DATED and each.name.value not in found.own
        ]

    def _plain(self, node: cst.FunctionDef, found: _Function, places: list[str]) -> None:
        name = node.name.value
        used = self.used.of(name)
        once = self.used.defined[name] == 1
        if used.first and places and once:
            found.context.add(places[0])
            found.sure = True
        if not used.as_task:
            return
        certain = once and (not used.called or _is_decorated(node))
        found.own |= used.own | (used.given if _is_decorated(node) else set())
        found.sure = found.sure or (certain and not used.unknown)
        if node.params.star_kwarg is not None:
            (found.context if certain and not used.unknown else found.maybe).add(
                node.params.star_kwarg.name.value
            )
        self._parameters.function(node, used, certain=certain, own=found.own)

    def _usual(self, node: cst.FunctionDef | cst.Lambda, found: _Function, *, called: bool) -> None:
        """Take names that usually are the context; where the file calls the function they only may be it."""
        for each in parameters(node):
            if each.name.value == "context":
                found.context.add("context")
            elif each.name.value in {"ctx", "kwargs"}:
                found.maybe.add(each.name.value)
        if node.params.star_kwarg is not None:
            name = node.params.star_kwarg.name.value
            called = called or name in found.maybe
            (found.maybe if called and not found.sure else found.context).add(name)

    def _block(self, node: cst.CSTNode) -> cst.CSTNode:
        return self.document.parent(node)

    def _drop_assigned(self, node: cst.FunctionDef, found: _Function) -> None:
        """Take names that get another value out; add what ``get_current_context`` is assigned to."""
        assigned = _Assigned()
        node.body.visit(assigned)
        found.maybe |= found.context & assigned.other
        found.context -= assigned.other
        found.context |= assigned.current - assigned.other

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        """Leave a function."""
        self._functions.pop()
        self.runs.leave()

    def visit_Lambda(self, node: cst.Lambda) -> None:
        """Enter a lambda."""
        found = _Function()
        used = self.used.of_lambda(node)
        if used.first and node.params.params:
            found.context.add(node.params.params[0].name.value)
            found.sure = True
        if used.as_task:
            found.own, found.sure = used.own, not used.unknown
            self._parameters.of_lambda(node, used)
        self._usual(node, found, called=False)
        self._functions.append(found)
        self.runs.enter(node)

    def leave_Lambda(self, original_node: cst.Lambda) -> None:
        """Leave a lambda."""
        self._functions.pop()
        self.runs.leave()

    def visit_Subscript(self, node: cst.Subscript) -> None:
        """Look at ``context["execution_date"]``."""
        index = node.slice[0].slice if len(node.slice) == 1 else None
        if not isinstance(index, cst.Index) or not isinstance(index.value, cst.SimpleString):
            return
        key = text_of(index.value)
        if not key or not self._is_context(node, node.value, key):
            return
        if self._is_target(node):
            self._gone(node, key)
            return
        base, quote = self.document.code(node.value), index.value.quote
        if key == "test_mode":
            new = f"{base}.get({quote}test_mode{quote}, False)"
        elif key == "conf":
            self.document.imports.add(f"from airflow.configuration import conf as {_CONF}")
            new = _CONF
        elif not (expression := self._expression(key)):
            self._gone(node, key)
            return
        else:
            name, _, rest = expression.partition(".")
            new = f"{base}[{quote}{name}{quote}]" + (f".{rest}" if rest else "")
        self.document.replace(node, new)
        self.document.changed(node, f"the context has no {key!r}: {new}")

    def visit_Call(self, node: cst.Call) -> None:
        """Look at ``context.get("execution_date")``."""
        self.runs.call(node)
        function = node.func
        if not isinstance(function, cst.Attribute) or function.attr.value not in {"get", "pop"}:
            return
        first = node.args[0].value if node.args else None
        key = text_of(first)
        if not key or first is None or not self._is_context(node, function.value, key):
            return
        if key == "execution_date" and isinstance(first, cst.SimpleString):
            self._renamed(node, first)
        elif key != "test_mode":
            self._gone(node, key)

    def visit_Comparison(self, node: cst.Comparison) -> None:
        """Look at ``"execution_date" in context``."""
        key = text_of(node.left)
        target = node.comparisons[0]
        if not key or not isinstance(target.operator, cst.In | cst.NotIn):
            return
        if not self._is_context(node, target.comparator, key):
            return
        if key == "execution_date" and isinstance(node.left, cst.SimpleString):
            self._renamed(node, node.left)
        else:
            self._gone(node, key)

    def visit_Attribute(self, node: cst.Attribute) -> None:
        """Look at ``dag_run.execution_date`` and ``ti.execution_date``."""
        self.runs.attribute(node)

    def visit_Assign(self, node: cst.Assign) -> None:
        """Look at ``run = context["dag_run"]``."""
        self.runs.assigned(node)

    def _renamed(self, node: cst.CSTNode, key: cst.SimpleString) -> None:
        self.document.replace(key, f"{key.quote}logical_date{key.quote}")
        self.document.changed(node, "the context has no 'execution_date': it is 'logical_date'")

    def _is_context(self, whole: cst.CSTNode, node: cst.CSTNode, key: str) -> bool:
        """Tell whether an expression is the context, and the key one that is gone from it."""
        if key in DATED and self._named(node):
            self.dated.append(whole)
        if key not in CONTEXT and key not in CONTEXT_LOST:
            return False
        if isinstance(node, cst.Call) and self.document.code(node.func).endswith(_CURRENT):
            return True
        if not isinstance(node, cst.Name):
            return False
        for each in reversed(self._functions):
            if node.value in each.context | each.maybe:
                if key in each.own:
                    return False
                sure = each.sure or node.value == "context" or key not in AMBIGUOUS
                certain = node.value in each.context and sure
                if not certain:
                    self._uncertain(whole, self.document.code(node), key)
                return certain
        return False

    def _named(self, node: cst.CSTNode) -> bool:
        return isinstance(node, cst.Name) and any(node.value in each.context for each in self._functions)

    def _is_target(self, node: cst.CSTNode) -> bool:
        parent = self.document.parent(node)
        return isinstance(parent, cst.AssignTarget | cst.AugAssign | cst.AnnAssign | cst.Del) and not (
            isinstance(parent, cst.AugAssign | cst.AnnAssign) and parent.value is node
        )

    def _expression(self, key: str) -> str:
        """Return what a key is in Python, "" if that is not known."""
        expression = CONTEXT.get(key, "")
        if "|" in expression or ("{period}" in expression and not self.period):
            return ""
        return expression.format(period=self.period)

    def _gone(self, node: cst.CSTNode, key: str) -> None:
        self.document.note(node, f"The context of Airflow 3 has no {key!r}.", _advice(key))

    def _uncertain(self, node: cst.CSTNode, name: str, key: str) -> None:
        self.document.note(
            node,
            f"If {name} is the context of a task here: it has no {key!r} in Airflow 3.",
            f"Leave it if {key!r} is your own, else: {_advice(key)}",
        )


class _Assigned(cst.CSTVisitor):
    """Collects the names that a function assigns: the context itself, or something else."""

    def __init__(self) -> None:
        self.current: set[str] = set()
        self.other: set[str] = set()

    def visit_Assign(self, node: cst.Assign) -> None:
        """Look at an assignment."""
        value = node.value
        current = isinstance(value, cst.Call) and (
            isinstance(value.func, cst.Name)
            and value.func.value == _CURRENT
            or isinstance(value.func, cst.Attribute)
            and value.func.attr.value == _CURRENT
        )
        for each in node.targets:
            if isinstance(each.target, cst.Name):
                (self.current if current else self.other).add(each.target.value)

    def visit_For(self, node: cst.For) -> None:
        """Look at the name of a loop."""
        if isinstance(node.target, cst.Name):
            self.other.add(node.target.value)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        """Leave inner functions out."""
        return False


def _is_decorated(node: cst.FunctionDef) -> bool:
    return bool(node.decorators)


def _advice(key: str) -> str:
    return _ADVICES.get(key) or _ADVICE.format("subtract" if is_earlier(key) else "add")
