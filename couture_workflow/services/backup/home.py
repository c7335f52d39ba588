"""The home in a backup: everything but what is made again by itself, each part as it is at one instant.

Parts that others refer to come after those that refer to them, so nothing that is named is missing, however
much is saved meanwhile: runs, then repositories, then secrets, then the list of files, then their contents.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from couture_workflow.exceptions import CorruptError, StorageError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.notebooks import people
from couture_workflow.store import atomic, pending_files
from couture_workflow.store.backup_archives import Writer
from couture_workflow.store.blobs import CHUNK, is_sha256
from couture_workflow.store.home import Store
from couture_workflow.store.manifests import SUFFIX
from couture_workflow.store.repository import Repository

HOME = "home/"
REPOSITORIES = "repositories/"

#: Folders of the home that hold no state of their own, or another part of the backup.
KEPT = frozenset({"airflow", "logs", "cache", "imports", "submissions", "models"})
#: File with keys that a restore could not put in place.
RESTORED_KEYS = "restored-keys.json"
#: Files of the home that are of the moment.
_NOW = frozenset({"git-remote.alive", "git-remote.wanted", RESTORED_KEYS})
_SPECIAL = frozenset({"files", "secrets", "submodules"})
#: Files up to this size are read at once, so that they are of one moment.
_SMALL = 16 * 2**20


def is_state(name: str) -> bool:
    """Tell whether an entry of the home belongs to a backup."""
    return not (
        name in KEPT or name in _NOW or name.endswith(".lock") or name.startswith((".restore", ".tmp-"))
    )


def dump(store: Store, writer: Writer, folder: Path) -> list[str]:
    """Write everything of a home and return what is damaged in it, in sentences.

    :param folder: for temporary files.
    """
    problems: list[str] = []
    for name in sorted(path.name for path in store.root.iterdir()):
        path = store.root / name
        if is_state(name) and name not in _SPECIAL and not _is_repository(path):
            problems += _add_tree(writer, store.root, path)
    for repository in repositories(store):
        name = repository.path.relative_to(store.root).as_posix()
        problems += _dump_repository(repository, writer, folder, name)
    problems += _add_tree(writer, store.root, store.secrets.folder)
    problems += _dump_files(store, writer)
    return problems


def size(store: Store) -> tuple[int, int]:
    """Return about how many bytes the repositories and everything else take."""
    packed = sum(_tree_size(repository.path) for repository in repositories(store))
    names = [path.name for path in store.root.iterdir() if is_state(path.name)]
    return packed, sum(_tree_size(store.root / name) for name in names) - packed


def repositories(store: Store) -> list[Repository]:
    """Return the repositories of the home, mirrors of submodules included."""
    mirrors = sorted(dag_repository.mirrors(store).glob("*.git"))
    return [found for found in (*store.repositories, *map(Repository, mirrors)) if found.exists()]


def _is_repository(path: Path) -> bool:
    return path.name.endswith(".git") and path.is_dir()


def _add_tree(writer: Writer, root: Path, top: Path) -> list[str]:
    """Write the files of a folder; return what people keep from this account among their own.

    What programs keep to themselves, in hidden files and folders of a person, is left out without a word.
    """
    kept_back: list[str] = []
    for path in _walk(top):
        if top.name == people.TOP and not path.is_symlink() and _is_closed(path):
            if not any(part.startswith(".") for part in path.relative_to(top).parts):
                kept_back.append(f"{path}: left out, since its owner lets nobody else read it.")
        else:
            _add_file(writer, HOME + os.fspath(path.relative_to(root)), path)
    return kept_back


def _is_closed(path: Path) -> bool:
    return not os.access(path, os.R_OK | os.X_OK if path.is_dir() else os.R_OK)


def _walk(top: Path) -> Iterator[Path]:
    if not top.is_dir():
        yield top
        return
    for folder, folders, names in os.walk(top):
        closed = [name for name in folders if _is_closed(Path(folder, name))]
        yield from (Path(folder, name) for name in sorted(closed))
        folders[:] = sorted(set(folders) - set(closed))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith(atomic.PREFIX))


def _add_file(writer: Writer, name: str, path: Path) -> None:
    """Write a file as it is now; one that is gone, a link or a socket is left out."""
    try:
        with atomic.reading_errors(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return
    except StorageError:
        if path.is_symlink():
            return
        raise
    with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return
        mode = stat.S_IMODE(status.st_mode) & 0o777
        with atomic.reading_errors(path):
            if status.st_size <= _SMALL:
                writer.add_bytes(name, file.read(), mode=mode)
            else:
                writer.add(name, status.st_size, iter(lambda: file.read(CHUNK), b""), mode=mode)


def _dump_repository(repository: Repository, writer: Writer, folder: Path, name: str) -> list[str]:
    """Write the references of a repository, then all commits that are in it by then."""
    git = repository.git
    refs = [
        line.partition(" ")
        for line in git.text("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    ]
    found = {ref: commit for commit, _, ref in refs}
    about = {
        "head": git.text("symbolic-ref", "HEAD"),
        "refs": found,
        "origin": git.run("config", "--local", "--get", "remote.origin.url", accept=(0, 1)).decode().strip(),
    }
    writer.add_bytes(f"{REPOSITORIES}{name}/refs.json", json.dumps(about, indent=1).encode())
    listing = git.text(
        "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objecttype) %(objectname)"
    )
    commits = [line.split()[1] for line in listing.splitlines() if line.startswith(("commit", "tag"))]
    try:
        return _dump_pack(repository, writer, folder, name, {*found.values(), *commits})
    except CorruptError:  # what no reference needs may be half gone
        return [
            *_dump_pack(repository, writer, folder, name, {*found.values()}),
            f"{repository.path}: versions that no branch has are damaged and were left out. Run "
            "couture-workflow doctor.",
        ]


def _dump_pack(
    repository: Repository, writer: Writer, folder: Path, name: str, commits: set[str]
) -> list[str]:
    if commits:
        wanted = "".join(f"{commit}\n" for commit in sorted(commits)).encode()
        options = ("--revs", "--delta-base-offset", "--quiet", "--threads=1")
        repository.git.run("pack-objects", *options, str(folder / "backup"), stdin=wanted)
        for path in sorted(folder.glob("backup-*")):
            if path.suffix == ".pack":
                _add_file(writer, f"{REPOSITORIES}{name}/pack", path)
            path.unlink()
    return []


def _dump_files(store: Store, writer: Writer) -> list[str]:
    """Write the manifests of one moment, then the contents that they name; nobody removes any meanwhile."""
    with store.blobs.lock():
        used, problems = _dump_manifests(store, writer)
        for sha256, size in sorted(used.items()):
            path = store.blobs.path(sha256)
            name = HOME + os.fspath(path.relative_to(store.root))
            before = len(writer.members)
            _add_file(writer, name, path)
            if len(writer.members) == before:
                problems.append(f"{path}: the content is missing. Run couture-workflow doctor.")
            elif size >= 0 and writer.members[name] != (size, sha256):
                problems.append(f"{path}: the content is damaged. Run couture-workflow doctor.")
    return problems


def _dump_manifests(store: Store, writer: Writer) -> tuple[dict[str, int], list[str]]:
    """Write the manifests; return sha256 and size (-1: not known) of the contents, and what is damaged."""
    used: dict[str, int] = {}
    problems: list[str] = []
    contents: list[tuple[Path, bytes]] = []
    root = store.blobs.root.parent
    with pending_files.all_locked(root):
        pending_files.finish(root)
        for manifests in (m for files in store.kinds for m in (files.manifests, files.deleted_manifests)):
            for name in manifests.names():
                path = manifests.folder / f"{name}{SUFFIX}"
                contents.append((path, path.read_bytes()))
                try:
                    file = manifests.read(name)
                except StorageError as error:
                    problems.append(str(error))
                    continue
                used.update((version.sha256, version.size) for version in (file.versions if file else ()))
    for path, content in contents:
        writer.add_bytes(HOME + os.fspath(path.relative_to(store.root)), content, mode=0o644)
    if problems:  # what a damaged one names is not known
        found = (path.name for path in store.blobs.root.glob("[0-9a-f][0-9a-f]/*"))
        used = {**{name: -1 for name in found if is_sha256(name)}, **used}
    return used, problems


def _tree_size(top: Path) -> int:
    total = 0
    for path in _walk(top):
        with contextlib.suppress(FileNotFoundError):
            total += path.lstat().st_size
    return total
