"""Who uses a source: DAG files and tasks with ``CoutureEdaOperator``; and which sources use a data file.

DAG files are read in a process of their own (see ``processes.apart``), never run. A name that is only made up
while a DAG runs is not seen.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from couture_workflow.services.dags import repository
from couture_workflow.services.dags import uses as dag_uses
from couture_workflow.services.eda import dag_file, sources
from couture_workflow.services.files import uses as file_uses
from couture_workflow.services.files.uses import Use
from couture_workflow.services.processes import apart

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from couture_workflow.store.home import Store

OPERATOR, ARGUMENT = file_uses.EDA_OPERATOR, file_uses.EDA_ARGUMENT
#: Seconds for one file, and for all.
_PATIENCE, _TOTAL = 3.0, 15.0


def of_source(store: Store, name: str, *, session: Session) -> tuple[Use, ...]:
    """Return the tasks of DAGs, as Airflow knows them, and the lines of DAG files that name a source.

    The source's own schedule is none of them.
    """
    own = dag_file.dag_id(name)
    tasks = (use for use in file_uses.of_eda_source(name, session=session) if use.dag_id != own)
    return tuple(dict.fromkeys([*tasks, *_in_files(repository.read_all(store), name)]))


def _in_files(files: Mapping[str, bytes], name: str) -> list[Use]:
    words = (OPERATOR.encode(), name.encode())
    concerned = dag_uses.candidates(files, lambda content: all(word in content for word in words))
    if not concerned:
        return []
    answers = apart.each("eda.uses.lines_in_file", name, concerned, seconds=_PATIENCE, total=_TOTAL)
    found = []
    for (path, _), answer in zip(concerned, answers, strict=True):
        if answer.value is None:
            found.append(Use(f"DAG file {path}, which names it and could not be looked at in time"))
        found += [Use(f"DAG file {path}, line {line}") for line in answer.value or ()]
    return found


def lines_in_file(name: str, file: tuple[str, str]) -> list[int]:
    """Be the other process: return the lines of a DAG file in which the operator is given a source."""
    try:
        tree = ast.parse(file[1].encode("latin-1"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    nodes = list(ast.walk(tree))
    called = {OPERATOR} | {
        alias.asname
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == OPERATOR and alias.asname
    }
    return sorted(
        {
            text.lineno
            for node in nodes
            if isinstance(node, ast.Call) and _called(node.func) in called
            for keyword in node.keywords
            if keyword.arg == ARGUMENT
            for text in _texts(keyword.value)
            if text.value == name
        }
    )


def _called(node: ast.expr) -> str:
    """Return the name of what is called; of ``X.partial(...).expand`` it is X."""
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            if node.attr not in ("partial", "expand", "expand_kwargs"):
                return node.attr
            node = node.value
        else:
            return node.id if isinstance(node, ast.Name) else ""


def _texts(node: ast.expr) -> Iterator[ast.Constant]:
    """Yield the constants of an argument: one, or those of a list."""
    if isinstance(node, ast.Constant):
        yield node
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        yield from (each for each in node.elts if isinstance(each, ast.Constant))


def by_data(store: Store) -> dict[str, tuple[str, ...]]:
    """Return uploaded file -> the sources that read it, in words."""
    found: dict[str, list[str]] = defaultdict(list)
    for source in sources.all(store):
        if source.kind == "file" and source.file.data:
            found[source.file.data.partition("@")[0]].append(f"source {source.name}")
    return {name: tuple(users) for name, users in found.items()}
