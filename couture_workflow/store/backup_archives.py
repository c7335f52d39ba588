"""Archives of backups: a gzip tar written in one pass, with its manifest behind the files, and read back.

What is backed up lives on, so sizes and hashes are known when a file has been read and not before: the
manifest, which holds them all, comes after the files, and the keys, which are bound to it, come last. Paths
are those of the files, whatever they are called; nothing is unpacked to a path that leaves its folder.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from couture_workflow.exceptions import ArchiveError, StorageError
from couture_workflow.store import archive_stream
from couture_workflow.store.archive_stream import Limits, Unpacked, broken
from couture_workflow.store.names import quote

#: Number of the format that this code writes, and the newest that it reads.
FORMAT = 1
PRODUCT = "couture-workflow backup"
#: The last two members.
MANIFEST = "manifest.json"
KEYS = "keys.json"
#: Folders that files of a backup are in.
FOLDERS = ("database", "home", "repositories")

_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS
_RECORD = 20 * tarfile.BLOCKSIZE
#: A person's own state may be large and may shrink well: the disk is checked, not the ratio.
_LIMITS = Limits(members=20_000_000, size=2**60, ratio=2000)
_MANIFEST_BYTES = 2**30
_KEYS_BYTES = 2**20
_REMEDY = "Copy the file of the backup again, or take another backup."

#: Is given each file's path, its mode and its content.
Visitor = Callable[[str, int, Iterator[bytes]], None]


class Writer:
    """Writes an archive.

    :param out: takes the bytes of the file.
    """

    def __init__(self, out: Callable[[bytes], object]) -> None:
        self.members: dict[str, tuple[int, str]] = {}
        self.size = 0
        self._out = out
        self._compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._written = 0

    def add(self, path: str, size: int, pieces: Iterable[bytes], *, mode: int = 0o600) -> None:
        """Write a file; what it has beyond its size is left out."""
        self.members[path] = (size, self._member(path, size, pieces, mode=mode))
        self.size += size

    def add_bytes(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """Write a file from its whole content."""
        self.add(path, len(content), (content,), mode=mode)

    def finish(self, about: Mapping[str, Any], keys: Callable[[bytes], bytes]) -> None:
        """Write the manifest, the keys and the end.

        :param about: what the manifest says beside the files.
        :param keys: gives the file of the keys, from the manifest that it is bound to.
        """
        data = {"product": PRODUCT, "format": FORMAT, **about, "members": self.members}
        manifest = (json.dumps(data, indent=0) + "\n").encode()
        self._member(MANIFEST, len(manifest), (manifest,), mode=0o600)
        sealed = keys(manifest)
        self._member(KEYS, len(sealed), (sealed,), mode=0o600)
        end = 2 * tarfile.BLOCKSIZE
        self._pack(bytes(end + -(self._written + end) % _RECORD))
        self._out(self._compressor.flush())

    def _member(self, path: str, size: int, pieces: Iterable[bytes], *, mode: int) -> str:
        header = tarfile.TarInfo(path)
        header.size, header.mtime, header.mode = size, int(time.time()), mode
        self._pack(header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        digest, left = hashlib.sha256(), size
        for piece in pieces:
            piece = piece[:left]
            left -= len(piece)
            digest.update(piece)
            self._pack(piece)
        if left:
            raise StorageError(f"{path} became shorter while it was read. Start the backup again.")
        self._pack(bytes(-size % tarfile.BLOCKSIZE))
        return digest.hexdigest()

    def _pack(self, piece: bytes) -> None:
        self._written += len(piece)
        if packed := self._compressor.compress(piece):
            self._out(packed)


@dataclass(frozen=True)
class Backup:
    """What a sound archive says of itself.

    :param about: the manifest.
    :param manifest: its bytes.
    :param keys: the file of the keys as it stands there.
    """

    about: Mapping[str, Any]
    manifest: bytes
    keys: bytes

    @property
    def id(self) -> str:
        """The same for the same backup."""
        return hashlib.sha256(self.manifest).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(size for size, _ in self.about["members"].values())


def read(source: BinaryIO, *, visit: Visitor | None = None) -> Backup:
    """Check an archive from start to end and return what it says, or raise ``ArchiveError``.

    :param visit: is called for each file before the archive as a whole is known to be sound.
    """
    unpacked = Unpacked(source, _LIMITS)
    reading = _Reading(unpacked, visit)
    try:
        with tarfile.open(fileobj=unpacked, mode="r:", errorlevel=2, errors="surrogateescape") as tar:
            while (header := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # it keeps every header otherwise
                reading.add(header)
        unpacked.finish()
        return reading.result()
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise _broken(f"its tar headers make no sense ({error})") from error
    except ArchiveError as error:
        text = str(error).replace(archive_stream.REMEDY, _REMEDY)
        text = text.replace(
            archive_stream.NO_GZIP, "This is no file of couture-workflow backup: it is no gzip."
        )
        raise ArchiveError(text, member=error.member) from error


def _broken(why: str) -> ArchiveError:
    return ArchiveError(str(broken(why)).replace(archive_stream.REMEDY, _REMEDY))


@dataclass
class _Reading:
    unpacked: Unpacked
    visit: Visitor | None
    found: dict[str, tuple[int, str]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    manifest: bytes = b""
    keys: bytes = b""

    def add(self, header: tarfile.TarInfo) -> None:
        """Take in the member whose header was just read."""
        name = header.name
        if header.issparse() or not header.isreg():
            raise _refused(name, "is no plain file")
        if self.keys:
            raise _refused(name, "stands behind the end of the backup")
        content = self.unpacked.content(header.size)
        if name == MANIFEST and not self.manifest:
            self.manifest = _whole(header, content, _MANIFEST_BYTES)
        elif name == KEYS and self.manifest:
            self.keys = _whole(header, content, _KEYS_BYTES)
        elif self.manifest:
            raise _refused(name, "stands behind the manifest")
        else:
            self._check(name)
            self._file(header, content)

    def _check(self, name: str) -> None:
        parts = name.split("/")
        if len(parts) < 2 or parts[0] not in FOLDERS or {"", ".", ".."}.intersection(parts) or "\0" in name:
            raise _refused(name, "leads out of the folders of a backup")
        parents = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        if name in self.found or name in self.folders or not parents.isdisjoint(self.found):
            raise _refused(name, "is there twice")
        self.folders |= parents

    def _file(self, header: tarfile.TarInfo, content: Iterator[bytes]) -> None:
        digest = hashlib.sha256()

        def hashing() -> Iterator[bytes]:
            for piece in content:
                digest.update(piece)
                yield piece

        pieces = hashing()
        if self.visit is not None:
            self.visit(header.name, header.mode & 0o777, pieces)
        for _ in pieces:
            continue
        self.found[header.name] = (header.size, digest.hexdigest())

    def result(self) -> Backup:
        """Return what the archive says, compared with what it holds."""
        if not self.manifest:
            raise ArchiveError(f"This is no file of couture-workflow backup: it has no {MANIFEST}.")
        about = _parse(self.manifest)
        if not self.keys:
            raise _broken(f"it has no {KEYS}")
        for path in sorted({*about["members"], *self.found}):
            said = about["members"].get(path)
            if said is None or tuple(said) != self.found.get(path):
                raise _refused(path, "is not what the manifest says")
        return Backup(about, self.manifest, self.keys)


def _parse(manifest: bytes) -> dict[str, Any]:
    try:
        about = json.loads(manifest)
        if about["product"] != PRODUCT:
            raise ValueError("it is of another product")
        if about["format"] != FORMAT:
            raise ArchiveError(
                f"The backup has format {about['format']}; this version of Couture Workflow reads format "
                f"{FORMAT}. Restore it with the version that made it ({about.get('product_version')}) or a "
                "newer one."
            )
        for size, sha256 in about["members"].values():
            if not (isinstance(size, int) and isinstance(sha256, str)):
                raise ValueError("a member has no size and sha256")
        return {**about}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _broken(f"its manifest cannot be read ({type(error).__name__}: {error})") from error


def _whole(header: tarfile.TarInfo, content: Iterator[bytes], limit: int) -> bytes:
    if header.size > limit:
        raise _refused(header.name, f"has more than {limit:,} bytes")
    return b"".join(content)


def _refused(name: str, why: str) -> ArchiveError:
    return ArchiveError(f"The backup is damaged or was changed: {quote(name)} {why}. {_REMEDY}", member=name)
