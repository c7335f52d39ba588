"""Operators for DAG files: ``from couture_workflow.operators import CouturePySparkOperator``.

Each is imported when it is first asked for: a Spark task need not load what a ``DagOperator`` stands on.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from couture_workflow.operators.dag import DagOperator
    from couture_workflow.operators.eda import CoutureEdaOperator
    from couture_workflow.operators.environment import env_file
    from couture_workflow.operators.jupyter import CoutureJupyterOperator
    from couture_workflow.operators.model import CoutureModelOperator, register_model
    from couture_workflow.operators.parameters import run_parameters
    from couture_workflow.operators.spark import CouturePySparkOperator, CoutureSparkOperator
    from couture_workflow.operators.task_sla import task_sla

__all__ = [
    "CoutureEdaOperator",
    "CoutureJupyterOperator",
    "CoutureModelOperator",
    "CouturePySparkOperator",
    "CoutureSparkOperator",
    "DagOperator",
    "env_file",
    "register_model",
    "run_parameters",
    "task_sla",
]

_MODULES = {
    "CoutureEdaOperator": "eda",
    "CoutureJupyterOperator": "jupyter",
    "CoutureModelOperator": "model",
    "CouturePySparkOperator": "spark",
    "CoutureSparkOperator": "spark",
    "DagOperator": "dag",
    "env_file": "environment",
    "register_model": "model",
    "run_parameters": "parameters",
    "task_sla": "task_sla",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found
