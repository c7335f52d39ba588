"""What tests of operators share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.jupyter_runtime import jupyter_or_skip


@pytest.fixture
def jupyter() -> str:
    """Return the Python of the runtime; skip where there is none."""
    return jupyter_or_skip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a DAG file."""
    path = tmp_path / "repository" / "dags"
    path.mkdir(parents=True)
    return path
