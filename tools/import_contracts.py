"""A contract for import-linter: other packages use a package through its front, which is its ``__all__``."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields, output

ROOT = Path(__file__).parent.parent


class FrontsContract(Contract):
    """Each package below ``container`` is used by others through the modules that its ``__all__`` names.

    - container: the package whose children have fronts.
    """

    type_name = "fronts"

    container = fields.StringField()

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Find imports that go past a front, and names in a front that nobody else uses."""
        container = str(self.container)
        past: list[str] = []
        unused: list[str] = []
        for package in sorted(graph.find_children(container)):
            names = front(package)
            used = set()
            for module in sorted(graph.find_descendants(package)):
                name = module.removeprefix(f"{package}.").partition(".")[0]
                for importer in sorted(graph.find_modules_that_directly_import(module)):
                    if importer == package or importer.startswith(f"{package}."):
                        continue
                    used.add(name)
                    if name not in names:
                        past.append(f"{importer} imports {module}")
            unused += [f"{package}: {name}" for name in sorted(names - used)]
        return ContractCheck(kept=not past and not unused, metadata={"past": past, "unused": unused})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Say what is wrong and what to do."""
        found: Any = check.metadata
        for line in found["past"]:
            output.print_error(f"{line}, which is no part of that package's front.", bold=False)
        for line in found["unused"]:
            output.print_error(f"{line} is in the front, but no other package uses it.", bold=False)
        output.print_error("The front of a package is __all__ in its __init__.py.", bold=False)


def front(package: str) -> set[str]:
    """Return the names of a package's ``__all__``, none if it has no such list."""
    source = ROOT.joinpath(*package.split("."), "__init__.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and [getattr(each, "id", "") for each in node.targets] == ["__all__"]:
            return set(ast.literal_eval(node.value))
    return set()
