"""Environments that tasks make for themselves (`@task.virtualenv`), kept for the next run of the tests.

The first run makes them as a user's first run does: it needs a package index, and takes half a minute more.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "dags" / "model_pipeline.py"


def share(home: Path) -> None:
    """Let the tasks of a home find the environments that the pins of the example have made before.

    Where they have to be made and cannot be, the test is skipped.
    """
    pins = re.findall(r'"([\w-]+==[\w.]+)"', EXAMPLE.read_text(encoding="utf-8"))
    quoted = "".join(f'"{pin}"' for pin in pins)
    digest = hashlib.sha256(f"{quoted}{sys.version}".encode()).hexdigest()[:12]
    folder = Path(sys.prefix) / f"task-environments-of-tests-{digest}"
    for older in folder.parent.glob("task-environments-of-tests-*"):
        if older != folder:
            shutil.rmtree(older)
    if not list(folder.glob("venv-*/install_complete_marker.json")):
        _index_or_skip(pins[-1])
    folder.mkdir(exist_ok=True)
    place = home / "cache" / "environments"
    if not place.exists():
        place.symlink_to(folder)


def _index_or_skip(pin: str) -> None:
    """Skip the test where pip reaches no package index."""
    words = ["pip", "download", "--quiet", "--no-deps", "--retries=0", "--timeout=15"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", *words, f"--dest={folder}", pin],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        pytest.skip(f"needs a package index, for the environment of train_trees: {done.stderr[-300:]}")
