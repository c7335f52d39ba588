"""Whether the Python of ``@task.external_python`` has Pendulum is asked quietly (``quiet-python``)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from couture_workflow.patches import guard

_ASK = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pendulum') is None)"


def apply() -> None:
    """Let such tasks ask quietly; called in the process of a task that is one."""
    if guard.fits("quiet-python"):
        from airflow.providers.standard.operators.python import ExternalPythonOperator

        guard.replace(ExternalPythonOperator, "_is_pendulum_installed_in_target_env", _quiet)


def _quiet(loud: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def ask(operator: Any) -> bool:
        if operator.expect_pendulum:  # then it is worth a warning
            return loud(operator)
        try:
            asked = subprocess.run([operator.python, "-c", _ASK], check=False)  # noqa: S603 (as the loud one)
        except OSError:
            return False
        return asked.returncode == 0

    return ask
