"""Statements such as ``import airflow.hooks.http_hook``: those of modules that are gone and not used."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from couture_workflow.services.upgrade.present import is_missing
from couture_workflow.services.upgrade.text import NEWLINE

#: Modules that are there and have nothing of what old files took from them.
EMPTY = ("airflow.utils.dates",)


def without_modules(text: str) -> tuple[str, list[tuple[int, str]]]:
    """Return a source without imports of modules that are gone and not used, and (line, module) of each."""
    tree = ast.parse(text)
    used = set(_chains(tree))
    edits: list[tuple[int, int, str]] = []
    gone: list[tuple[int, str]] = []
    lines = [0, *(match.end() for match in NEWLINE.finditer(text))]
    for node, alone in _imports(tree):
        kept = [each for each in node.names if not _is_unused(each, used)]
        if len(kept) == len(node.names):
            continue
        begin = lines[node.lineno - 1] + node.col_offset
        if not text[lines[node.lineno - 1] : begin].isascii():
            continue  # its place is told in bytes
        gone += [(node.lineno, each.name) for each in node.names if each not in kept]
        names = [f"{each.name} as {each.asname}" if each.asname else each.name for each in kept]
        if _needs_root(tree, used, node, kept):
            names.append("airflow")
        end = lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        whole = text[lines[node.lineno - 1] : begin].strip() == "" and text[end : end + 1] in ("\r", "\n", "")
        if not names and whole and not alone:
            after = NEWLINE.match(text, end)
            edits.append((lines[node.lineno - 1], after.end() if after else end, ""))
        else:
            edits.append((begin, end, f"import {', '.join(names)}" if names else "pass"))
    for begin, end, new in sorted(edits, reverse=True):
        text = text[:begin] + new + text[end:]
    return text, gone


def _imports(tree: ast.Module) -> Iterator[tuple[ast.Import, bool]]:
    """Return the statements that import modules, and whether each is all that its block has."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            for each in block if isinstance(block, list) else ():
                if isinstance(each, ast.Import):
                    yield each, len(block or ()) == 1 and not isinstance(node, ast.Module)


def _is_unused(alias: ast.alias, used: set[str]) -> bool:
    name = alias.name
    if alias.asname or not name.startswith("airflow.") or not (name in EMPTY or is_missing(name)):
        return False
    return not any(chain == name or chain.startswith(f"{name}.") for chain in used)


def _needs_root(tree: ast.Module, used: set[str], node: ast.Import, kept: list[ast.alias]) -> bool:
    """Tell whether the name ``airflow`` is used, and no other statement binds it."""
    if not any(chain.partition(".")[0] == "airflow" for chain in used):
        return False
    others = [each for other, _ in _imports(tree) if other is not node for each in other.names]
    return not any(
        each.name.partition(".")[0] == "airflow" and not each.asname and not _is_unused(each, used)
        for each in [*kept, *others]
    )


def _chains(tree: ast.Module) -> Iterator[str]:
    """Return the names with dots that a source uses, each in its full length and all that it begins with."""
    for node in ast.walk(tree):
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute) and len(parts) < 20:
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id == "airflow":
            yield ".".join([inner.id, *reversed(parts)])
