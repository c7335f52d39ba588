"""Trained models for tasks: unpacked on this machine, and packed for driver and executors of Spark."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.models import document, library
from couture_workflow.services.models.archives import archive, unpacking
from couture_workflow.services.models.document import Kind
from couture_workflow.services.runs.records import FileUse
from couture_workflow.services.spark.job_requests import Brought
from couture_workflow.store import atomic
from couture_workflow.store.files import FileVersion
from couture_workflow.store.home import Store
from couture_workflow.store.names import parse_reference

#: Folder of unpacked models, below the home. Any of it may be deleted while no task uses it.
PLACE = "cache/models"
#: Seconds after which an unpacked model that nobody asked for goes.
_KEPT = 7 * 24 * 3600


@dataclass(frozen=True)
class Use:
    """A version of a model that a reference stands for."""

    kind: Kind
    name: str
    version: FileVersion


def resolve(store: Store, reference: str) -> Use:
    """Return what ``name`` (the newest version) or ``name@3`` stands for; NotFoundError if there is none."""
    name, number = parse_reference(reference, what="model")
    document.check_name(name)
    kind = library.kind_of(store, name)
    return Use(kind, name, library.stored_version(store, kind, name, number))


def path(store: Store, reference: str) -> Path:
    """Return where a version lies on this machine: a folder if it came as an archive, else a file.

    Of an archive with one folder at its top, this is that folder; of a model that is served, the folder that
    is. It is called like the model. Nobody may write to it.

    :raises NotFoundError: there is no such version.
    :raises ArchiveError: the archive cannot be unpacked.
    """
    return _at_hand(store, resolve(store, reference))


def bring(references: Sequence[str], store: Store, folder: Path) -> Brought:
    """Copy versions into a folder as Spark brings them to driver and executors, under the models' names.

    :raises InvalidError: two references name one model.
    """
    uses = [resolve(store, reference) for reference in references]
    names = [use.name for use in uses]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidError(
            f"models names {twice} more than once, and both would be called {twice}. Name one version of it.",
            field="models",
        )
    files, archives = [], []
    for use in uses:
        found = _at_hand(store, use)
        with atomic.storage_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if found.is_dir():
                archives.append(_packed(found, folder / f"{use.name}.tar"))
            else:
                files.append(Path(shutil.copyfile(found, folder / use.name)))
    return Brought(files=tuple(files), archives=tuple(archives), uses=tuple(map(_file_use, uses)))


def _file_use(use: Use) -> FileUse:
    version = use.version
    return FileUse(
        role="model", name=use.name, version=version.number, sha256=version.sha256, size=version.size
    )


def _packed(source: Path, target: Path) -> Path:
    """Pack what lies in a folder, without who owns it."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(target, "w") as packed:
        for each in sorted(source.iterdir()):  # Spark refuses an archive with the member "./"
            packed.add(each, arcname=each.name, filter=plain)
    return target


def _at_hand(store: Store, use: Use) -> Path:
    place = store.root / PLACE / use.name / f"{use.version.number}-{use.version.sha256[:12]}"
    with _alone(place):
        found = place / use.name
        if not found.exists():
            _make(store, use, place)
        with contextlib.suppress(OSError):
            os.utime(place)
    return found


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let one task at a time unpack a version, on all machines that share the home."""
    with atomic.storage_errors(place):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic.locked(place.with_name(f".{place.name}.lock")):
        yield


def _make(store: Store, use: Use, place: Path) -> None:
    _sweep(store.root / PLACE)
    content = store.models.path(library.key(use.kind, use.name), use.version.number)
    with atomic.storage_errors(place):
        shutil.rmtree(place, ignore_errors=True)  # what somebody who was killed left
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as temporary:
            new = Path(temporary) / "new"
            new.mkdir(mode=0o700)
            if use.kind == document.SERVED or is_archive(content):
                inside = _unpacked(store, use, content, Path(temporary))
                inside.rename(new / use.name)
            else:
                shutil.copyfile(content, new / use.name)
            new.rename(place)


def _unpacked(store: Store, use: Use, content: Path, temporary: Path) -> Path:
    """Return the folder of a model's archive that is the model."""
    folder = temporary / "all"
    folder.mkdir(mode=0o700)
    shown = unpacking.place(store.root / PLACE, use.name, use.version.number)
    if use.kind == document.SERVED:
        layout = unpacking.models(content, folder, limits=archive.limits(), shown=shown)
        found = archive.chosen(layout, library.chosen(store, use.kind, use.name, use.version.number))
        return folder / found.path if found and found.path else folder
    unpacking.run(content, folder, limits=archive.limits(), shown=shown)
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def is_archive(path: Path) -> bool:
    """Tell whether a file is a tar, packed by gzip or not; a file that is packed by gzip alone is none."""
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    try:
        if head.startswith(b"\x1f\x8b"):
            with gzip.open(path) as packed:
                head = packed.read(tarfile.BLOCKSIZE)
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, OSError, EOFError, zlib.error):
        return False
    return True


def _sweep(folder: Path) -> None:
    """Remove what nobody has asked for in a week."""
    oldest = time.time() - _KEPT
    for place in folder.glob("*/*-*"):
        with atomic.storage_errors(folder):
            if not place.name.startswith(".") and place.is_dir() and place.stat().st_mtime < oldest:
                shutil.rmtree(place, ignore_errors=True)
