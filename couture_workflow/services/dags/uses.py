"""Where a DAG file is used: files that import it or name it, and tasks that start or wait for its DAGs.

The source is read in a process of its own (see ``processes.apart``), never run. What is put together at run
time (``importlib``, a DAG id from a variable) is not found, so a list of uses is a help before a rename or
delete and not a proof.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from couture_workflow.services.processes import apart

#: Arguments of operators and sensors that name another DAG: those of Airflow and ours.
DAG_ID_ARGUMENTS = frozenset({"trigger_dag_id", "external_dag_id", "run_dag_id"})
_MOST_BYTES = 2**20
#: Seconds for one file, and for all.
_PATIENCE, _TOTAL = 3.0, 15.0
_INIT = "__init__.py"


@dataclass(frozen=True)
class Use:
    """One place.

    :param path: the file that uses something.
    :param line: where, from 1.
    :param what: in words, such as "imports common/tables.py".
    """

    path: str
    line: int
    what: str


def uses(files: Mapping[str, bytes], paths: Collection[str], dag_ids: Collection[str] = ()) -> list[Use]:
    """Return the uses of some files and DAGs by all the other files, by path and line.

    :param files: content of every file of the repository.
    :param paths: the files that are to go.
    :param dag_ids: the DAGs that are in them.
    """
    modules = {name: path for path in paths for name in _module_names(path)}
    texts = {_base(path): path for path in paths if not path.endswith(".py")}
    words = [
        word.encode() for word in (*{name.rpartition(".")[2] for name in modules}, *texts, *dag_ids) if word
    ]
    others = {path: content for path, content in files.items() if path not in paths}
    concerned = candidates(others, lambda content: any(word in content for word in words))
    if not concerned:
        return []
    wanted = [modules, texts, sorted(dag_ids)]
    answers = apart.each("dags.uses.of_file", wanted, concerned, seconds=_PATIENCE, total=_TOTAL)
    found = {
        Use(path, line, what)
        for (path, _), answer in zip(concerned, answers, strict=True)
        for line, what in answer.value or ()
    }
    return sorted(found, key=lambda use: (use.path, use.line, use.what))


def candidates(files: Mapping[str, bytes], is_concerned: Callable[[bytes], bool]) -> list[tuple[str, str]]:
    """Return path and text, as Latin-1, of the Python files that are worth to be read by another process.

    :param is_concerned: tells so of a content, by a quick look.
    """
    return [
        (path, content.decode("latin-1"))
        for path, content in files.items()
        if path.endswith(".py") and len(content) <= _MOST_BYTES and is_concerned(content)
    ]


def naming(files: Mapping[str, bytes], argument: str, value: str) -> list[Use]:
    """Return where DAG files give an argument, or an entry of a dict such as default_args, a value.

    A file that names both and cannot be looked at in time is among them.

    :param files: content of every file of the repository.
    """
    words = (argument.encode(), value.encode())
    concerned = candidates(files, lambda content: all(word in content for word in words))
    if not concerned:
        return []
    wanted = [argument, value]
    answers = apart.each("dags.uses.naming_in_file", wanted, concerned, seconds=_PATIENCE, total=_TOTAL)
    unknown = [(1, f"may set {argument}, and could not be looked at in time")]
    return [
        Use(path, line, what)
        for (path, _), answer in zip(concerned, answers, strict=True)
        for line, what in (unknown if answer.value is None else answer.value)
    ]


def naming_in_file(wanted: tuple[str, str], file: tuple[str, str]) -> list[tuple[int, str]]:
    """Be the other process for ``naming``: return line and words of each place in one file."""
    argument, value = wanted
    try:
        tree = ast.parse(file[1].encode("latin-1"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = {
        line
        for node in ast.walk(tree)
        for name, line, text in _given(node)
        if name == argument and text == value
    }
    return [(line, f"sets {argument}") for line in sorted(found)]


def _given(node: ast.AST) -> Iterator[tuple[str, int, str]]:
    """Yield (name, line, text) of a keyword or an entry of a dict that is a text."""
    pairs: list[tuple[object, ast.AST]] = []
    if isinstance(node, ast.keyword):
        pairs = [(node.arg, node.value)]
    elif isinstance(node, ast.Dict):
        pairs = [
            (key.value, text)
            for key, text in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        ]
    for name, text in pairs:
        if isinstance(name, str) and isinstance(text, ast.Constant) and isinstance(text.value, str):
            yield name, text.lineno, text.value


def of_file(
    wanted: tuple[Mapping[str, str], Mapping[str, str], Collection[str]], file: tuple[str, str]
) -> list[tuple[int, str]]:
    """Be the other process for ``uses``: return line and words of each use by one file."""
    modules, texts, dag_ids = wanted
    path, content = file
    found = (
        (line, _what(kind, name, modules, texts, dag_ids))
        for line, kind, name in _mentions(path, content.encode("latin-1"))
    )
    return sorted({(line, what) for line, what in found if what})


def _what(
    kind: str, name: str, modules: Mapping[str, str], texts: Mapping[str, str], dag_ids: Collection[str]
) -> str:
    if kind == "import" and name in modules:
        return f"imports {modules[name]}"
    if kind == "text" and _base(name) in texts:
        path = texts[_base(name)]
        return f"names {path}" if path.endswith(name.lstrip("./")) else ""
    if kind in DAG_ID_ARGUMENTS and name in dag_ids:
        return f"waits for the DAG {name}" if kind == "external_dag_id" else f"starts the DAG {name}"
    return ""


def _module_names(path: str) -> Iterator[str]:
    """Yield what a module is imported as: from the repository's root, which is on Python's path."""
    if path.endswith(f"/{_INIT}"):
        yield path.removesuffix(f"/{_INIT}").replace("/", ".")
    elif path.endswith(".py") and path != _INIT:
        yield path.removesuffix(".py").replace("/", ".")


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _mentions(path: str, content: bytes) -> tuple[tuple[int, str, str], ...]:
    """Return (line, kind, name) of all that a module imports, names or starts; none if it does not parse."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(mention for node in ast.walk(tree) for mention in _of_node(node, path))


def _of_node(node: ast.AST, path: str) -> Iterator[tuple[int, str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from ((node.lineno, "import", name) for name in _with_parents(alias.name))
    elif isinstance(node, ast.ImportFrom):
        module = _absolute(node, path)
        yield from ((node.lineno, "import", name) for name in _with_parents(module))
        for alias in node.names:
            yield node.lineno, "import", f"{module}.{alias.name}" if module else alias.name
    elif isinstance(node, ast.keyword) and node.arg in DAG_ID_ARGUMENTS:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.lineno, node.arg, node.value.value
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 1000:
        yield node.lineno, "text", node.value


def _with_parents(module: str) -> Iterator[str]:
    """Yield a.b.c, a.b and a: importing a module runs the packages above it."""
    while module:
        yield module
        module = module.rpartition(".")[0]


def _absolute(node: ast.ImportFrom, path: str) -> str:
    """Return the full name of the module that ``from ... import`` names; dots count from the folder."""
    if not node.level:
        return node.module or ""
    package = path.split("/")[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])
