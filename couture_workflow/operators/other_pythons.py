"""Why a task in another Python failed, as a sentence (``@task.virtualenv``, ``@task.external_python``)."""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couture_workflow.services.xcoms import other_pythons

log = logging.getLogger("airflow.task")

_NOT_INSTALLED = (
    "The environment of this task could not be made: pip says above which package it did not get. Without "
    "internet, put the packages into a folder and name it in the task's pip_install_options: "
    '["--no-index", "--find-links=FOLDER"]. docs/install-offline.md has the steps.'
)
_NO_PARQUET = (
    "A data frame comes to this task as Parquet, which its own Python cannot read (%s). Add pandas and "
    "pyarrow to the packages of that Python."
)


def explain(context: Mapping[str, Any]) -> None:
    """Write to the log of a failed task what to do, where that is known.

    A callback of such tasks: the policy gives it to them.
    """
    error = context.get("exception")
    if not isinstance(error, subprocess.CalledProcessError) or error.returncode < 0:
        return
    if "install" in error.cmd:
        log.error(_NOT_INSTALLED)
    elif other_pythons.took_frames() and (reason := _reason(error.cmd[0], context["task"])):
        log.error(_NO_PARQUET, reason)


def _reason(python: str, task: Any) -> str:
    """Return why a Python cannot read Parquet, "" if it can."""
    if not Path(python).exists():  # an environment that went with its task
        return "" if _wants_pyarrow(task) else "pyarrow is none of its requirements"
    asked = subprocess.run(  # noqa: S603 (what the task itself was run with)
        [python, "-c", "import pandas, pyarrow.parquet"], capture_output=True, text=True, check=False
    )
    return asked.stderr.strip().splitlines()[-1] if asked.returncode and asked.stderr.strip() else ""


def _wants_pyarrow(task: Any) -> bool:
    wanted = getattr(task, "requirements", ())
    return bool(getattr(task, "system_site_packages", False)) or any(
        re.match(r"\s*pyarrow\b", str(each)) for each in wanted
    )
