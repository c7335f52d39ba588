"""Notebooks for tests: written, run as a task does, and read."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from couture_workflow.operators import CoutureJupyterOperator
from couture_workflow.services.runs.records import RunKey

HOSTILE = "a'b\"<&>ü"


def notebook(path: Path, *cells: str, **metadata: Any) -> Path:
    """Write a notebook of code cells; one that begins with "# parameters" is tagged so."""
    made = [
        {
            "cell_type": "code",
            "id": f"cell{number}",
            "execution_count": None,
            "metadata": {"tags": ["parameters"]} if source.startswith("# parameters") else {},
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(cells)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made}))
    return path


def execute(folder: Path, lines: list[tuple[str, str]], bundle: Path | None = None, **options: Any) -> str:
    """Run a task of a DAG file in the folder; its log lines go to the list."""
    task = CoutureJupyterOperator(task_id="task", **options)
    instance = SimpleNamespace(bundle_instance=SimpleNamespace(path=bundle) if bundle else None)
    task._show = lambda kind, line: lines.append((kind, line))  # type: ignore[method-assign]
    return task.execute(
        {"dag": SimpleNamespace(fileloc=str(folder / "dag.py")), "ti": instance}  # type: ignore[typeddict-item]
    )


def printed(path: str) -> str:
    """Return what the cells of a notebook printed."""
    cells = json.loads(Path(path).read_text())["cells"]
    return "".join("".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", ()))


def run_task(
    folder: Path, lines: list[tuple[str, str]], key: RunKey, bundle: Path | None = None, **options: Any
) -> str:
    """Run a task of Airflow's, of which a record is kept, in the same way."""
    task = CoutureJupyterOperator(task_id=key.task_id, **options)
    task._show = lambda kind, line: lines.append((kind, line))  # type: ignore[method-assign]
    instance = SimpleNamespace(
        **{name: getattr(key, name) for name in ("dag_id", "run_id", "task_id", "map_index", "try_number")},
        bundle_instance=SimpleNamespace(path=bundle, version="a" * 40) if bundle else None,
    )
    context: Any = {"dag": SimpleNamespace(fileloc=str(folder / "dag.py")), "ti": instance}
    return task.execute(context)
