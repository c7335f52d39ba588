"""The Jupyter runtime of tests."""

from __future__ import annotations

import pytest

from couture_workflow.exceptions import RuntimeMissingError
from couture_workflow.services.runtimes import installed


def jupyter_or_skip() -> str:
    """Return the Python of the runtime; skip where there is none."""
    try:
        return installed.jupyter()
    except RuntimeMissingError as error:
        pytest.skip(f"needs Jupyter: {error}")
