"""DAG files: what is in ``dags.git``, who changed it, and the changes that rename or bring back something.

Reading is all that happens here. What these functions return as changes is saved by
``services.saving.save``, behind the gate.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.services.dags.links import followed, left_out
from couture_workflow.store import atomic, submodules, trees
from couture_workflow.store.home import Store
from couture_workflow.store.latest import Latest
from couture_workflow.store.names import check_path, quote
from couture_workflow.store.repository import Commit
from couture_workflow.store.trees import Match as Match

#: Name of the DAG bundle, by which Airflow knows the DAGs of the repository.
BUNDLE = "dags"

#: New content by path, None to delete it.
Changes = Mapping[str, bytes | None]

#: Bytes up to which a text file can be edited in a page.
MAX_EDITABLE = 2**20
#: Characters of a text to search for.
MAX_SEARCH = 200


@dataclass(frozen=True, slots=True)
class DagFile:
    """One file of the DAG repository.

    :param blob: id of its content: the same for the same bytes.
    :param size: bytes.
    :param submodule: path of the submodule in which alone it can be changed, "" for none.
    :param mode: git's mode: ``100644``, ``100755`` (executable), ``120000`` (link; content: its target).
    """

    path: str
    blob: str
    size: int
    submodule: str = ""
    mode: str = trees.FILE


def files(store: Store, *, commit: str | None = None) -> tuple[DagFile, ...]:
    """Return every file of a version (None: the newest), sorted by path, those of submodules too."""
    chosen = store.dags.head() if commit is None else commit
    return () if chosen is None else _files(store, chosen)


@lru_cache(maxsize=4)
def _files(store: Store, commit: str) -> tuple[DagFile, ...]:
    """Return the files of a commit: what they are never changes."""
    found = [
        DagFile(f"{part.prefix}{entry.path}", entry.blob, entry.size, part.submodule, entry.mode)
        for part in _parts(store, commit)
        for entry in part.entries
        if entry.mode != trees.SUBMODULE
    ]
    return tuple(sorted(found, key=lambda file: file.path))


def read(store: Store, path: str, *, commit: str | None = None) -> bytes:
    """Return a file of a version (None: the newest) or raise ``NotFoundError``."""
    try:
        return store.dags.read(path, commit=commit)
    except NotFoundError:
        for part in _parts(store, commit, sizes=False):
            if part.submodule and path.startswith(part.prefix):
                for entry in part.entries:
                    if f"{part.prefix}{entry.path}" == path and entry.mode != trees.SUBMODULE:
                        return next(content for _, content in trees.contents(part.git, [entry.blob]))
        raise


def read_all(store: Store, *, commit: str | None = None) -> dict[str, bytes]:
    """Return every file of a version (None: the newest) by path.

    Contents that the version before has too are not read again.
    """
    parts = tuple(_parts(store, commit, sizes=False))
    blobs = {
        f"{part.prefix}{entry.path}": (entry.blob, part)
        for part in parts
        for entry in part.entries
        if entry.mode != trees.SUBMODULE
    }
    where = dict(blobs.values())

    def missing(asked: list[str]) -> Iterator[tuple[str, bytes]]:
        for part in parts:
            yield from trees.contents(part.git, [blob for blob in asked if where[blob] is part])

    contents = _contents.of((blob for blob, _ in blobs.values()), missing)
    return {path: contents[blob] for path, (blob, _) in blobs.items()}


def contents(store: Store, files: Iterable[DagFile], *, commit: str) -> Iterator[tuple[str, bytes]]:
    """Give path and content of some files of a version, by one git process for each repository."""
    if paths := {file.path for file in files}:
        for path, _, content in submodules.contents(_parts(store, commit, sizes=False), paths):
            yield path, content


def submodule_folders(store: Store) -> frozenset[str]:
    """Return the folders of the newest version that are submodules, or in one."""
    return frozenset(part.submodule for part in _parts(store, None, sizes=False) if part.submodule)


def materialize(store: Store, folder: Path, *, commit: str) -> None:
    """Write every file of a version into a folder that is there and empty; bytes and modes are git's."""
    parts = tuple(_parts(store, commit, sizes=False))
    write_files(folder, submodules.contents(parts))


def write_files(folder: Path, files: Iterable[tuple[str, str, bytes]]) -> None:
    """Write files of a tree below a folder.

    A link is left out unless it leads to a file of the tree: Airflow ends when it meets a folder twice.

    :param files: path, git's mode and content.
    """
    links: dict[str, str] = {}
    made = {folder}
    with atomic.storage_errors(folder):
        for path, mode, content in files:
            target = folder / path
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            if mode == trees.LINK:
                links[path] = content.decode("utf-8", "surrogateescape")
                continue
            target.write_bytes(content)
            if mode == trees.EXECUTABLE:
                target.chmod(target.stat().st_mode | 0o111)
        for path, text in links.items():
            end = followed(path, links)
            if end and end not in links and (folder / end).is_file():
                (folder / path).symlink_to(text)


def links_left_out(store: Store, commit: str | None = None) -> tuple[str, ...]:
    """Return a sentence for each link of a version (None: the newest) that Airflow is not given."""
    return left_out(tuple(_parts(store, commit, sizes=False)))


