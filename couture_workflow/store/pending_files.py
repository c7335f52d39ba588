"""New manifests that are ready and have only to be moved into place, by whoever comes next.

The folder ``READY`` is made in one rename (``file_sets``); from then on its manifests are the state. Moving
them needs no more space and can be done again from any point: ``Files`` does it before each change,
``Store.open`` and the garbage collection do it too.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from couture_workflow.store import atomic
from couture_workflow.store.manifests import DELETED, KINDS, SUFFIX

#: Name of the folder, below the folder ``files`` of the home.
READY = ".import.ready"


def lock_of(folder: Path) -> Path:
    """Return the file that whoever changes a manifest of a kind holds a lock on.

    :param folder: the folder of the kind.
    """
    return folder / ".lock"


def is_pending(root: Path) -> bool:
    """Tell whether a process was killed while it put files in place.

    :param root: the ``files`` folder of the home.
    """
    return (root / READY).exists()


def recover(root: Path) -> None:
    """Finish what a killed process left in the ``files`` folder of the home."""
    if is_pending(root):
        with all_locked(root), atomic.storage_errors(root):
            finish(root)


@contextlib.contextmanager
def all_locked(root: Path) -> Iterator[None]:
    """Hold the locks of all kinds, always taken in the same order."""
    with contextlib.ExitStack() as stack:
        for kind in KINDS:
            stack.enter_context(atomic.locked(lock_of(root / kind)))
        yield


def finish(root: Path) -> None:
    """Move what is ready into place; the caller holds all locks."""
    ready = root / READY
    if not ready.exists():
        return
    for kind in KINDS:
        for path in sorted((ready / kind).glob(f"*{SUFFIX}")):
            path.replace(root / kind / path.name)
            (root / kind / DELETED / path.name).unlink(missing_ok=True)
        atomic.sync_folder(root / kind)
    shutil.rmtree(ready)
    atomic.sync_folder(root)
