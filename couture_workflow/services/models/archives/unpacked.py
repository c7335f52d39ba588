"""The unpacked versions that the model server reads: ``models/serving/<name>/<version>/`` below the home.

They are made from the archives and can be made again at any time. Beside each stands what it was made from,
so that one of another archive, as after a restore, is never taken for it.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from couture_workflow.exceptions import ArchiveError, InUseError, NotFoundError
from couture_workflow.services.models import serving
from couture_workflow.services.models.archives import archive, unpacking
from couture_workflow.services.models.archives.archive import Found, Layout
from couture_workflow.services.models.document import SERVED
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from couture_workflow.store.manifests import StoredFile

_WORK = ".work"
_PART, _LOCK = ".part-", ".lock"


def key(kind: str, name: str) -> str:
    """Return the name under which the versions of a model are among the files."""
    return f"{kind}.{name}"


@contextmanager
def named(kind: str, name: str) -> Iterator[None]:
    """Let errors of the store call a model by its name, which is not what it is kept under."""
    try:
        yield
    except NotFoundError as error:
        raise NotFoundError(str(error).replace(key(kind, name), name)) from error


def stored(store: Store, kind: str, name: str, version: int | None = None) -> StoredFile:
    """Return a model's versions as files.

    :raises NotFoundError: there is no such model, or no such version of it.
    """
    with named(kind, name):
        found = store.models.get(key(kind, name))
        found.version(version)
    return found


def root(store: Store) -> Path:
    """Return the folder of all unpacked versions."""
    return serving.config_of(store.root).parent


def folder_of(store: Store, name: str, version: int) -> Path:
    """Return where a version is, or would be, unpacked."""
    return root(store) / name / str(version)


def work_folder(store: Store) -> Path:
    """Return the folder of what is under way, made if it is not there."""
    folder = root(store) / _WORK
    with atomic.storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def changing(store: Store, name: str) -> Iterator[None]:
    """Hold the lock on what is served of a model, or raise ``InUseError``."""

    def busy() -> None:
        raise InUseError(
            f"Another change of the model {name} is on its way: a version is being loaded, or a label moved. "
            "Wait for its end, then try again."
        )

    with atomic.locked(work_folder(store) / f"{name}.lock", waiting=busy):
        yield


@contextmanager
def naming(store: Store) -> Iterator[None]:
    """Hold the lock on which names and versions there are, and what is under way."""
    with atomic.locked(work_folder(store) / ".names.lock"):
        yield


def is_there(store: Store, name: str, version: int, *, sha256: str) -> bool:
    """Tell whether a version is unpacked, from this archive."""
    try:
        said = json.loads(_marker(store, name, version).read_bytes())
    except (OSError, ValueError):
        return False
    there = folder_of(store, name, version).is_dir()
    return there and isinstance(said, dict) and said.get("sha256") == sha256


def _marker(store: Store, name: str, version: int) -> Path:
    return root(store) / name / f".{version}.json"


def look(
    store: Store, name: str, version: int, *, folder: str | None, hold: bool = False
) -> tuple[Layout, Found | None]:
    """Unpack a version, and put the model in it where the server finds it.

    :param folder: the folder of the archive that is the model; None: the only one there is.
    :param hold: only look.

    Returns what the archive holds, and which of it was taken: None if somebody has to choose. Raises
    ``ArchiveError``, ``TooLargeError``, ``NotFoundError`` or ``StorageError``.
    """
    files = store.models
    stored = files.get(key(SERVED, name)).version(version)
    path = files.path(key(SERVED, name), version)
    with _part(store) as part:
        shown = unpacking.place(root(store), name, version)
        layout = unpacking.models(path, part, limits=archive.limits(), shown=shown)
        try:
            found = archive.chosen(layout, folder)
        except ArchiveError:  # the archive is sound, and somebody has to choose again
            found = None
        if found is not None and not hold:
            _place(store, part / found.path, name, version, sha256=stored.sha256)
            return layout, found
        return layout, None


@contextmanager
def _part(store: Store) -> Iterator[Path]:
    """Give an empty folder that ``sweep`` leaves alone as long as this process lives."""
    part = work_folder(store) / f"{_PART}{uuid.uuid4().hex}"
    lock = part.with_suffix(_LOCK)
    with atomic.locked(lock):
        try:
            with atomic.storage_errors(root(store)):
                part.mkdir(mode=0o700)
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _place(store: Store, made: Path, name: str, version: int, *, sha256: str) -> None:
    target = folder_of(store, name, version)
    with atomic.storage_errors(target):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove(store, name, version)
        made.rename(target)
        atomic.write(_marker(store, name, version), json.dumps({"sha256": sha256}).encode())


def remove(store: Store, name: str, version: int) -> None:
    """Remove an unpacked version, if it is there."""
    _marker(store, name, version).unlink(missing_ok=True)
    shutil.rmtree(folder_of(store, name, version), ignore_errors=True)


def remove_all(store: Store, name: str) -> None:
    """Remove all unpacked versions of a model."""
    shutil.rmtree(root(store) / name, ignore_errors=True)


def sweep(store: Store) -> None:
    """Remove what unpackings that were killed have left."""
    for lock in work_folder(store).glob(f"{_PART}*{_LOCK}"):
        if not atomic.is_locked(lock):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
