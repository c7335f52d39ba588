"""The check of a version before it gets a request, by the runtime of the model server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from couture_workflow.exceptions import RuntimeMissingError
from couture_workflow.services.models import readiness, serving, waiting

_REMEDY = "couture-workflow install --serving"


def run(folder: Path) -> dict[str, Any]:
    """Return what is known of the model in a folder: ``ok``, ``error``, signatures, size, operations, ...

    :raises RuntimeMissingError: the runtime that checks is not installed; the message says what to type.
    :raises StartError: the check itself does not run.
    """
    try:
        program = serving.python()
    except RuntimeMissingError as error:
        raise RuntimeMissingError(_why(str(error))) from error
    return serving.check(folder, program=program)


def _why(said: str) -> str:
    """Return why there is no runtime: it is on its way, or what to type.

    :param said: what is said where nobody is at it.
    """
    own = readiness.now()
    if own is not None and own.state == waiting.IDLE:
        return "The workbench installs the model server in a moment."
    if own is not None and own.state in (waiting.INSTALLING, waiting.FAILED):
        return own.said
    return said if _REMEDY in said else f"{said} The upload is kept. Type: {_REMEDY}"
