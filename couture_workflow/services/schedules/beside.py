"""Whether the files that were pinned with a notebook are still those beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.notebooks import folders
from couture_workflow.services.notebooks.folders import State
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.services.schedules.origin import digest

#: Digests of files by their state, and how many.
_digests: dict[State, str] = {}
_MOST_DIGESTS = 10_000


@dataclass
class Left:
    """What may be looked at for one answer yet: files, and bytes of files that are read."""

    files: int = 5_000
    size: int = 64 * 2**20


def changed(top: Path, schedule: Schedule, left: Left | None) -> Iterator[str]:
    """Iterate over paths of the files of a schedule that are others now, or gone.

    A file of the same size is read, unless it is as it was when it was read last.

    :param top: the folder of all notebooks; whether the caller may read the source has been asked for.
    :param left: what may be looked at, which becomes less; None: all. What is too much counts as the same.
    """
    folder = schedule.origin.source.rpartition("/")[0]
    for path in schedule.form.files:
        if left is not None and left.files <= 0:
            return
        size, state = schedule.beside.get(path), folders.state(top, f"{folder}/{path}")
        if left is not None:
            left.files -= 1
        if state is None or state.size != size or _differs(top, state, schedule.origin.files.get(path), left):
            yield path


def _differs(top: Path, state: State, pinned: str | None, left: Left | None) -> bool:
    known = _digests.get(state)
    if known is None:
        if left is not None:
            if state.size > left.size and left.size < Left.size:  # one is read, however large it is
                return False
            left.size -= state.size
        try:
            known = digest(folders.read(top, state.path, largest=state.size))
        except CoutureError:
            return True
        if state.is_settled and state == folders.state(top, state.path):
            if len(_digests) >= _MOST_DIGESTS:
                _digests.clear()
            _digests[state] = known
    return known != pinned
