"""The folder of the DAG repository that Airflow reads DAGs from: all of it, unless one was chosen.

A version that Airflow keeps of a run is the id of a commit; where a folder is set, its digest follows
(``<commit>-<digest>``), so a run also keeps the folder that it started with, and a new folder is a new
version. Every task reads this at its start, so it imports next to nothing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

#: File of the home: the present folder, and the folder of each digest that was ever set.
NAME = "dag-folder.json"

_COMMIT = 40


def current(home: Path) -> str:
    """Return the folder, "" for the whole repository."""
    return str(_read(home).get("folder", ""))


def choose(home: Path, folder: str) -> None:
    """Set the folder; "" for the whole repository."""
    from couture_workflow.store import atomic

    data = _read(home)
    if folder == data.get("folder", ""):
        return
    known = data.get("known", {})
    data = {"folder": folder, "known": known | ({_digest(folder): folder} if folder else {})}
    atomic.write(home / NAME, json.dumps(data).encode())


def version(commit: str, folder: str) -> str:
    """Return the version of the bundle that a commit is."""
    return f"{commit}-{_digest(folder)}" if folder else commit


def commit_of(version: str) -> str:
    """Return the commit of a version of the bundle, "" for none."""
    return version[:_COMMIT]


def folder_of(home: Path, version: str) -> str:
    """Return the folder of a version of the bundle, "" for the whole repository or if it is not known."""
    digest = version[_COMMIT + 1 :]
    return str(_read(home).get("known", {}).get(digest, "")) if digest else ""


def inside(folder: str, path: str) -> str | None:
    """Return a path of the repository as one of the folder, None if it is not in it."""
    if not folder:
        return path
    return path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else None


def whole(folder: str, path: str) -> str:
    """Return a path of the folder as one of the repository."""
    return str(PurePosixPath(folder) / path) if folder else path


def _digest(folder: str) -> str:
    return hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _read(home: Path) -> dict[str, Any]:
    try:
        data = json.loads((home / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
