"""Which files of a tree Airflow looks for DAGs in: asked in the sandbox, once for each content.

Whether a file is among them depends on its path, its content and the ``.airflowignore`` files, and on no
other file. So when a few files differ from the tree before, a tree of these alone is asked about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from couture_workflow.services.gate import sandbox
from couture_workflow.services.processes.walls import Limits
from couture_workflow.store.latest import Latest

_IGNORE_FILE = ".airflowignore"

#: Digest of the ``.airflowignore`` files and of what is set, path, content.
_Key = tuple[str, str, bytes]
#: Whether the file is one, and the walls that stood.
_Answer = tuple[bool, frozenset[str]]


@dataclass(frozen=True)
class Listed:
    """The files that Airflow would parse.

    :param why: why that is not known, as ``sandbox.Parsed`` says it.
    :param walls: which walls of the sandbox stood.
    """

    files: frozenset[str] = frozenset()
    why: str = ""
    walls: frozenset[str] = frozenset()


class _NotListedError(Exception):
    """The sandbox gave no answer."""


def dag_files(files: Mapping[str, bytes], tree: sandbox.Tree, *, limits: Limits) -> Listed:
    """Return the files that Airflow would parse.

    :param tree: in which all of them are.
    """
    ignoring = {path: files[path] for path in sorted(files) if path.rpartition("/")[2] == _IGNORE_FILE}
    setting = hashlib.sha256(repr((_options(), ignoring)).encode()).hexdigest()

    def ask(keys: list[_Key]) -> list[tuple[_Key, _Answer]]:
        if not keys:
            return []
        if len(keys) * 2 > len(files):
            told = tree.dag_files()
        else:
            with sandbox.Tree({path: files[path] for _, path, _ in keys} | ignoring, limits=limits) as some:
                told = some.dag_files()
        if told.why:
            raise _NotListedError(told.why)
        found = {str(path) for path in told.found.get("files") or ()}
        return [(key, (key[1] in found, told.walls)) for key in keys]

    try:
        known = _latest.of([(setting, path, content) for path, content in files.items()], ask)
    except _NotListedError as error:
        return Listed(why=str(error))
    walls = [standing for _, standing in known.values()]
    return Listed(
        frozenset(key[1] for key, (is_one, _) in known.items() if is_one),
        walls=walls[-1] if walls else frozenset(),
    )


def _options() -> tuple[str, str]:
    from airflow.configuration import conf

    syntax = conf.get("core", "dag_ignore_file_syntax", fallback="glob")
    return str(syntax), str(conf.get("core", "dag_discovery_safe_mode", fallback="True"))


_latest: Latest[_Key, _Answer] = Latest(lambda key, _: len(key[2]))
