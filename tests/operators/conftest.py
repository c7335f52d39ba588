"""What tests of operators share."""

from __future__ import annotations

from pathlib import Path

import pytest

from couture_workflow.exceptions import RuntimeMissingError
from couture_workflow.services.runtimes import installed


@pytest.fixture
def jupyter() -> str:
    """Return the Python of the runtime; skip where there is none."""
    try:
        return installed.jupyter()
    except RuntimeMissingError as error:
        pytest.skip(f"needs Jupyter: {error}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a DAG file."""
    path = tmp_path / "repository" / "dags"
    path.mkdir(parents=True)
    return path
