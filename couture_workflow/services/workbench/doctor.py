"""Finds what is damaged or in the way in a home and says what to do about it; removes what nobody needs.

It also names the patches that do not fit the Airflow and the Celery that are installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from couture_workflow import patches
from couture_workflow.exceptions import (
    CorruptError,
    InvalidNameError,
    NotFoundError,
    SecretKeyError,
    StorageError,
    StorageFullError,
)
from couture_workflow.patches import guard as patch_guard
from couture_workflow.services.archives import uploads as archive_uploads
from couture_workflow.services.ldap import applied as ldap_applied
from couture_workflow.services.ldap.document import PATH as LDAP_SETTINGS
from couture_workflow.services.workbench import doctor_hadoop, doctor_kerberos, doctor_models
from couture_workflow.store import atomic, file_sets, pending_files
from couture_workflow.store.blobs import CHUNK, LEFTOVER_AGE
from couture_workflow.store.home import Store
from couture_workflow.store.manifests import Manifests
from couture_workflow.store.names import reference_to
from couture_workflow.store.repository import Repository
from couture_workflow.store.secrets import REMEDY

#: Free bytes below which a disk is reported.
LOW_DISK = 2**30
CLEAN = "couture-workflow doctor --clean"

_TOKEN = re.compile(rb"gAAAAA[\w-]{60,}={0,2}")


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    :param path: the file or folder at fault, or which "patch", "keytab", "Hadoop group" or "model server".
    """

    path: Path | str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem} {self.remedy}"


@dataclass(frozen=True)
class Garbage:
    """What ``collect_garbage`` removed.

    :param size: bytes on the disk that it took.
    """

    paths: tuple[Path, ...]
    size: int


def check(store: Store) -> list[Finding]:
    """Look at everything in a home, every byte of every file included, and return what is wrong."""
    return [
        *_check_folders(store),
        *_check_disk(store),
        *(finding for repository in store.repositories for finding in _check_repository(store, repository)),
        *_check_secrets(store),
        *_check_files(store),
        *_check_leftovers(store),
        *_check_clusters(store),
        *_check_log_in(store),
    ]


def check_patches() -> list[Finding]:
    """Return a finding for each patch that finds nothing to patch in what is installed."""
    return [
        Finding(f"patch {patch.name}", problem, patches.REMEDY) for patch, problem in patch_guard.misfits()
    ]


def check_model_server() -> list[Finding]:
    """Return a finding if the model server is a service of its own and does not answer."""
    return [Finding(*each) for each in doctor_models.look()]


def collect_garbage(store: Store, *, older_than: float = LEFTOVER_AGE) -> Garbage:
    """Remove what killed processes left behind and contents that no file refers to; safe while others upload.

    Deleted files can be brought back, so their contents stay. With a damaged manifest no content is removed,
    for what it refers to is not known.

    :param older_than: age in seconds from which a temporary file may be a leftover.
    """
    paths: list[Path] = []
    size = 0
    with store.blobs.lock(alone=True), atomic.storage_errors(store.blobs.root):
        pending_files.recover(store.blobs.root.parent)  # what it puts in place refers to contents
        paths += file_sets.sweep(store.blobs.root.parent)
        for path in [*store.blobs.unused(_used(store))]:
            size += path.stat().st_size
            path.unlink()
            paths.append(path)
    paths += archive_uploads.sweep(store)
    for folder in _temporary_folders(store):
        for path in atomic.leftovers(folder, older_than=older_than):
            size += path.stat().st_size
        paths += atomic.sweep(folder, older_than=older_than)
    with contextlib.suppress(StorageFullError):  # packing only saves space, and needs some first
        for repository in store.repositories:
            repository.pack()
    return Garbage(tuple(paths), size)


def _check_folders(store: Store) -> Iterator[Finding]:
    start = "Start Couture Workflow with this home, which makes it, or restore it from a backup."
    version = store.root / "version"
    try:
        if store.layout() is None:
            yield Finding(version, "The file is missing.", start)
    except StorageError as error:
        yield Finding(version, str(error), "Choose the home and the version of Couture Workflow that fit.")
    for folder in store.folders():
        if not folder.is_dir():
            yield Finding(folder, "The folder is missing.", start)
        elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            remedy = f"Give user {os.geteuid()} the right to read and write it."
            yield Finding(folder, "The folder cannot be read and written.", remedy)


def _check_disk(store: Store) -> Iterator[Finding]:
    free = shutil.disk_usage(store.root).free
    if free < LOW_DISK:
        remedy = f"Free some space, for example with {CLEAN}, or ask for a larger disk."
        yield Finding(store.root, f"Only {free // 2**20} MiB are free on its disk.", remedy)


def _check_repository(store: Store, repository: Repository) -> Iterator[Finding]:
    path = repository.path
    restore = f"Restore {path} from a backup."
    if not repository.exists():
        yield Finding(path, "The repository is missing.", restore)
        return
    try:
        if problem := repository.check():
            yield Finding(path, f"The repository is damaged: git fsck says: {problem}", restore)
        elif repository.head() and repository is store.config:
            for name in repository.paths():
                yield from _check_tokens(store, name)
    except CorruptError as error:
        yield Finding(path, str(error), restore)
    for lock in repository.locks():
        problem = "Another git process is writing, or was killed while it did."
        yield Finding(lock, problem, "Saving removes it after a minute; look again then.")


