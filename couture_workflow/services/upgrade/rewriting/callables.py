"""Which functions of a file are given the context, how they are given it, and what they are given besides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst

from couture_workflow.services.upgrade.rewriting.arguments import of_dict
from couture_workflow.services.upgrade.rewriting.document import Document, keyword, text_of

#: Methods of operators and sensors whose first argument is the context.
METHODS = frozenset({"execute", "poke", "pre_execute", "post_execute", "choose_branch"})
_TRIGGERS = frozenset({"TriggerDagRunOperator", "DagOperator"})
_TASK = ("airflow.decorators.task", "airflow.sdk.task")


@dataclass
class Callable:
    """What the file does with one of its functions.

    :param as_task: a task calls it: with the keys of the context that it asks for, by their names.
    :param first: it is called with the context as the first argument.
    :param own: names that the file itself gives it a value for.
    :param filled: how many parameters ``op_args`` fills, by their place.
    :param unknown: it is given values that the text does not show.
    :param called: how often the file calls it itself.
    :param given: names that those calls give it a value for.
    """

    as_task: bool = False
    first: bool = False
    own: set[str] = field(default_factory=set)
    filled: int = 0
    unknown: bool = False
    called: int = 0
    given: set[str] = field(default_factory=set)


class Callables(cst.CSTVisitor):
    """Collects what each function of a file is used for, by name; lambdas by themselves."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found: dict[str, Callable] = {}
        self.lambdas: list[tuple[cst.Lambda, Callable]] = []
        self.defined: Counter[str] = Counter()
        self.operators: set[str] = set()
        document.module.visit(self)

    def of(self, name: str) -> Callable:
        """Return what is known of a function."""
        return self.found.setdefault(name, Callable())

    def of_lambda(self, node: cst.Lambda) -> Callable:
        """Return what is known of a lambda."""
        return next((used for other, used in self.lambdas if other is node), Callable())

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        """Look for ``@task``, and for methods that are given the context."""
        name = node.name.value
        self.defined[name] += 1
        if any(is_task_decorator(each, self.document) for each in node.decorators):
            self.of(name).as_task = True

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        """Note the classes that are operators or sensors."""
        for base in node.bases:
            last = self.document.code(base.value).rpartition(".")[2]
            if last.endswith(("Operator", "Sensor", "Mixin")) or last in self.operators:
                self.operators.add(node.name.value)

    def visit_Call(self, node: cst.Call) -> None:
        """Look for functions that are given to tasks, and for those that the file calls itself."""
        if isinstance(node.func, cst.Name):
            used = self.of(node.func.value)
            used.called += 1
            used.given |= {keyword(each) for each in node.args if keyword(each)}
            used.filled = max(used.filled, sum(not keyword(each) and not each.star for each in node.args))
            used.unknown = used.unknown or any(each.star for each in node.args)
        given = {keyword(each): each.value for each in node.args}
        for name, value in given.items():
            self._given(name, value, given, self.document.code(node.func).rpartition(".")[2])

    def visit_DictElement(self, node: cst.DictElement) -> None:
        """Look for callbacks in default arguments."""
        self._given(text_of(node.key) or "", node.value, {}, "")

    def _given(
        self, name: str, value: cst.BaseExpression, given: dict[str, cst.BaseExpression], called: str
    ) -> None:
        callback = name.startswith("on_") and name.endswith("_callback")
        if name != "python_callable" and not callback:
            return
        for used in self._uses(value):
            if callback or called in _TRIGGERS:
                used.first = True
            else:
                used.as_task = True
                self._arguments(used, given)

    def _uses(self, value: cst.BaseExpression) -> Iterator[Callable]:
        elements = value.elements if isinstance(value, cst.List | cst.Tuple) else ()
        for each in [value, *(element.value for element in elements)]:
            if isinstance(each, cst.Name):
                yield self.of(each.value)
            elif isinstance(each, cst.Lambda):
                self.lambdas.append((each, Callable()))
                yield self.lambdas[-1][1]

    def _arguments(self, used: Callable, given: dict[str, cst.BaseExpression]) -> None:
        if "op_kwargs" in given:
            names = names_of(value_of(given["op_kwargs"], self.document))
            used.unknown = used.unknown or names is None
            used.own |= names or set()
        places = given.get("op_args")
        if isinstance(places, cst.List | cst.Tuple):
            used.filled = max(used.filled, len(places.elements))
        elif places is not None:
            used.unknown = True


def names_of(value: cst.BaseExpression) -> set[str] | None:
    """Return the keys of a dict that is written out, None if the text does not show all of them."""
    items = of_dict(value)
    if items is None:
        return None
    names: set[str] = set()
    for item in items:
        name = keyword(item) if isinstance(item, cst.Arg) else ""
        if isinstance(item, cst.DictElement):
            name = text_of(item.key) or ""
        if not name:
            return None
        names.add(name)
    return names


def value_of(node: cst.BaseExpression, document: Document) -> cst.BaseExpression:
    """Return the one value that a name has at the top of the file, any other expression as it is."""
    values = [
        small.value
        for statement in document.module.body
        if isinstance(node, cst.Name) and isinstance(statement, cst.SimpleStatementLine)
        for small in statement.body
        if isinstance(small, cst.Assign)
        and any(
            isinstance(each.target, cst.Name) and each.target.value == node.value for each in small.targets
        )
    ]
    return values[0] if len(values) == 1 else node


def is_task_decorator(node: cst.Decorator, document: Document) -> bool:
    """Tell whether a decorator makes a task of a function."""
    function = node.decorator.func if isinstance(node.decorator, cst.Call) else node.decorator
    return any(name.startswith(_TASK) for name in document.names(function))


def parameters(node: cst.FunctionDef | cst.Lambda) -> list[cst.Param]:
    """Return the parameters that have names, in their order."""
    given = node.params
    return [*given.posonly_params, *given.params, *given.kwonly_params]