def last_changes(store: Store) -> dict[str, Commit]:
    """Return the newest commit that touched each path; what a process found before is built upon."""
    head = store.dags.head()
    if head is None:
        return {}
    with _lock:
        old, known = _known_changes.get(store.dags.path, ("", {}))
    if old != head:
        if old and store.dags.is_ancestor(old, head):
            known = {**known, **store.dags.last_changes(head, after=old)}
        else:
            known = store.dags.last_changes(head)
        with _lock:
            _known_changes[store.dags.path] = (head, known)
    return dict(known)


def search(
    store: Store, text: str, *, regex: bool = False, ignore_case: bool = True, limit: int = 200
) -> list[Match]:
    """Return lines of the newest version's text files that have a text in them, at most so many.

    :param regex: the text is a POSIX extended regular expression.
    """
    if not text or len(text) > MAX_SEARCH or not text.isprintable():
        raise InvalidError(f"Type 1 to {MAX_SEARCH} characters, in one line, to search for.", field="text")
    found: list[Match] = []
    for part in _parts(store, None, sizes=False):
        matches = trees.search(
            part.git, part.commit, text, regex=regex, ignore_case=ignore_case, limit=limit - len(found)
        )
        found += [Match(f"{part.prefix}{match.path}", match.line, match.text) for match in matches]
        if len(found) >= limit:
            break
    return found


def rename(store: Store, old: str, new: str) -> dict[str, bytes | None]:
    """Return the changes that rename a file, or a folder with everything in it."""
    old, new = old.rstrip("/"), check_path(new.rstrip("/"))
    entries = {entry.path: entry for entry in _own(store)}
    moved = {path: f"{new}{path.removeprefix(old)}" for path in entries if _is_within(path, old)}
    if not moved:
        raise NotFoundError(f"There is no {quote(old)} among the DAG files.")
    if new == old:
        raise InvalidError("The new name is the old one. Choose another one.", field="path")
    if _is_within(new, old) and old not in moved:
        raise InvalidError(f"{quote(old)} cannot be moved into itself. Choose another folder.", field="path")
    taken = sorted(target for target in moved.values() if target in entries and target not in moved)
    if taken or any(_is_within(path, new) for path in entries.keys() - moved.keys()):
        raise InvalidError(
            f"There is already {quote(taken[0] if taken else new)}. Choose another name.", field="path"
        )
    _refuse_submodules(moved, entries)
    contents = dict(trees.contents(store.dags.git, (entries[path].blob for path in moved)))
    changes: dict[str, bytes | None] = dict.fromkeys(moved)
    return changes | {target: contents[entries[path].blob] for path, target in moved.items()}


def restore(store: Store, commit: str, path: str | None = None) -> dict[str, bytes | None]:
    """Return the changes that bring back a version; none if it is as it was. Submodules stay as they are.

    :param path: only this file or folder.
    """
    then = {entry.path: entry for entry in trees.entries(store.dags.git, store.dags.known(commit))}
    now = {entry.path: entry for entry in _own(store)}
    paths = {p for p in then.keys() | now.keys() if path is None or _is_within(p, path.rstrip("/"))}
    if not paths:
        raise NotFoundError(f"There is no {quote(path or '')} in version {commit[:12]}.")
    links = {p for p in paths if trees.SUBMODULE in (_mode(then.get(p)), _mode(now.get(p)))}
    differing = {p for p in paths - links if _blob(then.get(p)) != _blob(now.get(p))}
    contents = dict(trees.contents(store.dags.git, (then[p].blob for p in differing if p in then)))
    return {p: contents[then[p].blob] if p in then else None for p in sorted(differing)}


def history(store: Store, path: str | None = None, *, limit: int = 50, skip: int = 0) -> list[Commit]:
    """Return the versions, newest first.

    :param path: only those that changed this file or folder.
    """
    return store.dags.history(path, limit=limit, skip=skip)


def is_dag_candidate(path: str, content: bytes) -> bool:
    """Tell whether Airflow would parse a file (safe mode); what ``.airflowignore`` says aside."""
    if path.endswith(".zip"):
        return True
    lower = content.lower() if path.endswith(".py") else b""
    return b"airflow" in lower and (b"dag" in lower or b"asset" in lower)


def mirrors(store: Store) -> Path:
    """Return the folder of the mirrors of submodules."""
    return store.root / "submodules"


#: By blob.
_contents: Latest[str, bytes] = Latest(lambda _, content: len(content))
_lock = threading.Lock()
#: Repository -> (commit, newest commit by path as of then).
_known_changes: dict[Path, tuple[str, dict[str, Commit]]] = {}


def _parts(store: Store, commit: str | None, *, sizes: bool = True) -> Iterator[submodules.Part]:
    chosen = store.dags.head() if commit is None else store.dags.known(commit)
    if chosen is not None:
        yield from submodules.parts(store.dags.git, chosen, mirrors=mirrors(store), sizes=sizes)


def _own(store: Store) -> tuple[trees.Entry, ...]:
    head = store.dags.head()
    return trees.entries(store.dags.git, head, sizes=False) if head else ()


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _refuse_submodules(paths: Mapping[str, str], entries: Mapping[str, trees.Entry]) -> None:
    for path in paths:
        if entries[path].mode == trees.SUBMODULE:
            raise InvalidError(f"{quote(path)} is a submodule and cannot be renamed here.", field="path")


def _mode(entry: trees.Entry | None) -> str:
    return entry.mode if entry else ""


def _blob(entry: trees.Entry | None) -> str:
    return entry.blob if entry else ""
