"""Which kernel the cells of a notebook run in: a Python, or one that is installed where Jupyter finds it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import InvalidError, NotebookError
from couture_workflow.services.notebooks import kernels

_PROGRAM = Path(__file__).parents[2] / "runtimes" / "notebook_kernel.py"
#: The kernel of the Python that a task names, else of the runtime's.
_OWN = "couture"
#: What ``kernel.json`` says that counts here.
_KNOWN = ("argv", "display_name", "language", "env", "interrupt_mode", "metadata")


class Kernels:
    """The kernels that there are.

    :param python: of the kernel for Python.
    """

    def __init__(self, python: str) -> None:
        self._python = python
        self._found: dict[str, dict[str, Any]] | None = None

    def check(self, kernel: str | None, *, python: str | None) -> None:
        """Raise what is wrong with the kernel and the Python that a task names."""
        if kernel and python:
            raise InvalidError(
                f"Give the kernel {kernel!r} or the Python {python!r}, not both: a kernel has its Python.",
                field="kernel",
            )
        if kernel and kernel.lower() not in (*self._specifications(), *kernels.SAME):
            there = ", ".join(sorted(self._specifications())) or "none"
            raise NotebookError(
                f"There is no kernel {kernel!r} to run here. Correct kernel, or install it where "
                f"JUPYTER_PATH leads. Kernels that there are: {there}."
            )
        if not kernel and not os.access(self._python, os.X_OK):
            raise NotebookError(f"There is no Python {self._python} to run here. Correct python.")

    def asked(self, kernel: str | None) -> dict[str, Any]:
        """Return what the runner is to be told of kernels."""
        words = [self._python, str(_PROGRAM), "-f", "{connection_file}"]
        name = (kernel or "").lower()
        own = {"argv": words, "display_name": "Python 3", "language": "python"}
        return {
            "kernel": _OWN if kernel and name not in self._specifications() else name or None,
            "kernels": {**self._specifications(), _OWN: own},
            "own": _OWN,
            "program": str(_PROGRAM),
        }

    def _specifications(self) -> dict[str, dict[str, Any]]:
        if self._found is None:
            self._found = {}
            for path in kernels.specifications():
                try:
                    said = json.loads(path.read_bytes())
                    known = {name: said[name] for name in _KNOWN if name in said}
                    usable = isinstance(known["argv"], list) and bool(known["argv"])
                except (OSError, ValueError, TypeError, KeyError, RecursionError):
                    continue
                if usable:
                    self._found.setdefault(path.parent.name.lower(), {**known, "folder": str(path.parent)})
        return self._found
