"""What the text of a tree of DAG files tells without parsing it: who imports whom, which names stand in it.

Text of others is looked at with regular expressions only: Python's own parser can be made to crash, and this
runs in the server. Time and memory grow with the text and no faster: quantifiers are possessive (``++``), and
what is kept of a text are its own words. Where text is ambiguous the answer is "yes, it may": more is parsed
in the sandbox then.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

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


@dataclass
class _Imports:
    """What the files of a tree import.

    :param modules: the files that import a module, or what is in it, by the module's full name.
    :param members: the files that import a name from a module, by both.
    """

    modules: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    members: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    _sorted: list[str] = field(default_factory=list)

    def add(self, path: str, text: str) -> None:
        """Add the imports of a file, those by a string too."""
        for module, names in _FROM.findall(text):
            if len(base := _absolute(path, module)) <= _LONGEST_NAME:
                self.modules[base].add(path)
                for name in _WORD.findall(names):
                    self.members[base, name].add(path)
        for names in _IMPORT.findall(text):
            self._add_modules(path, _WORD.findall(names))
        if "import_module" in text or "__import__" in text:
            self._add_modules(path, _LITERAL.findall(text))

    def _add_modules(self, path: str, names: Collection[str]) -> None:
        for name in names:
            if len(name) <= _LONGEST_NAME:
                self.modules[name].add(path)

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
        self.texts = {
            path: content.decode("utf-8", "replace")
            for path, content in files.items()
            if path.endswith(".py")
        }

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

    @cached_property
    def _imports(self) -> _Imports:
        found = _Imports()
        for path, text in self.texts.items():
            found.add(path, text)
        return found

    def literals(self) -> set[str]:
        """Return every short string that is written in the tree."""
        return {literal for text in self.texts.values() for literal in _LITERAL.findall(text)}


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
