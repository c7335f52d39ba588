"""Imports of old names, and the places where a name is used by its full path. Names in the file stay."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

import libcst as cst

from couture_workflow.services.upgrade.rewriting.document import Document
from couture_workflow.services.upgrade.table import (
    CONFIGURATION,
    DAYS_AGO,
    DROPPED,
    GONE,
    HOMES,
    MODULES,
    NO_DATABASE,
    OLD_MODULE,
    SQL,
    Home,
)


class Imports(cst.CSTVisitor):
    """Visits import statements, and attributes such as ``bash_operator.BashOperator``."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._droppable = DROPPED | ({DAYS_AGO} if _all_called(document) else set())

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        """Send the names of a ``from ... import ...`` to where they live."""
        if node.relative or node.module is None:
            return False
        module = self.document.code(node.module)
        if isinstance(node.names, cst.ImportStar):
            if OLD_MODULE.fullmatch(module):
                self.document.note(
                    node, f"{module} has nothing of what * took from it.", "Import each name that is used."
                )
            return False
        self._from(node, module, node.names)
        return False

    def _from(self, node: cst.ImportFrom, module: str, names: Sequence[cst.ImportAlias]) -> None:
        kept: list[str] = []
        moved: dict[str, list[str]] = {}
        changed = False
        for alias in names:
            name, local = alias.evaluated_name, alias.evaluated_alias or alias.evaluated_name
            full = f"{module}.{name}"
            if full in self._droppable:
                self.document.changed(node, f"import of {full} removed: there is no such thing any more")
                changed = True
                continue
            self._tell(node, full, name)
            home = place(module, name)
            if home is None:
                kept.append(self.document.code(alias).rstrip())
                continue
            changed = True
            shown = home.name if home.name == local else f"{home.name} as {local}"
            moved.setdefault(home.module, []).append(shown)
            self.document.changed(node, f"{full} is now {home.module}.{home.name}")
        if changed:
            lines = [f"from {module} import {', '.join(kept)}"] if kept else []
            lines += [f"from {target} import {', '.join(found)}" for target, found in moved.items()]
            self._write(node, lines)

    def visit_Import(self, node: cst.Import) -> bool:
        """Send the modules of an ``import ...`` to where they live."""
        lines: list[str] = []
        changed = False
        for alias in node.names:
            old = alias.evaluated_name
            local = alias.evaluated_alias
            new = MODULES.get(old)
            changed = changed or new is not None
            lines.append(f"import {new or old}" + (f" as {local}" if local else ""))
            if new:
                self.document.changed(node, f"the module {old} is now {new}")
        if changed:
            self._write(node, lines)
        return False

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        """Look at a name that is reached through a module."""
        for full in self.document.names(node):
            self._tell_database(node, full)
            module, _, name = full.rpartition(".")
            if module == "airflow.configuration" and name in CONFIGURATION:
                self.document.insert(self.document.start(node.attr), "conf.")
                self.document.changed(node, f"airflow.configuration has no {name}: it is one of its conf")
                return False
            if name == "SlaMiss":
                self.document.note(node, f"Airflow 3 has no {name}.", GONE[name])
            home = place(module, name)
            if home is None or not OLD_MODULE.fullmatch(module):
                continue
            if self.document.code(node) == full or not isinstance(node.value, cst.Name):
                self.document.replace(node, f"{home.module}.{home.name}")
                self.document.imports.add(f"import {home.module}")
            elif MODULES.get(module) != home.module:
                self.document.replace(node, home.name)
                self.document.imports.add(f"from {home.module} import {home.name}")
            elif home.name != name:
                self.document.replace(node.attr, home.name)
            else:
                return False
            self.document.changed(node, f"{full} is now {home.module}.{home.name}")
            return False
        return True

    def _tell(self, node: cst.ImportFrom, full: str, name: str) -> None:
        self._tell_database(node, full)
        if name in GONE and (name == "SlaMiss" or OLD_MODULE.fullmatch(full.rpartition(".")[0])):
            self.document.note(node, f"Airflow 3 has no {name}, so this file cannot be loaded.", GONE[name])
        else:
            home = place(full.rpartition(".")[0], name)
            if home is not None and home.package and not _is_installed(home.package):
                advice = f"Add {home.package} to the environment of Airflow."
                if name == "SparkSubmitOperator":
                    advice += " Or use CoutureSparkOperator or CouturePySparkOperator, which need none."
                what = "comes from" if name not in SQL else "needs a connection that is of"
                self.document.note(
                    node, f"{name} {what} {home.package}, which is not installed here.", advice
                )

    def _tell_database(self, node: cst.CSTNode, full: str) -> None:
        if full in NO_DATABASE:
            self.document.note(
                node,
                f"{full}: tasks of Airflow 3 have no access to Airflow's database.",
                "Use what the context offers (dag_run, ti, Variable, Connection), or Airflow's REST API.",
            )

    def _write(self, node: cst.CSTNode, lines: list[str]) -> None:
        """Put import statements in the place of one; comments inside of it move above."""
        document = self.document
        statement = document.parent(node)
        single = isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1
        if not lines:
            self._remove(node, statement, single=single)
            return
        if isinstance(document.parent(statement), cst.Module):
            document.written_imports.update(lines)
        if not single:
            document.replace(node, "; ".join(lines))
            return
        begin = document.line_start(statement)
        indent = document.indent(begin)
        for comment in _comments(document.code(node)):
            document.insert(begin, f"{indent}{comment}{document.newline}")
        document.replace(node, f"{document.newline}{indent}".join(lines))

    def _remove(self, node: cst.CSTNode, statement: cst.CSTNode, *, single: bool) -> None:
        document = self.document
        block = document.parent(statement)
        alone = isinstance(block, cst.IndentedBlock) and len(block.body) == 1
        if not single or alone:
            document.replace(node, "pass")
            return
        begin = document.line_start(statement)
        end = document.end(node)
        rest = document.text[end : (document.text.find("\n", end) + 1) or len(document.text)]
        if rest.strip():
            document.delete(document.start(node), end + len(rest) - len(rest.lstrip()))
        else:
            document.delete(begin, end + len(rest))


