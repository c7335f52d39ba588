"""Export and comparison of what is kept in git: whole trees, one content in memory at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from couture_workflow.exceptions import InvalidNameError
from couture_workflow.store import trees
from couture_workflow.store.archives import Entry
from couture_workflow.store.names import check_pushed_path
from couture_workflow.store.repository import Repository


def blob_id(content: bytes) -> str:
    """Return the id that git has for a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def present(repository: Repository, commit: str | None) -> dict[str, trees.Entry]:
    """Return the entries of a version by path."""
    if commit is None:
        return {}
    return {entry.path: entry for entry in trees.entries(repository.git, commit)}


def entries(
    repository: Repository, commit: str | None, *, folder: str
) -> tuple[list[Entry], dict[str, tuple[str, ...]]]:
    """Return the files of a version as entries of an archive, and what cannot be one with the reason.

    :param folder: where they go in the archive, with a slash at its end.
    """
    left_out: dict[str, tuple[str, ...]] = {}
    kept: list[trees.Entry] = []
    for path, entry in present(repository, commit).items():
        if why := _unfit(entry):
            left_out[f"{folder}{path}"] = (why,)
        else:
            kept.append(entry)
    hashes = {
        blob: hashlib.sha256(content).hexdigest()
        for blob, content in trees.contents(repository.git, (entry.blob for entry in kept))
    }
    # Asked for in the order in which they are written, so that one process gives them all.
    reader = _Contents(repository, sorted(kept, key=lambda entry: f"{folder}{entry.path}"))
    found = [
        Entry(f"{folder}{entry.path}", entry.size, hashes[entry.blob], lambda entry=entry: reader.get(entry))  # type: ignore[misc]
        for entry in kept
    ]
    return found, left_out


class _Contents:
    """Gives contents one by one; asked in order, it takes one git process for all."""

    def __init__(self, repository: Repository, order: list[trees.Entry]) -> None:
        self._repository = repository
        self._order = order
        self._place = {entry.path: place for place, entry in enumerate(order)}
        self._next = -1
        self._running: Iterator[tuple[str, bytes]] = iter(())

    def get(self, entry: trees.Entry) -> Iterator[bytes]:
        """Give the content of an entry."""
        place = self._place[entry.path]
        if place != self._next:
            blobs = [each.blob for each in self._order[place:]]
            self._running = trees.each_content(self._repository.git, blobs)
        self._next = place + 1
        yield next(self._running)[1]


def _unfit(entry: trees.Entry) -> str:
    """Return why an entry cannot be in an archive, "" if it can."""
    if entry.mode == trees.SUBMODULE:
        return "it is a submodule"
    if entry.mode == trees.LINK:
        return "it is a symbolic link"
    try:
        check_pushed_path(entry.path)
    except InvalidNameError:
        return "its name has characters that no archive should have"
    return ""


def without_folder(paths: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return member -> path, one folder taken off if everything lies in it."""
    prefix = f"{folder}/"
    if paths and all(path.startswith(prefix) for path in paths.values()):
        return {member: path.removeprefix(prefix) for member, path in paths.items()}
    return dict(paths)
