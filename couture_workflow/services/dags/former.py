"""Moves the DAGs of an older home, a plain folder, into the DAG repository; once, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from couture_workflow.exceptions import InvalidNameError
from couture_workflow.store.home import Store
from couture_workflow.store.names import check_path

AUTHOR = "superadmin"
MESSAGE = "Import the DAGs of the folder dags"

_LEFT_OUT = frozenset({"__pycache__", ".git", ".ipynb_checkpoints"})


def move(store: Store, folder: Path) -> str:
    """Save what is in the folder as the first version, rename the folder and tell so; "" if there is none.

    A repository that has a version already is left as it is, and so is the folder.
    """
    if not folder.is_dir():
        return ""
    contents, refused = _read(folder)
    if not contents and not refused:
        return _remove_if_empty(folder)
    if store.dags.head() is not None:
        return (
            f"The folder {folder} is not read: DAGs are in {store.dags.path}. Upload what you need from it "
            "(Developer, Manage DAGs), then move it away."
        )
    if contents:
        store.dags.save(contents, author=AUTHOR, message=MESSAGE, base=None)
    kept = _free_name(folder)
    folder.rename(kept)
    left = (
        f" {len(refused)} file(s) have names that cannot be saved: {', '.join(refused[:5])}."
        if refused
        else ""
    )
    moved = f"Moved {len(contents)} file(s) of {folder} into {store.dags.path}"
    return f"{moved}; the folder is {kept.name} now.{left}"


def _read(folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """Return the files by path, and the paths that cannot be saved."""
    found: dict[str, bytes] = {}
    refused = []
    for file in _files(folder):
        name = str(file.relative_to(folder))
        try:
            found[check_path(name)] = file.read_bytes()
        except (InvalidNameError, OSError):
            refused.append(name)
    return found, refused


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _LEFT_OUT)
        for name in sorted(names):
            if not name.endswith(".pyc") and (path := Path(parent, name)).is_file():
                yield path


def _remove_if_empty(folder: Path) -> str:
    try:
        folder.rmdir()
    except OSError:
        return ""  # compiled files and the like: nobody needs them, and they harm nobody
    return ""


def _free_name(folder: Path) -> Path:
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    names = [
        f"{folder.name}.imported-{date}",
        *(f"{folder.name}.imported-{date}.{n}" for n in range(2, 1000)),
    ]
    return next(path for name in names if not (path := folder.with_name(name)).exists())
