"""Opens what a run left for those who look at it.

Cells are code of others. What they leave in place of a file, a link to ``/etc/passwd`` or a pipe, must
neither be handed to whoever looks at the run nor hold that person's request.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO

from couture_workflow.exceptions import NotFoundError
from couture_workflow.services.notebooks import folders, outputs
from couture_workflow.store.names import is_text

if TYPE_CHECKING:
    from couture_workflow.services.runs.records import Run, RunKey
    from couture_workflow.store.home import Store

_PIECE = 2**18
_NAMES = (outputs.NOTEBOOK, outputs.HTML, outputs.HTML_WITHOUT_CODE)


def opened(store: Store, key: RunKey, name: str) -> BinaryIO:
    """Open an output of a try, or raise ``NotFoundError``.

    :param name: path from the run's own folder, such as ``output.html`` or ``files/plots/a.png``.
    """
    parts = name.split("/")
    own = name in _NAMES or (parts[0] == outputs.FILES and len(parts) > 1 and is_text(name))
    if own and "\0" not in name and not {"", ".", ".."}.intersection(parts):
        try:
            return _kept_open(store, key, name)
        except (NotFoundError, ValueError):
            pass
    raise NotFoundError(
        f"Try {key.try_number} of the task {key.task_id!r} has no output {name[:200]!r}. It may have been "
        "deleted or swept; look at the list of its files."
    )


def place(store: Store, key: RunKey, name: str) -> str:
    """Return the path of a file of a try from the folder of all outputs, which alone can be trusted."""
    return (outputs.folder(store, key) / name).relative_to(store.outputs).as_posix()


def _kept_open(store: Store, key: RunKey, name: str) -> BinaryIO:
    with folders.opened(store.outputs, place(store, key, name)) as file:
        return os.fdopen(os.dup(file.fileno()), "rb")


def size(file: BinaryIO) -> int:
    """Return the bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield so many bytes of an open file, and close it; fewer if it was cut meanwhile."""
    with closing(file):
        while length > 0 and (piece := file.read(min(_PIECE, length))):
            length -= len(piece)
            yield piece


def present(store: Store, run: Run) -> dict[str, int]:
    """Return name and size of a run's outputs: of those that its record names, what can be opened still."""
    recorded = [file.name for file in run.notebook.files] if run.notebook else []
    found: dict[str, int] = {}
    for name in dict.fromkeys((*_NAMES, *recorded[: outputs.MOST])):
        try:
            with opened(store, run.key, name) as file:
                found[name] = size(file)
        except NotFoundError:
            continue
    return found