def _check_tokens(store: Store, name: str) -> Iterator[Finding]:
    try:
        for token in _TOKEN.findall(store.config.read(name)):
            store.secrets.decrypt(token.decode())
    except SecretKeyError:
        yield _locked_secret(store.config.path / name)
    except NotFoundError:
        return  # deleted while we looked


def _check_secrets(store: Store) -> Iterator[Finding]:
    folder = store.secrets.folder
    if not folder.is_dir():
        return
    yield from _check_mode(folder, 0o700)
    try:
        store.secrets.encrypt("")
    except SecretKeyError:
        yield Finding(folder, "There is no usable key for secrets.", REMEDY)
        return
    for name in store.secrets.names():
        try:
            yield from _check_mode(folder / name, 0o600)
            store.secrets.get(name)
        except SecretKeyError:
            yield _locked_secret(folder / name)
        except (InvalidNameError, StorageError) as error:
            yield Finding(folder / name, str(error), "Move the file away, or restore it from a backup.")
        except (FileNotFoundError, NotFoundError):
            continue  # deleted while we looked


def _locked_secret(path: Path) -> Finding:
    problem = "The secret cannot be decrypted: it is damaged, or was saved with another key."
    return Finding(path, problem, f"{REMEDY} If the key is lost, enter the secret again.")


def _check_mode(path: Path, mode: int) -> Iterator[Finding]:
    actual = stat.S_IMODE(path.stat().st_mode)
    if actual & ~mode:
        yield Finding(path, f"Others may use it (mode {actual:o}).", f"Type: chmod {mode:o} {path}")


def _check_files(store: Store) -> Iterator[Finding]:
    users: dict[tuple[str, int], list[str]] = {}
    for label, manifests in _all_manifests(store):
        for name in manifests.names():
            try:
                file = manifests.read(name)
            except StorageError as error:
                yield _damaged_manifest(manifests, name, error)
                continue
            for version in file.versions if file else ():
                reference = f"{label}/{reference_to(name, version.number)}"
                users.setdefault((version.sha256, version.size), []).append(reference)
    for (sha256, size), references in users.items():
        path = store.blobs.path(sha256)
        if problem := _damage(path, sha256, size):
            yield _damaged_content(path, problem, references)


def _damage(path: Path, sha256: str, size: int) -> str:
    """Return what is wrong with a content, "" if nothing is."""
    digest = hashlib.sha256()
    read = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                read += len(chunk)
    except FileNotFoundError:
        return "The content is missing."
    except OSError as error:
        return f"The content cannot be read: {error.strerror}."
    if read != size:
        return f"The content has {read} bytes instead of {size}."
    return "" if digest.hexdigest() == sha256 else "The content does not have the sha256 that it is named by."


def _damaged_content(path: Path, problem: str, references: list[str]) -> Finding:
    users = ", ".join(references)
    return Finding(
        path,
        f"{problem} It belongs to {users}.",
        "Upload the same file again under the same name, restore this one from a backup, or delete the name.",
    )


def _damaged_manifest(manifests: Manifests, name: str, error: StorageError) -> Finding:
    return Finding(
        manifests.path(name),
        f"The manifest of {name} is damaged: {error.__cause__ or error}.",
        f"Restore it from a backup; or remove it and upload {name} again, which loses its earlier versions.",
    )


def _check_leftovers(store: Store) -> Iterator[Finding]:
    for folder in _temporary_folders(store):
        for path in atomic.leftovers(folder, older_than=LEFTOVER_AGE):
            yield Finding(path, "A process that was killed left it behind.", f"Type: {CLEAN}")
    try:
        used = _used(store)
    except StorageError:
        return  # reported with the manifest; what it refers to is not known
    for path in store.blobs.unused(used):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_ctime > LEFTOVER_AGE:
                yield Finding(path, "No file refers to this content.", f"Type: {CLEAN}")


def _check_clusters(store: Store) -> Iterator[Finding]:
    try:
        for path, problem, remedy in (*doctor_hadoop.look(store), *doctor_kerberos.look(store)):
            yield Finding(path, problem, remedy)
    except StorageError:
        return  # reported with the repository


def _check_log_in(store: Store) -> Iterator[Finding]:
    """Look whether people log in as it was saved; a damaged repository is reported with it."""
    with contextlib.suppress(StorageError):
        if store.config.exists() and (found := ldap_applied.finding(store)):
            yield Finding(store.config.path / LDAP_SETTINGS, *found)


def _all_manifests(store: Store) -> Iterator[tuple[str, Manifests]]:
    for files in store.kinds:
        yield files.kind, files.manifests
        yield f"deleted {files.kind}", files.deleted_manifests


def _used(store: Store) -> set[str]:
    """Return the sha256 of every version of every file, deleted ones too."""
    found: set[str] = set()
    for _, manifests in _all_manifests(store):
        for name in manifests.names():
            file = manifests.read(name)
            found.update(version.sha256 for version in (file.versions if file else ()))
    return found


def _temporary_folders(store: Store) -> tuple[Path, ...]:
    return (store.blobs.temporary, store.secrets.folder, store.root, *(r.path for r in store.repositories))
