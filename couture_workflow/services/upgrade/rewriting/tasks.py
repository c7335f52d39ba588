"""Calls of operators and of what belongs to tasks: XComs, variables, dates of the start."""

from __future__ import annotations

from functools import cached_property

import libcst as cst

from couture_workflow.services.upgrade.rewriting.arguments import Arguments, of_dict, task_arguments
from couture_workflow.services.upgrade.rewriting.containers import container_arguments
from couture_workflow.services.upgrade.rewriting.document import Document, is_none, keyword
from couture_workflow.services.upgrade.rewriting.sql import SqlTasks
from couture_workflow.services.upgrade.rewriting.strings import PULLS_ADVICE
from couture_workflow.services.upgrade.rewriting.xcoms import RESULT, XComs, task_ids_of
from couture_workflow.services.upgrade.table import DAGS, DAYS_AGO, HOMES, OURS, RESERVED

_KEY_NONE = (
    "xcom_pull(key=None) read an XCom of any key; Airflow 3 refuses it, and the file does not show one key."
)
#: Bases that make no class a task.
_PLAIN = frozenset(
    "ABC BaseModel BaseSettings Enum Exception Generic IntEnum NamedTuple Protocol StrEnum TypedDict "
    "dict list object str tuple".split()
)
_OURS = {name for name, home in HOMES.items() if home.module == OURS}


