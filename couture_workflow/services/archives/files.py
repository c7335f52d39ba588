"""Export and import of what is uploaded for Spark jobs: dependencies and code artifacts, current versions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from couture_workflow.exceptions import ArchiveError, InvalidError, NotFoundError
from couture_workflow.services.archives.plans import Item, OnConflict, Plan, Prepared, Readable, action
from couture_workflow.services.files import artifacts, dependencies
from couture_workflow.services.files import contents as file_contents
from couture_workflow.services.files.kinds import FileKind
from couture_workflow.store import archive_reader, archives, atomic
from couture_workflow.store.archive_reader import Archive, Limits
from couture_workflow.store.archives import Entry, Export
from couture_workflow.store.blobs import CHUNK
from couture_workflow.store.file_sets import FileSet
from couture_workflow.store.files import StoredFile
from couture_workflow.store.home import Store
from couture_workflow.store.names import check_name, quote

KINDS: dict[str, FileKind] = {"dependencies": dependencies.KIND, "artifacts": artifacts.KIND}
#: Folder in an archive of somebody else -> kind.
_FOLDERS = {
    "dependencies": "dependencies",
    "jars": "dependencies",
    "py-files": "dependencies",
    "py_files": "dependencies",
    "artifacts": "artifacts",
    "code-artifacts": "artifacts",
    "code_artifacts": "artifacts",
}
_SUFFIXES = tuple({suffix for kind in KINDS.values() for suffix in kind.suffixes})


def export(store: Store, *, readable: Readable) -> Export:
    """Return the current version of every file as an archive.

    :param readable: kinds that it refuses are not in it.
    """
    entries = []
    for noun, kind in KINDS.items():
        if readable(kind.resource):
            files = kind.files(store)
            entries += [_entry(store, f"{noun}/{file.name}", file) for file in files.list()]
    return archives.export("dependencies", entries, left_out={})


def _entry(store: Store, path: str, file: StoredFile) -> Entry:
    sha256, size = file.sha256, file.size
    store.blobs.check(sha256, size, name=file.name)  # before the first byte is sent

    def read() -> Iterator[bytes]:
        with store.blobs.open(sha256, size, name=file.name) as source:
            while piece := source.read(CHUNK):
                yield piece

    return Entry(path, size, sha256, read)


def scan(store: Store, source: BinaryIO, *, limits: Limits) -> tuple[Archive, dict[str, str]]:
    """Check an archive and every file in it; return it and path -> warning."""
    warnings: dict[str, str] = {}

    def visit(path: str, content: Iterator[bytes]) -> None:
        name = path.rpartition("/")[2]
        if not name.casefold().endswith(_SUFFIXES):
            return  # refused by its name, when all names are known
        with _temporary(store, content) as file:
            try:
                if warning := file_contents.check(file, name):
                    warnings[path] = warning
            except InvalidError as error:
                raise ArchiveError(str(error), member=path) from error

    return archive_reader.read(source, limits=limits, visit=visit), warnings


@contextlib.contextmanager
def _temporary(store: Store, content: Iterator[bytes]) -> Iterator[Path]:
    folder = store.blobs.temporary
    with atomic.storage_errors(folder):
        descriptor, path = atomic.temporary(folder)
        try:
            for piece in content:
                atomic.write_all(descriptor, piece)
            yield path
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def prepare(
    store: Store, archive: Archive, warnings: Mapping[str, str], *, on_conflict: OnConflict
) -> Prepared:
    """Plan an import."""
    places = places_of(archive)
    items = []
    for member in archive.members:
        noun, name = places[member.path]
        kind = KINDS[noun]
        file = _present(kind, store, name)
        before = str(file.current) if file else ""
        same = file is not None and file.sha256 == member.sha256
        if file is None:
            kind.files(store).check_new(name)
        chosen = action(before, same=same, on_conflict=on_conflict)
        note = warnings.get(member.path, "")
        items.append(Item(f"{noun}/{name}", chosen, member.size, kind.resource, before=before, note=note))
    ordered = tuple(sorted(items, key=lambda item: item.path))
    return Prepared(Plan("dependencies", on_conflict, ordered, ignored=archive.ignored))


def apply(
    store: Store, source: BinaryIO, archive: Archive, plan: Plan, *, limits: Limits, user: str
) -> list[StoredFile]:
    """Put the planned files in place together; ``ConflictError`` if one was changed since the plan.

    :param source: the archive once more, from its start.
    """
    places = places_of(archive)
    wanted: dict[str, Any] = {item.path: item for item in plan.writes}
    if not wanted:
        return []
    with FileSet(store.kinds, user=user) as files:

        def visit(path: str, content: Iterator[bytes]) -> None:
            noun, name = places[path]
            item = wanted.get(f"{noun}/{name}")
            if item is not None:
                expect = int(item.before) if item.before else None
                files.add(KINDS[noun].files(store), name, content, expect=expect)

        archive_reader.read(source, limits=limits, visit=visit)
        return files.commit()


def places_of(archive: Archive) -> dict[str, tuple[str, str]]:
    """Return member -> (noun, name), or raise ``ArchiveError`` for one that belongs nowhere."""
    paths = [member.path for member in archive.members]
    tops = {path.partition("/")[0] for path in paths if "/" in path}
    alone = len(tops) == 1 and all("/" in path for path in paths)
    top = tops.pop() if alone and not tops & _FOLDERS.keys() else ""
    found: dict[str, tuple[str, str]] = {}
    taken: dict[tuple[str, str], str] = {}
    for path in paths:
        place = _place(path, path.removeprefix(f"{top}/") if top else path)
        key = (place[0], place[1].casefold())
        if key in taken:
            raise ArchiveError(
                f"The archive holds {quote(path)} and {quote(taken[key])}, which would be one file. Leave "
                "one out.",
                member=path,
            )
        taken[key] = path
        found[path] = place
    return found


def _place(member: str, path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    noun = _FOLDERS.get(folder, "" if folder else "dependencies")
    if not noun:
        raise ArchiveError(
            f"{quote(member)} is in a folder that means nothing here. Put dependencies at the top or into "
            "dependencies/, code artifacts into artifacts/.",
            member=member,
        )
    kind = KINDS[noun]
    try:
        return noun, check_name(name, what=kind.one, suffixes=kind.suffixes)
    except InvalidError as error:
        raise ArchiveError(str(error), member=member) from error


def _present(kind: FileKind, store: Store, name: str) -> StoredFile | None:
    with contextlib.suppress(NotFoundError):
        return kind.files(store).get(name)
    return None
