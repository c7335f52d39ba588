"""DAG files from outside: loose files, folders and zip archives become changes, or a reason why not.

Nothing is written to a disk: an archive is read in memory within ``MOST_BYTES``, so links and absolute paths
in it can lead nowhere. A member that is refused keeps its reason and leaves the others alone; an archive that
is broken or a bomb is refused as a whole.
"""

from __future__ import annotations

import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from couture_workflow.exceptions import InvalidError, InvalidNameError, TooLargeError
from couture_workflow.store.names import check_path, quote, suggested_path

#: Bytes of one upload as it is sent, and of all its files unpacked.
MOST_SENT = 32 * 2**20
MOST_BYTES = 64 * 2**20
#: Files of one upload.
MOST_FILES = 2000
#: Unpacked size of a member for each byte of its packed one; text packs to a fortieth at the very best.
MOST_RATIO = 200

#: What nobody means to upload: caches, repositories and what file managers leave behind.
_LEFT_OUT_FOLDERS = frozenset({"__pycache__", "__MACOSX", ".git", ".ipynb_checkpoints", ".venv", ".idea"})
_LEFT_OUT_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_DIRECTORY_ENTRY = b"PK\x01\x02"
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error, RuntimeError)


@dataclass(frozen=True)
class Sent:
    """One file as it came.

    :param source: its path as the sender has it; inside of an archive: the archive's, "!" and the member's.
    """

    source: str
    path: str
    content: bytes


@dataclass(frozen=True)
class Incoming:
    """One file of an upload and where it is to go.

    :param refused: why it cannot be saved, "" if it can; ``suggestion`` is a path that would do.
    """

    source: str
    path: str
    content: bytes
    refused: str = ""
    suggestion: str = ""


@dataclass(frozen=True)
class Upload:
    """What an upload holds."""

    files: tuple[Incoming, ...]
    left_out: tuple[str, ...] = ()

    @property
    def changes(self) -> dict[str, bytes]:
        """The files that can be saved, by path."""
        return {file.path: file.content for file in self.files if not file.refused}


def receive(
    sent: Iterable[tuple[str, bytes]],
    *,
    folder: str = "",
    names: Mapping[str, str] | None = None,
    skip: Collection[str] = (),
    present: Collection[str] = (),
) -> Upload:
    """Unpack archives and give every file its path below the folder.

    :param sent: (path as the sender has it, content).
    :param names: source -> the path below the folder that the sender wants instead of the file's own.
    :param skip: sources that are to be left alone.
    :param present: paths that exist, to find two names that differ in case alone.
    """
    prefix = f"{check_path(folder)}/" if folder else ""
    chosen = names or {}
    left_out: list[str] = []
    files: list[Incoming] = []
    taken = {_same(path): path for path in present}
    for file in _limited(_unpacked(sent)):
        if file.source in skip:
            continue
        if _is_litter(file.path):
            left_out.append(file.source)
            continue
        incoming = _placed(file, prefix, chosen.get(file.source, file.path), taken)
        if not incoming.refused:
            taken[_same(incoming.path)] = incoming.path
        files.append(incoming)
    twice = {path for path, count in Counter(f.path for f in files if not f.refused).items() if count > 1}
    return Upload(tuple(_once(file, twice) for file in files), tuple(left_out))


def _placed(file: Sent, prefix: str, wanted: str, taken: Mapping[str, str]) -> Incoming:
    try:
        path = check_path(prefix + wanted)
    except InvalidNameError as error:
        suggestion = suggested_path(wanted)
        return Incoming(file.source, prefix + wanted, file.content, str(error), suggestion)
    other = taken.get(_same(path), path)
    if other != path:
        reason = (
            f"The path {quote(path)} is refused: there is {quote(other)}, which differs in nothing but case. "
            "Use the same name, or another one."
        )
        return Incoming(file.source, path, file.content, reason, other.removeprefix(prefix))
    return Incoming(file.source, path, file.content)


def _once(file: Incoming, twice: Collection[str]) -> Incoming:
    if file.refused or file.path not in twice:
        return file
    reason = f"{quote(file.path)} is in this upload more than once. Give it another name, or leave it out."
    return Incoming(file.source, file.path, file.content, reason)


def _same(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _is_litter(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return (
        not _LEFT_OUT_FOLDERS.isdisjoint(parts[:-1])
        or (parts[-1] if parts else "") in _LEFT_OUT_FILES
        or path.endswith(".pyc")
    )


def _limited(files: Iterable[Sent]) -> Iterator[Sent]:
    count = size = 0
    for file in files:
        count, size = count + 1, size + len(file.content)
        if count > MOST_FILES:
            raise TooLargeError(
                f"The upload has more than {MOST_FILES:,} files. Upload a part of it at a time."
            )
        if size > MOST_BYTES:
            raise TooLargeError(
                f"The upload holds more than {MOST_BYTES // 2**20} MiB. DAG files are small texts; large "
                "data belongs into a data store, jars and packages into Spark Dependencies."
            )
        yield file


def _unpacked(sent: Iterable[tuple[str, bytes]]) -> Iterator[Sent]:
    for name, content in sent:
        if name.casefold().endswith(".zip"):
            yield from _members(name, content)
        else:
            yield Sent(name, name, content)


def _members(name: str, content: bytes) -> Iterator[Sent]:
    """Yield the files of a zip archive, or raise ``InvalidError`` with what is wrong with it."""
    if content.count(_DIRECTORY_ENTRY) > 10 * MOST_FILES:  # before zipfile makes an object for each of them
        raise TooLargeError(
            f"{quote(name)} has more than {MOST_FILES:,} files. Upload a part of it at a time."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            for member in members:
                _check_member(name, member)
            _check_size(name, members)
            for member in members:
                path = member.filename
                yield Sent(f"{name}!{path}", path, _content(archive, member))
    except _BROKEN as error:
        raise InvalidError(
            f"{quote(name)} is refused: it is not a sound zip archive ({error or type(error).__name__}). "
            "Pack it again, or upload the files in it.",
            field="files",
        ) from error


def _check_member(name: str, member: zipfile.ZipInfo) -> None:
    mode = member.external_attr >> 16
    path = member.filename
    problem = ""
    if mode and stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        problem = "it is a link or a device, not a file"
    elif member.flag_bits & 1:
        problem = "it is encrypted"
    elif path.startswith("/") or "\\" in path or ":" in path.split("/")[0] or ".." in path.split("/"):
        problem = "its path leads out of the archive"
    elif member.file_size > MOST_RATIO * max(member.compress_size, 1024):
        problem = f"it unpacks to more than {MOST_RATIO} times its size"
    if problem:
        raise InvalidError(
            f"{quote(name)} is refused because of {quote(path)} in it: {problem}. Pack it without that.",
            field="files",
        )


def _check_size(name: str, members: Collection[zipfile.ZipInfo]) -> None:
    size = sum(member.file_size for member in members)
    if len(members) > MOST_FILES or size > MOST_BYTES:
        raise TooLargeError(
            f"{quote(name)} holds {len(members):,} files of {size / 2**20:,.0f} MiB together; the limits are "
            f"{MOST_FILES:,} files and {MOST_BYTES // 2**20} MiB. Upload a part of it at a time."
        )


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Read one member and no more than it announces."""
    with archive.open(member) as file:
        return file.read(member.file_size)
