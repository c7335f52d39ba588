"""`couture-workflow backup`: all state of an installation in one file, while it runs.

The database comes first and what it refers to after it, each part as it was at one instant
(``database``, ``home``), then the manifest and the keys.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import couture_workflow
from couture_workflow.exceptions import InUseError, InvalidError, StorageFullError
from couture_workflow.services.backup import database as backup_database
from couture_workflow.services.backup import home as backup_home
from couture_workflow.services.backup import keys as backup_keys
from couture_workflow.services.backup import place as backup_place
from couture_workflow.services.backup.place import Place
from couture_workflow.store import atomic
from couture_workflow.store.backup_archives import Writer
from couture_workflow.store.home import LAYOUT, Store

Report = Callable[[str], None]

#: Bytes that stay free on every disk.
SPARE = 64 * 2**20


@dataclass(frozen=True)
class Made:
    """A backup that was written.

    :param size: bytes of the file.
    :param problems: what of the installation is damaged, and in the backup as it is.
    """

    size: int
    problems: tuple[str, ...]


def backup(home: Path | None, file: Path | None, *, passphrase: str | None, report: Report) -> Made:
    """Write a backup and return what it is like.

    :param home: the home; None: the one that is configured.
    :param file: where to; None: standard output.
    :param passphrase: what the keys are encrypted with, None: they are not.
    :param report: gets a line for each step.
    """
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(_standard_output()) if file is None else None
        place = backup_place.existing(home)
        store = Store.open(place.home)
        if file is not None:
            check_file(file, store.root)
        stack.enter_context(alone(store.root))
        folder = stack.enter_context(working_folder(store.root))
        _check_disk(place, store, file)
        count = _Counted(stream or stack.enter_context(_output(file or Path())))
        problems = _write(place, store, Writer(count), folder, passphrase, report)
    return Made(count.size, tuple(problems))


def check_file(file: Path, home: Path) -> None:
    """Refuse a file that cannot be one of a backup."""
    if file.is_dir():
        raise InvalidError(f"{file} is a folder. Name a file, such as {file / 'couture.tar.gz'}.")
    if not file.parent.is_dir():
        raise InvalidError(f"There is no folder {file.parent}. Make it, or name a file in another one.")
    if file.resolve().is_relative_to(home.resolve()):
        raise InvalidError(
            f"{file} lies in the home {home}, which is to be backed up. Name a file elsewhere."
        )


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """Let one backup or restore work on a home at a time."""
    with (home / ".backup.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUseError(
                f"Another backup or restore of {home} is under way. Wait until it ends."
            ) from None
        yield


@contextlib.contextmanager
def working_folder(home: Path) -> Iterator[Path]:
    """Give an empty private folder in the home, which is removed at the end, or by the next backup."""
    folder = home / "cache" / "backup"
    with atomic.storage_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def check_free(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what does not fit on the disk.

    :param what: what needs the space.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise StorageFullError(
            f"{what} needs about {needed // 2**20:,} MiB on the disk of {folder}, and "
            f"{free // 2**20:,} MiB are free ({SPARE // 2**20} of them stay so). "
            "Nothing was changed; free some space."
        )


def _check_disk(place: Place, store: Store, file: Path | None) -> None:
    database, (packed, rest) = backup_database.size(place), backup_home.size(store)
    check_free(store.root, max(database if place.kind == "sqlite" else 0, packed), "A copy for the backup")
    if file is not None:  # a database is mostly text, which packs to a quarter; jars do not
        check_free(file.parent, packed + rest + database // 4, "The backup")


def _write(
    place: Place, store: Store, writer: Writer, folder: Path, passphrase: str | None, report: Report
) -> list[str]:
    report(f"Backing up the database ({place.kind}).")
    database = backup_database.dump(place, writer, folder)
    report(f"Backing up the home {store.root}.")
    problems = backup_home.dump(store, writer, folder)
    keys = place.keys()
    about = {
        "product_version": couture_workflow.__version__,
        "airflow_version": importlib.metadata.version("apache-airflow-core"),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "layout": store.layout() or LAYOUT,
        "embedded": place.embedded,
        "database": database,
        "problems": problems,
    }
    writer.finish(about, lambda manifest: backup_keys.seal(keys, manifest, passphrase))
    report(f"{len(writer.members):,} files, {writer.size:,} bytes before they were packed.")
    return problems


class _Counted:
    """Gives bytes on and counts them."""

    def __init__(self, out: Callable[[bytes], object]) -> None:
        self._out = out
        self.size = 0

    def __call__(self, piece: bytes) -> None:
        self.size += len(piece)
        self._out(piece)


@contextlib.contextmanager
def _standard_output() -> Iterator[Callable[[bytes], object]]:
    """Give what takes the bytes; whatever a library prints meanwhile goes to standard error."""
    if sys.stdout.isatty():
        raise InvalidError("A backup is no text for a terminal. Name a file, or send the output into one.")
    sys.stdout.flush()
    descriptor = os.dup(1)
    os.dup2(2, 1)
    try:
        yield _taker(descriptor, Path("/dev/stdout"))
    finally:
        os.dup2(descriptor, 1)
        os.close(descriptor)


@contextlib.contextmanager
def _output(file: Path) -> Iterator[Callable[[bytes], object]]:
    """Give what takes the bytes; a file is there when all of them are, and nobody else may read it."""
    part = file.with_name(f".{file.name}.part")
    with atomic.storage_errors(file):
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUseError(f"Another backup is writing {file}. Wait, or name another file.") from None
            try:
                os.fchmod(descriptor, 0o600)
                os.ftruncate(descriptor, 0)
                yield _taker(descriptor, file)
                os.fsync(descriptor)
                part.replace(file)
                atomic.sync_folder(file.parent)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        finally:
            os.close(descriptor)


def _taker(descriptor: int, file: Path) -> Callable[[bytes], object]:
    """Return what writes bytes, and tells a full disk of the file from one of what is read meanwhile."""

    def take(piece: bytes) -> None:
        with atomic.storage_errors(file):
            atomic.write_all(descriptor, piece)

    return take
