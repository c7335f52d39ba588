"""Versions of the DAG repository: which files differ between two, and their texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from couture_workflow.exceptions import NotFoundError
from couture_workflow.services import dags
from couture_workflow.store.home import Store

#: The tree with nothing in it, which every git knows.
_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_KINDS = {"A": "added", "D": "removed", "M": "changed", "T": "changed", "R": "renamed", "C": "added"}


@dataclass(frozen=True)
class FileChange:
    """One file that differs.

    :param kind: "added", "removed", "changed" or "renamed".
    :param old_path: what a renamed file was called.
    """

    path: str
    kind: str
    old_path: str = ""

    def json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Texts:
    """Both versions of a file.

    :param old: None: it was not there.
    :param shown: whether they are texts that a page can show; if not, both are "" or None.
    """

    old: str | None
    new: str | None
    shown: bool = True

    def json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def before(store: Store, commit: str) -> str | None:
    """Return the version before one, None if it is the first."""
    parents = store.dags.git.text("rev-list", "--parents", "--max-count=1", store.dags.known(commit)).split()[
        1:
    ]
    return parents[0] if parents else None


def changed_files(store: Store, old: str | None, new: str, path: str = "") -> list[FileChange]:
    """Return the files that differ between two versions, by path; a renamed one once.

    :param old: None: as if nothing had been there before.
    :param path: only this file or folder.
    """
    first = store.dags.known(old) if old else _EMPTY
    command = ("diff-tree", "-r", "-z", "-M", "--name-status", first, store.dags.known(new))
    fields = iter(store.dags.git.run(*command).decode("utf-8", "surrogateescape").split("\0"))
    found = []
    for letter in fields:
        if not letter:
            continue
        name = next(fields)
        origin, name = (name, next(fields)) if letter[0] in "RC" else ("", name)
        found.append(FileChange(name, _KINDS.get(letter[0], "changed"), origin if letter[0] == "R" else ""))
    within = path.rstrip("/")
    return [
        change
        for change in found
        if not within or _is_within(change.path, within) or _is_within(change.old_path, within)
    ]


def renamed_since(store: Store, old: str, new: str) -> Mapping[str, str]:
    """Return the new path of each file that was renamed between two versions, by its old one."""
    try:
        changes = changed_files(store, old, new)
    except NotFoundError:
        return {}
    return {change.old_path: change.path for change in changes if change.kind == "renamed"}


def texts(store: Store, old: str | None, new: str | None, path: str, *, old_path: str = "") -> Texts:
    """Return both versions of a file.

    :param old_path: what it was called in the old one, "" if it was called the same.
    """
    before, after = content(store, old_path or path, old), content(store, path, new)
    first, second = decoded(before), decoded(after)
    if (first is None and before is not None) or (second is None and after is not None):
        return Texts(None if before is None else "", None if after is None else "", shown=False)
    return Texts(first, second)


def content(store: Store, path: str, commit: str | None) -> bytes | None:
    """Return a file of a version, None if it was not there or there is no version."""
    if commit is None:
        return None
    try:
        return dags.read(store, path, commit=commit)
    except NotFoundError:
        return None


def decoded(content: bytes | None) -> str | None:
    """Return the text that a file holds, None if a page cannot show it as text."""
    if content is None or len(content) > dags.MAX_EDITABLE or b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