def place(module: str, name: str) -> Home | None:
    """Return where a name of an old module lives now, None if it is not to be touched."""
    if new := MODULES.get(f"{module}.{name}"):
        parent, _, leaf = new.rpartition(".")
        return Home(parent, leaf)
    home = HOMES.get(name)
    if home is None or not OLD_MODULE.fullmatch(module) or (home.module, home.name) == (module, name):
        return None
    return home


def _all_called(document: Document) -> bool:
    """Tell whether every use of ``days_ago`` is a call that is rewritten."""
    left = 0

    class Uses(cst.CSTVisitor):
        def visit_Call(self, node: cst.Call) -> None:
            nonlocal left
            if DAYS_AGO in document.names(node.func):
                plain = bool(node.args) and all(
                    not each.star and (each.keyword is not None) == (number > 0)
                    for number, each in enumerate(node.args)
                )
                left -= plain

        def visit_Name(self, node: cst.Name) -> None:
            if DAYS_AGO in document.names(node) and not _in_import(node, document):
                left_add()

        def visit_Attribute(self, node: cst.Attribute) -> None:
            if DAYS_AGO in document.names(node) and not _in_import(node, document):
                left_add()

    def left_add() -> None:
        nonlocal left
        left += 1

    document.module.visit(Uses())
    return left == 0


def _in_import(node: cst.CSTNode, document: Document) -> bool:
    return isinstance(document.parent(node), cst.ImportAlias | cst.AsName | cst.ImportFrom)


def _comments(code: str) -> list[str]:
    """Return the comments in an import statement, which has no strings."""
    return ["#" + line.partition("#")[2].rstrip() for line in code.splitlines() if "#" in line]


def _is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def add_imports(document: Document) -> None:
    """Write the imports that the edits need behind those that a file has."""
    missing = sorted(line for line in document.imports - document.written_imports if not _has(document, line))
    if not missing:
        return
    lines = "".join(line + document.newline for line in missing)
    behind: cst.CSTNode | None = None
    for statement in document.module.body:
        if not _is_head(statement):
            break
        behind = statement
    if behind is None:
        at = document.line_start(document.module.body[0]) if document.module.body else len(document.text)
        document.insert(at, lines)
        return
    end = document.end(behind)
    newline = document.text.find("\n", end)
    if newline < 0:
        document.insert(len(document.text), document.newline + lines.rstrip("\r\n"))
    else:
        document.insert(newline + 1, lines)


def _has(document: Document, line: str) -> bool:
    """Tell whether a file has an import at its top, in the old place or through another edit."""
    wanted = cst.parse_statement(line)
    return any(statement.deep_equals(wanted) for statement in document.module.body)


def _is_head(statement: cst.CSTNode) -> bool:
    """Tell whether a statement is an import, or the docstring."""
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    first = statement.body[0]
    if isinstance(first, cst.Expr):
        return isinstance(first.value, cst.SimpleString | cst.ConcatenatedString)
    return isinstance(first, cst.Import | cst.ImportFrom)
