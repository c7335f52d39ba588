"""Examples that run as they are: DAGs, jobs, data and the results that they must have."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def path(name: str) -> Path:
    """Return a file or folder of the examples, such as ``jobs/penguins.py``."""
    found = FOLDER / name
    if not found.exists():
        raise FileNotFoundError(f"There is no example {name!r} in {FOLDER}.")
    return found
