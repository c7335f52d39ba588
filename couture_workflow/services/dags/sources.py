"""What the text of a tree of DAG files tells without parsing it: who imports whom, which names stand in it.

Text of others is looked at with regular expressions only: Python's own parser can be made to crash, and this
runs in the server. Time and memory grow with the text and no faster: quantifiers are possessive (``++``), and
what is kept of a text are its own words. Where text is ambiguous the answer is "yes, it may": more is parsed
in the sandbox then. What was read of a text stays in memory for the next tree, which hardly differs.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from couture_workflow.store.latest import Latest

_FROM = re.compile(
    r"^[ \t]*+from[ \t]++([\w.]++)[ \t]++import[ \t]*+(\([^)]*+(?:\)|\Z)|[^\n]*+)", re.MULTILINE
)
_IMPORT = re.compile(r"^[ \t]*+import[ \t]++([^\n#;]++)", re.MULTILINE)
_LITERAL = re.compile(r"[\"']([^\"'\\\n]{1,250})[\"']")
_WORD = re.compile(r"\w[\w.]*")
_DAG_ID = re.compile(r"\bdag_id\s*=\s*[\"']([^\"'\n]{1,250})[\"']|\bDAG\(\s*[\"']([^\"'\n]{1,250})[\"']")
_SECRET_NAME = re.compile(
    r"AIRFLOW_|COUTURE_|SECRET|PASSW|TOKEN|KEY|CREDENTIAL|AUTH|_PWD|CONN|DSN|URL|URI", re.IGNORECASE
)
#: What a secret variable of the environment looks like in the sandbox.
HIDDEN = "hidden-while-checked"
#: Characters of a module's name up to which there can be a file of that name.
_LONGEST_NAME = 4096


@dataclass(frozen=True)
class _Told:
    """What one file tells.

    :param modules: full names of modules that it imports, by a string too.
    :param members: modules and names that it imports from them.
    :param literals: short strings that are written in it.
    """

    modules: frozenset[str]
    members: frozenset[tuple[str, str]]
    literals: frozenset[str]
    dag_ids: frozenset[str]


@dataclass
class _Imports:
    """What the files of a tree import.

    :param modules: the files that import a module, or what is in it, by the module's full name.
    :param members: the files that import a name from a module, by both.
    """

    modules: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    members: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    _sorted: list[str] = field(default_factory=list)

    def add(self, path: str, told: _Told) -> None:
        """Add the imports of a file."""
        for module in told.modules:
            self.modules[module].add(path)
        for member in told.members:
            self.members[member].add(path)

    def users(self, name: str) -> set[str]:
        """Return the files that import a module, or anything below it."""
        found = set(self.modules.get(name, ()))
        parent, _, member = name.rpartition(".")
        found |= self.members.get((parent, member), set())
        below = f"{name}."
        if len(self._sorted) != len(self.modules):
            self._sorted = sorted(self.modules)
        for index in range(bisect_left(self._sorted, below), len(self._sorted)):
            if not self._sorted[index].startswith(below):
                break
            found |= self.modules[self._sorted[index]]
        return found


class Sources:
    """The Python files of a tree.

    :param files: content by path.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = {path: content for path, content in files.items() if path.endswith(".py")}

    def text(self, path: str) -> str:
        """Return the text of a Python file, "" for any other one."""
        return self._files.get(path, b"").decode("utf-8", "replace")

    def dag_ids(self, path: str) -> frozenset[str]:
        """Return ids that a file seems to define; a parse tells for sure."""
        return self._told[path].dag_ids if path in self._told else frozenset()

    def importers(self, changed: Collection[str]) -> set[str]:
        """Return the Python files that import one of these, directly or not; the files need not exist."""
        found: set[str] = set()
        waiting = [path for path in changed if path.endswith(".py")]
        while waiting:
            for name in _names(waiting.pop()):
                new = self._imports.users(name) - found
                found |= new
                waiting += new
        return found

    def literals(self) -> set[str]:
        """Return every short string that is written in the tree."""
        return set().union(*(told.literals for told in self._told.values()))

    @cached_property
    def _told(self) -> dict[str, _Told]:
        known = _latest.of(self._files.items(), lambda keys: ((key, _read(*key)) for key in keys))
        return {path: told for (path, _), told in known.items()}

    @cached_property
    def _imports(self) -> _Imports:
        found = _Imports()
        for path, told in self._told.items():
            found.add(path, told)
        return found


def _read(path: str, content: bytes) -> _Told:
    text = content.decode("utf-8", "replace")
    modules: set[str] = set()
    members: set[tuple[str, str]] = set()
    for module, names in _FROM.findall(text):
        if len(base := _absolute(path, module)) <= _LONGEST_NAME:
            modules.add(base)
            members.update((base, name) for name in _WORD.findall(names))
    for names in _IMPORT.findall(text):
        modules.update(_WORD.findall(names))
    literals = frozenset(_LITERAL.findall(text))
    if "import_module" in text or "__import__" in text:
        modules |= literals
    modules = {name for name in modules if len(name) <= _LONGEST_NAME}
    return _Told(frozenset(modules), frozenset(members), literals, frozenset(dag_ids(text)))


#: By path and content.
_latest: Latest[tuple[str, bytes], _Told] = Latest(lambda key, _: 4 * len(key[1]))


def dag_ids(text: str) -> set[str]:
    """Return ids that a file seems to define; a parse tells for sure."""
    return {one or other for one, other in _DAG_ID.findall(text)}


def may_have_dags(text: str) -> bool:
    """Tell what Airflow's safe mode asks: does the text speak of both?"""
    lower = text.lower()
    return "airflow" in lower and ("dag" in lower or "asset" in lower)


def environment(literals: Collection[str]) -> dict[str, str]:
    """Return variables of this process's environment that the tree names; of secrets the name only."""
    return {
        name: HIDDEN if _SECRET_NAME.search(name) else value
        for name, value in os.environ.items()
        if name in literals and not name.startswith(("AIRFLOW", "COUTURE", "_AIRFLOW", "PYTHON", "LD_"))
    }


def _names(path: str) -> Iterator[str]:
    """Iterate over the names by which a file can be imported: also by those from a folder put on the path."""
    parts = path.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        parts.pop()
    for start in range(len(parts)):
        yield ".".join(parts[start:])


def _absolute(path: str, module: str) -> str:
    level = len(module) - len(module.lstrip("."))
    if not level:
        return module
    folder = path.split("/")[:-level]
    return ".".join([*folder, *([module[level:]] if module[level:] else [])])
