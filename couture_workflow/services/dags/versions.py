"""Versions of the DAG repository: which files differ between two, and their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from couture_workflow.exceptions import NotFoundError
from couture_workflow.services.dags import repository
from couture_workflow.store.home import Store
from couture_workflow.store.repository import Commit, is_readable

#: The tree with nothing in it, which every git knows.
_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_STATUS = re.compile(r"[A-Z]\d*")
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


@dataclass(frozen=True)
class Version:
    """One version and what it changed.

    :param files: what differs from the version before.
    """

    commit: Commit
    files: tuple[FileChange, ...]


def history(store: Store, path: str = "", *, limit: int = 50, skip: int = 0) -> list[Version]:
    """Return versions, newest first, each with the files that it changed.

    :param path: only those that changed this file or folder.
    """
    commits = repository.history(store, path or None, limit=limit, skip=skip)
    command = (
        "diff-tree",
        "--stdin",
        "-r",
        "-z",
        "-M",
        "--root",
        "--diff-merges=first-parent",
        "--name-status",
    )
    asked = "".join(f"{commit.id}\n" for commit in commits).encode()
    output = store.dags.git.run(*command, stdin=asked) if commits else b""
    found = _by_commit(_fields(output))
    return [Version(commit, tuple(found.get(commit.id, ()))) for commit in commits]


def is_file(store: Store, path: str, commits: Sequence[str]) -> bool:
    """Tell whether a path is a file in the newest version, or was one in any of these."""
    head = store.dags.head()
    chosen = [*([head] if head else []), *commits]
    if not is_readable(path) or not chosen:
        return False
    asked = "".join(f"{commit}:{path}\n" for commit in chosen).encode()
    found = store.dags.git.run("cat-file", "--batch-check=%(objecttype)", stdin=asked).split(b"\n")
    kinds = [kind for kind in found if kind in (b"blob", b"tree")]
    return bool(kinds) and kinds[0] == b"blob"


def before(store: Store, commit: str) -> str | None:
    """Return the version before one, None if it is the first."""
    parents = store.dags.git.text("rev-list", "--parents", "--max-count=1", store.dags.known(commit)).split()
    return parents[1] if len(parents) > 1 else None


def order(store: Store) -> list[str]:
    """Return the ids of all versions, newest first; what was merged into one is part of it."""
    head = store.dags.head()
    return store.dags.git.text("rev-list", "--first-parent", head).split() if head else []


def changed_files(store: Store, old: str | None, new: str, path: str = "") -> list[FileChange]:
    """Return the files that differ between two versions, by path; a renamed one once.

    :param old: None: as if nothing had been there before.
    :param path: only this file or folder.
    """
    first = store.dags.known(old) if old else _EMPTY
    command = ("diff-tree", "-r", "-z", "-M", "--name-status", first, store.dags.known(new))
    found = _by_commit(_fields(store.dags.git.run(*command))).get("", [])
    return within(found, path)


def within(changes: Sequence[FileChange], path: str) -> list[FileChange]:
    """Return the changes of one file or folder, all of them for ""."""
    folder = path.rstrip("/")
    return [
        change
        for change in changes
        if not folder or _is_within(change.path, folder) or _is_within(change.old_path, folder)
    ]


def _fields(output: bytes) -> Iterator[str]:
    return iter(output.decode("utf-8", "surrogateescape").split("\0"))


def _by_commit(fields: Iterator[str]) -> dict[str, list[FileChange]]:
    """Read git's list of changes; what comes before the id of a commit is under ""."""
    found: dict[str, list[FileChange]] = {}
    commit = ""
    for field in fields:
        if not _STATUS.fullmatch(field):
            commit = field
            continue
        names = [next(fields) for _ in range(2 if field[0] in "RC" else 1)]
        origin = names[0] if field[0] == "R" else ""
        found.setdefault(commit, []).append(FileChange(names[-1], _KINDS.get(field[0], "changed"), origin))
    return found


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
        return repository.read(store, path, commit=commit)
    except NotFoundError:
        return None


def decoded(content: bytes | None) -> str | None:
    """Return the text that a file holds, None if a page cannot show it as text."""
    if content is None or len(content) > repository.MAX_EDITABLE or b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