class Tasks(cst.CSTVisitor):
    """Visits every call and brings it up to date."""

    def __init__(self, document: Document, xcoms: XComs, sql: SqlTasks) -> None:
        self.document = document
        self.xcoms = xcoms
        self.sql = sql
        self._inside: list[cst.ClassDef] = []
        self.classes: dict[str, cst.ClassDef] = {}
        self.functions: set[str] = set()
        for statement in document.module.body:
            if isinstance(statement, cst.ClassDef):
                self.classes[statement.name.value] = statement
            elif isinstance(statement, cst.FunctionDef):
                self.functions.add(statement.name.value)

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        """Enter a class."""
        self._inside.append(node)
        for base in node.bases:
            self.sql.derived(node, base.value)

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:
        """Leave a class."""
        self._inside.pop()

    def visit_Call(self, node: cst.Call) -> None:
        """Bring one call up to date."""
        names = self.document.names(node.func)
        called = _last_name(node.func)
        if names & DAGS:
            return
        if called == "xcom_pull":
            self._xcom_pull(node)
        elif "airflow.sdk.Variable.get" in names:
            self._default_var(node)
        elif any(name.endswith("models.Variable.set") for name in names):
            self._variable_set(node)
        elif DAYS_AGO in names:
            self._days_ago(node)
        elif called == "__init__" and (base := self._base(node)) is not None:
            self._parent(node, base)
        elif self._is_task(node, called, names):
            self._task(node, called)

    def visit_Decorator(self, node: cst.Decorator) -> None:
        """Take out ``@apply_defaults``."""
        names = self.document.names(node.decorator)
        if "airflow.utils.decorators.apply_defaults" in names:
            at = self.document.start(node)
            begin = self.document.text.rfind("\n", 0, at) + 1
            end = self.document.end(node)
            end = self.document.text.find("\n", end) + 1 or end
            self.document.delete(begin, end)
            self.document.changed(node, "@apply_defaults removed: it is implied")

    def _base(self, node: cst.Call) -> cst.CSTNode | None:
        """Return the operator whose ``__init__`` a class made on it calls, None if it is not one."""
        function = node.func
        if not self._inside or not isinstance(function, cst.Attribute):
            return None
        bases = [each.value for each in self._inside[-1].bases]
        tasks = [each for each in bases if _last_name(each).endswith(("Operator", "Sensor"))]
        tasks += [each for each in bases if _last_name(each) in self.classes and each not in tasks]
        tasks = [each for each in tasks if self._makes_tasks(_last_name(each)) is not False]
        called = function.value
        by_super = isinstance(called, cst.Call) and _last_name(called.func) == "super"
        named = [each for each in tasks if self.document.code(each) == self.document.code(called)]
        return next(iter(tasks if by_super else named), None)

    def _parent(self, node: cst.Call, base: cst.CSTNode) -> None:
        """Bring the arguments up to date that a class gives to the operator that it is made on."""
        called = _last_name(base)
        own = _own_arguments(self.classes[called]) if called in self.classes else frozenset()
        arguments = Arguments(self.document, node.args, what=called, leave=own)
        task_arguments(arguments)
        if spec := self.sql.spec(base):
            self.sql.task(node, called, spec, arguments, write=False)
        arguments.finish()

    def _is_task(self, node: cst.Call, called: str, names: frozenset[str]) -> bool:
        """Tell whether a call makes a task, or a decorator does."""
        if any(name.startswith(("airflow.decorators.task", "airflow.sdk.task")) for name in names):
            return True
        if called in self.functions:
            return False
        named = any(keyword(each) == "task_id" for each in node.args)
        if called in self.classes:
            sure = self._makes_tasks(called)
            return named or any(each.star == "**" for each in node.args) if sure is None else sure
        return called.endswith(("Operator", "Sensor")) or called == "partial" or named

    def _makes_tasks(self, name: str) -> bool | None:
        """Tell whether a class is made on an operator, None if the file does not show it."""
        return self._kinds[name] if name in self.classes else _by_its_name(name)

    @cached_property
    def _kinds(self) -> dict[str, bool | None]:
        """Whether each class of the file makes tasks, which it takes from what it is made on."""
        made_on: dict[str, list[str]] = {name: [] for name in self.classes}
        elsewhere: dict[bool | None, list[str]] = {None: [], True: []}
        for name, definition in self.classes.items():
            for base in {_last_name(_unsubscripted(each.value)) for each in definition.bases} - _PLAIN:
                is_here = base in self.classes and base != name
                (made_on[base] if is_here else elsewhere[_by_its_name(base)]).append(name)
        kinds: dict[str, bool | None] = dict.fromkeys(self.classes, False)
        for kind, reached in elsewhere.items():  # one operator among what a class is made on is enough
            while reached:
                name = reached.pop()
                if kinds[name] is not kind:
                    kinds[name] = kind
                    reached += made_on[name]
        return kinds

    def _task(self, node: cst.Call, called: str) -> None:
        document = self.document
        own = _own_arguments(self.classes[called]) if called in self.classes else frozenset()
        arguments = Arguments(document, node.args, what=called, leave=own)
        task_arguments(arguments)
        self._sla(node, called, arguments)
        if called not in _OURS and called not in self.classes:
            self._description(arguments)
        if spec := self.sql.spec(node.func):
            self.sql.task(node, called, spec, arguments, write=True)
        if called == "TriggerDagRunOperator":
            self._trigger(node, arguments)
        container_arguments(document, node, called, arguments)
        self._reserved(arguments)
        arguments.finish()

    def _sla(self, node: cst.Call, called: str, arguments: Arguments) -> None:
        """Write ``task_sla(task, ...)`` for ``sla=``, where the call makes the task by itself."""
        given = arguments.given.get("sla")
        is_class = called.endswith(("Operator", "Sensor")) or called in self.classes
        if given is None or not is_class or isinstance(self.document.parent(node), cst.Decorator):
            return  # it counts here all the same
        self.document.insert(self.document.start(node), "task_sla(")
        self.document.insert(self.document.end(node), f", {self.document.code(given.value)})")
        self.document.imports.add(f"from {OURS} import task_sla")
        arguments.drop("sla", because="task_sla(task, ...) says it")

    def _description(self, arguments: Arguments) -> None:
        if "description" in arguments.given and not {"doc", "doc_md"} & set(arguments.given):
            arguments.rename("description", "doc")

    def _trigger(self, node: cst.Call, arguments: Arguments) -> None:
        """Make a trigger with a condition, which Airflow has no more, a ``DagOperator``."""
        arguments.rename("execution_date", "logical_date")
        if "python_callable" not in arguments.given:
            return
        arguments.rename("trigger_dag_id", "run_dag_id")
        self.document.replace(node.func, "DagOperator")
        self.document.imports.add(f"from {OURS} import DagOperator")
        self.document.changed(node, "TriggerDagRunOperator(python_callable=...) is a DagOperator now")

    def _reserved(self, arguments: Arguments) -> None:
        """Name keys of ``op_kwargs`` that Airflow 3 refuses."""
        given = arguments.given.get("op_kwargs")
        items = of_dict(given.value) if given else None
        for name in sorted(set(Arguments(self.document, items or (), what="op_kwargs").given) & RESERVED):
            self.document.note(
                given.node if given else self.document.module,
                f"op_kwargs has {name!r}, which is a key of the context: Airflow 3 fails the task.",
                "Choose another name, in the function too.",
            )

    def _xcom_pull(self, node: cst.Call) -> None:
        arguments = Arguments(self.document, node.args, what="xcom_pull")
        given = arguments.given
        key = given["key"].value if "key" in given else None
        if key is None and len(node.args) > 2 and not keyword(node.args[2]):
            key = node.args[2].value
        if key is not None and is_none(key):
            named = given["task_ids"].value if "task_ids" in given else None
            if named is None and not keyword(node.args[0]):
                named = node.args[0].value
            found = self.xcoms.key(names) if named is not None and (names := task_ids_of(named)) else ""
            if found == RESULT and "key" in given:
                arguments.drop("key", because="without it the task's result is read, all that it pushes")
            elif found:
                quote = '"' if '"' in self.document.code(node) else "'"
                self.document.replace(key, f"{quote}{found}{quote}")
                self.document.changed(node, f"xcom_pull: key=None is refused; the task pushes {found!r}")
            else:
                self.document.note(node, _KEY_NONE, PULLS_ADVICE)
        arguments.finish()
        if "task_ids" not in arguments.given and all(keyword(each) or each.star for each in node.args):
            self.document.note(
                node,
                "xcom_pull without task_ids reads what this task itself pushed; it read that of any task.",
                "Name the task: xcom_pull(task_ids='...').",
            )

    def _default_var(self, node: cst.Call) -> None:
        arguments = Arguments(self.document, node.args, what="Variable.get")
        arguments.rename("default_var", "default")
        arguments.finish()

    def _variable_set(self, node: cst.Call) -> None:
        if len(node.args) == 1 and not node.args[0].star:
            self.document.note(
                node, "Variable.set needs a name and a value.", "Write Variable.set('name', value)."
            )

    def _days_ago(self, node: cst.Call) -> None:
        """Write ``days_ago(2, hour=3)`` as pendulum says it; its import goes with the last use."""
        if not _is_plain(node):
            self.document.note(
                node, "days_ago is gone.", "Write a fixed date: pendulum.datetime(2024, 1, 1, tz='UTC')."
            )
            return
        days = self.document.code(node.args[0].value)
        code = "pendulum.today('UTC')"
        if days != "0":
            code += f".subtract(days={days})"
        if given := ", ".join(self.document.code(each) for each in node.args[1:]):
            code += f".set({given})"
        if "'" in self.document.code(node):
            code = code.replace("'", '"')
        self.document.imports.add("import pendulum")
        self.document.replace(node, code)
        self.document.changed(node, f"days_ago is gone: {code}")
        self.document.note(
            node,
            "A start date that moves every day makes a new version of the DAG every day.",
            "Write a fixed date: pendulum.datetime(2024, 1, 1, tz='UTC').",
        )


def _is_plain(call: cst.Call) -> bool:
    """Tell whether a call has one value by its place, and others by name."""
    return bool(call.args) and all(
        not each.star and bool(keyword(each)) == (number > 0) for number, each in enumerate(call.args)
    )


def _last_name(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def _by_its_name(name: str) -> bool | None:
    """Tell whether a class that is imported is an operator; None if its name does not show it."""
    return True if name.endswith(("Operator", "Sensor")) else None


def _unsubscripted(node: cst.CSTNode) -> cst.CSTNode:
    return node.value if isinstance(node, cst.Subscript) else node


def _own_arguments(node: cst.ClassDef) -> frozenset[str]:
    """Return the arguments that a class of this file takes by name itself."""
    for statement in node.body.body:
        if isinstance(statement, cst.FunctionDef) and statement.name.value == "__init__":
            parameters = [*statement.params.params, *statement.params.kwonly_params]
            return frozenset(each.name.value for each in parameters)
    return frozenset()
