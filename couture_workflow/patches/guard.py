"""Tells whether what a patch changes is still what the patch was written for, and replaces it if so.

The source is read, not imported: ``doctor`` can look at every patch in a moment, and what a patch has
replaced already looks as it did before.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from couture_workflow import patches
from couture_workflow.patches import Patch, Target

log = logging.getLogger(__name__)

_Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Python 3.11 counts the depth of a tree for the whole process: two threads that make trees at once end in
#: ``SystemError: AST constructor recursion depth mismatch``.
_ONE_AT_A_TIME = threading.Lock()


@functools.cache
def fits(name: str) -> bool:
    """Tell whether a patch may be applied; the first time that it may not, a warning says why."""
    patch = patches.named(name)
    found = changed(patch)
    _tree.cache_clear()  # some megabytes that a process would keep for good
    if not found:
        return True
    log.warning("patch %s: %s %s", name, _problem(patch, found), patches.REMEDY)
    return False


def misfits() -> Iterator[tuple[Patch, str]]:
    """Iterate over (patch, problem) of each patch that finds nothing to patch in what is installed."""
    for patch in patches.PATCHES:
        if is_needed(patch) and (found := changed(patch)):
            yield patch, _problem(patch, found)
    _tree.cache_clear()


def _problem(patch: Patch, found: str) -> str:
    """Return the sentences that say what has changed and what that means."""
    return f"It finds nothing to patch: {found} {patch.without}"


def is_needed(patch: Patch) -> bool:
    """Tell whether what a patch changes is installed."""
    try:
        return not patch.distribution or bool(metadata.version(patch.distribution))
    except metadata.PackageNotFoundError:
        return False


def changed(patch: Patch) -> str:
    """Return a sentence about the first thing that is not what a patch was written for, "" if all is."""
    return next((found for target in patch.changes if (found := _difference(target))), "")


def replace(owner: type, attribute: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put what is made of a method in its place; once, however often it is asked for."""
    method = getattr(owner, attribute)
    if getattr(method, "__module__", "") != __name__:
        made = functools.update_wrapper(make(method), method)
        made.__module__ = __name__
        setattr(owner, attribute, made)


def _difference(target: Target) -> str:
    module, _, names = target.path.partition(":")
    if (tree := _tree(module)) is None:
        return f"the module {module} is not there."
    node: ast.AST | None = tree
    for name in names.split("."):
        node = _member(node, name) if node else None
    if node is None:
        return f"{target.path} is not there."
    if target.parameters is not None and target.parameters != (parameters := _parameters(node)):
        return f"{target.path} takes {_listed(parameters)} instead of {_listed(target.parameters)}."
    if target.is_coroutine and not isinstance(node, ast.AsyncFunctionDef):
        return f"{target.path} is no coroutine."
    used = set(_words(node))
    if missing := [word for word in target.uses if word not in used]:
        return f"{target.path} makes no use of {_listed(missing)}."
    return ""


@functools.lru_cache
def _tree(module: str) -> ast.Module | None:
    """Return the source of a module, None if there is none that can be read."""
    if (path := _file(module)) is None:
        return None
    try:
        with _ONE_AT_A_TIME:
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _file(module: str) -> Path | None:
    """Return the file of a module; looked for first where it needs no import of the packages around it."""
    if file := getattr(sys.modules.get(module), "__file__", None):
        return Path(file)
    *packages, name = module.split(".")
    for entry in sys.path:
        for file in (Path(entry, *packages, f"{name}.py"), Path(entry, *packages, name, "__init__.py")):
            if file.is_file():
                return file
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _member(node: ast.AST, name: str) -> ast.AST | None:
    """Return what a module, class or function defines under a name, under an ``if`` or ``try`` as well."""
    return next((each for each in _definitions(node) if name in _defined(each)), None)


def _definitions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if isinstance(child, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            yield from _definitions(child)


def _defined(node: ast.AST) -> tuple[str, ...]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return (node.name,)
        case ast.Assign():
            return tuple(target.id for target in node.targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name() as target):
            return (target.id,)
        case ast.Import() | ast.ImportFrom():
            return tuple(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    return ()


def _parameters(node: ast.AST) -> tuple[str, ...]:
    if not isinstance(node, _Function):
        return ()
    given = node.args
    stars = [each for each in (given.vararg, given.kwarg) if each]
    return tuple(each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs, *stars))


def _words(node: ast.AST) -> Iterator[str]:
    """Iterate over the names, attributes, keywords, imports and strings in a piece of code."""
    for each in ast.walk(node):
        match each:
            case ast.Name():
                yield each.id
            case ast.Attribute():
                yield each.attr
            case ast.Constant(value=str() as text):
                yield text
            case ast.keyword(arg=str() as word):
                yield word
            case ast.alias():
                yield each.name


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names) or "nothing"
