"""What is done ahead of the first check of a process, so that whoever saves need not wait for it."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.dags.sources import Sources
from couture_workflow.services.gate import listing, sandbox
from couture_workflow.services.processes.walls import Limits

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

#: Home -> the process that has prepared for its files.
_prepared: dict[Path, int] = {}


def warm(store: Store) -> None:
    """Prepare in the background: Airflow in the sandbox, and the tree that checks differ from."""
    threading.Thread(target=_prepare, args=[store], name="dag-sandbox", daemon=True).start()


def _prepare(store: Store) -> None:
    with contextlib.suppress(CoutureError):  # the check that meets it tells it
        sandbox.start()
        if _prepared.get(store.root) == os.getpid():
            return  # each check leaves the next one what it needs
        _prepared[store.root] = os.getpid()
        folder = dag_root.current(store.root)
        found = (
            (dag_root.inside(folder, path), text) for path, text in dag_repository.read_all(store).items()
        )
        files = {path: content for path, content in found if path}
        Sources(files).literals()
        with sandbox.Tree(files, keep=True) as tree:
            listing.dag_files(files, tree, limits=Limits())
