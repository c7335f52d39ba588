"""Strings of a DAG file that are templates."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from couture_workflow.services.upgrade.rewriting.callables import names_of, value_of
from couture_workflow.services.upgrade.rewriting.document import Document, keyword, text_of
from couture_workflow.services.upgrade.rewriting.xcoms import XComs
from couture_workflow.services.upgrade.templates import Rewritten, Rules, names_in, rewrite

ADVICE = "Write it with logical_date, such as {{ logical_date.add(days=1) | ds }}."
ADVICE_EARLIER = "Write it with logical_date, such as {{ logical_date.subtract(days=1) | ds }}."
ADVICES = {
    "conf": "Give the value to the task itself, such as with params=, or read it with {{ var.value.name }}.",
    "test_mode": "Leave it out: Airflow 3 has no test mode.",
    "dag_run.external_trigger": "Ask the type of the run: dag_run.run_type.",
}
UNCERTAIN = "If this is a template of Airflow: it uses {}, which Airflow 3 does not have."
_UNCERTAIN_ADVICE = "Leave it if {0} is your own; as a template of Airflow write {1} in its place."
PULLS = (
    "This template asks for an XCom with key=None, which Airflow 3 refuses, and the file does not show "
    "exactly one key."
)
PULLS_ADVICE = "Write the key that the task pushes, such as key='return_value' for its result."
#: Functions whose templates are not Airflow's.
_FOREIGN = frozenset({"Template", "NativeTemplate", "from_string", "render", "render_template_string"})


class Strings(cst.CSTVisitor):
    """Visits strings and brings the templates in them up to date.

    :param period: what lies between two runs, as arguments of pendulum's ``add``; "" if that is not known.
    """

    def __init__(self, document: Document, *, period: str, xcoms: XComs) -> None:
        self.document = document
        self.dated: list[cst.CSTNode] = []
        macros = Macros(document)
        self._foreign = macros.foreign
        self._unknown = macros.unknown
        self._rules = Rules(period=period, own=frozenset(macros.own), key=xcoms.key)

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        """Look at a plain string."""
        if isinstance(self.document.parent(node), cst.Expr):
            return  # a docstring
        if "b" not in node.prefix.lower() and ("{{" in node.value or "{%" in node.value):
            self._rewrite(node, replace(self._rules_at(node), quote="'" if node.quote[0] == '"' else '"'))

    def visit_FormattedString(self, node: cst.FormattedString) -> None:
        """Look at an f-string, whose templates have doubled braces and may have values in them."""
        parts = [part for part in node.parts if isinstance(part, cst.FormattedStringText)]
        rules = replace(self._rules_at(node), doubled=True)
        left: list[str] = []
        for part in parts:
            found = self._rewrite(part, rules)
            left += [*found.left, *found.uncertain]
        code = self.document.code(node)
        if len(parts) > 1 and ("{{{{" in code or "{{%" in code):
            done = "".join(rewrite(part.value, rules).text for part in parts)
            whole = [name for name in names_in(code) if name not in left and name in names_in(done)]
            self._tell(node, Rewritten("", left=[name for name in whole if name not in rules.own]))

    def _rules_at(self, node: cst.CSTNode) -> Rules:
        """Return how a string is to be read at its place."""
        place = self._place(node)
        foreign = place == "foreign" or (place != "task" and self._foreign) or self._unknown
        return replace(self._rules, certain=place == "task", foreign=foreign)

    def _place(self, node: cst.CSTNode) -> str:
        """Tell whether a string is given to a task or to another kind of template, "" if neither is known."""
        while not isinstance(node, cst.Module):
            if isinstance(node, cst.Call):
                called = self.document.code(node.func).rpartition(".")[2]
                if called in _FOREIGN:
                    return "foreign"
                if called.endswith(("Operator", "Sensor")) or any(
                    keyword(each) == "task_id" for each in node.args
                ):
                    return "task"
            elif isinstance(node, cst.FunctionDef | cst.ClassDef):
                return ""
            node = self.document.parent(node)
        return ""

    def _rewrite(self, node: cst.SimpleString | cst.FormattedStringText, rules: Rules) -> Rewritten:
        found = rewrite(node.value, rules)
        if found.text != node.value:
            self.document.replace(node, found.text)
            self.document.changed(node, "template: variables of the context that are gone replaced")
        if found.dated and not rules.foreign:
            self.dated.append(node)
        self._tell(node, found)
        return found

    def _tell(self, node: cst.CSTNode, found: Rewritten) -> None:
        for message, advice in told(found):
            self.document.note(node, message, advice)


def told(found: Rewritten) -> list[tuple[str, str]]:
    """Return what a person has to look at in a template: (message, advice)."""
    notes = [
        (f"This template uses {name}, which Airflow 3 does not have.", _advice(name))
        for name in dict.fromkeys(found.left)
    ]
    notes += [
        (UNCERTAIN.format(name), _UNCERTAIN_ADVICE.format(name, _successor(name)))
        for name in dict.fromkeys(found.uncertain)
    ]
    return notes + ([(PULLS, PULLS_ADVICE)] if found.pulls else [])


def _advice(name: str) -> str:
    return ADVICES.get(name) or (ADVICE_EARLIER if is_earlier(name) else ADVICE)


def is_earlier(name: str) -> bool:
    """Tell whether a gone name is that of a date before the run's own."""
    return name.rpartition(".")[2].startswith(("prev", "yesterday"))


def _successor(name: str) -> str:
    from couture_workflow.services.upgrade.table import CONTEXT

    expression = CONTEXT.get(name, "")
    return expression.format(period="days=1") if expression else "another variable"


class Macros(cst.CSTVisitor):
    """Collects the names that a file defines for templates, and whether it has templates of another kind.

    :ivar unknown: it defines names that the text does not show.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.own: set[str] = set()
        self.unknown = False
        self.foreign = False
        document.module.visit(self)

    def visit_Arg(self, node: cst.Arg) -> None:
        """Look for ``user_defined_macros=``."""
        if keyword(node) == "user_defined_macros":
            self._macros(node.value)

    def visit_DictElement(self, node: cst.DictElement) -> None:
        """Look for the same in a dict."""
        if text_of(node.key) == "user_defined_macros":
            self._macros(node.value)

    def visit_Call(self, node: cst.Call) -> None:
        """Look for templates that are not Airflow's."""
        function = node.func
        last = self.document.code(function).rpartition(".")[2]
        if any(name.startswith("jinja2.") for name in self.document.names(function)) or (
            last in _FOREIGN and isinstance(function, cst.Attribute)
        ):
            self.foreign = True

    def _macros(self, value: cst.BaseExpression) -> None:
        value = value_of(value, self.document)
        names = names_of(value)
        if names is None:
            self.unknown = not (isinstance(value, cst.Name) and value.value == "None")
        self.own |= names or set()
