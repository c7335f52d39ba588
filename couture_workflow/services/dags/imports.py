"""Which DAG files a change of other files concerns, so that Airflow parses those at once and not the rest.

This looks at text only and errs towards too many: every word of a file's import statements counts as the
name of a module that it needs. What is missed all the same (a file that is read by a made-up name) is parsed
when Airflow's ``min_file_process_interval`` has passed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import PurePosixPath

#: More changed files than this concern every DAG file.
MANY = 100

_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*(?:\)|\Z)|[^\n#]*)|import[ \t]+([^\n#]+))",
    re.MULTILINE,
)
_WORD = re.compile(rb"\w+")

#: Words of the import statements of a content, by its blob.
Imports = dict[str, frozenset[bytes]]


def words(content: bytes) -> frozenset[bytes]:
    """Return every word in the import statements of a Python file."""
    found: set[bytes] = set()
    for groups in _IMPORT.findall(content):
        for group in groups:
            found.update(_WORD.findall(group))
    return frozenset(found)


def concerned(
    changed: Collection[str],
    files: Mapping[str, str],
    imports: Imports,
    *,
    mentioning: Callable[[Collection[str]], Iterable[str]],
) -> set[str]:
    """Return the Python files that may need one of the changed files, by themselves or through others.

    :param changed: paths that were written or deleted.
    :param files: blob by path of every Python file there is now; ``imports`` has all of these blobs.
    :param mentioning: gives the files that have one of some words in them; for files that are no modules.
    """
    if len(changed) > MANY:
        return set(files)
    found: set[str] = set()
    others = {name for path in changed if not path.endswith(".py") for name in _names(path)}
    if others:
        found |= set(mentioning(others)) & files.keys()
    pending = {_module(path) for path in [*changed, *found] if path.endswith(".py")}
    seen: set[bytes] = set()
    while pending:
        seen |= pending
        new = {path for path, blob in files.items() if path not in found and imports[blob] & pending}
        found |= new
        pending = {_module(path) for path in new} - seen
    return found


def _module(path: str) -> bytes:
    """Return the last part of a module's name, of a package's ``__init__.py`` the name of the package."""
    pure = PurePosixPath(path)
    return (pure.parent.name if pure.name == "__init__.py" else pure.stem).encode("utf-8", "surrogateescape")


def _names(path: str) -> set[str]:
    """Return what a DAG file that reads another file may call it: its name, or that of its folder."""
    pure = PurePosixPath(path)
    return {name for name in (pure.name, pure.stem, pure.parent.name) if name}
