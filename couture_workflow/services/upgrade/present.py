"""Which modules and names of Airflow there are today, as its installed source tells; nothing is imported."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path


def is_missing(module: str, name: str = "") -> bool:
    """Tell whether Airflow has no such module, or no such name in it; False where that cannot be told.

    :param module: full name; one of a provider is never missing.
    """
    parts = module.split(".")
    if parts[0] != "airflow" or parts[1:2] == ["providers"] or not _roots():
        return False
    found = _module(tuple(parts))
    if found is None:
        return True
    return bool(name) and bool(found) and name not in found and _module((*parts, name)) is None


@cache
def _module(parts: tuple[str, ...]) -> frozenset[str] | None:
    """Return what a module has, the empty set if that cannot be told, None if there is no such module."""
    for root in _roots():
        file = root.joinpath(*parts[1:])
        for source in (file / "__init__.py", file.with_suffix(".py") if len(parts) > 1 else file):
            if source.is_file():
                return _names(source)
    if len(parts) > 2:
        for root in _roots():
            moved = _moved(root.joinpath(*parts[1:-1], "__init__.py")).get(parts[-1])
            if moved is not None:
                return frozenset() if "*" in moved else moved
    return None


@cache
def _roots() -> tuple[Path, ...]:
    spec = find_spec("airflow")
    return tuple(map(Path, spec.submodule_search_locations or ())) if spec else ()


def _tree(source: Path) -> ast.Module:
    try:
        return ast.parse(source.read_text("utf-8"))
    except (OSError, SyntaxError):
        return ast.Module([], [])


def _names(source: Path) -> frozenset[str]:
    """Return all names that a source binds anywhere, and the strings that it may look names up by."""
    found: set[str] = set()
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            if node.name == "*":
                return frozenset()
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            found.add(node.value)
    return frozenset(found)


@cache
def _moved(source: Path) -> dict[str, frozenset[str]]:
    """Return the modules that a package only forwards, each with its names: dicts of dicts of strings."""
    found: dict[str, frozenset[str]] = {}
    for node in ast.walk(_tree(source)) if source.is_file() else ():
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Dict):
                    names = (each.value for each in value.keys if isinstance(each, ast.Constant))
                    found[str(key.value)] = frozenset(map(str, names))
    return found
