"""The bytes of a file: decompressed as they are read, with progress, a bound, and an eye on changes."""

from __future__ import annotations

import os
import stat
import weakref
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..protocol import EdaError

#: Bytes that are read, and yielded, at a time.
PIECE, _SMALL = 1024 * 1024, 16 * 1024
#: From so many decompressed bytes on, they may be so many times the bytes of the file.
_MUCH, _RATIO = 512 * 1024**2, 400
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_OTHERS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "ZIP (or Excel)",
    b"\x04\x22\x4d\x18": "LZ4",
    b"ORC": "ORC",
    b"Obj\x01": "Avro",
    b"\xd0\xcf\x11\xe0": "old Excel",
    b"%PDF": "PDF",
}


@dataclass(frozen=True)
class Identity:
    """What tells whether a file is still the one that was opened."""

    inode: tuple[int, int]
    bytes: int
    modified: int


class File:
    """A file that is to be read; its bytes may be asked for several times.

    Whoever sent the path has looked where it leads. Somebody may have put a link into it since, so what is
    read is what was opened and looked at here: ``path`` leads to that, whatever the place becomes.

    :param place: without links on the way.
    :param name: as people know it, for messages.
    """

    def __init__(self, place: Path, name: str = "") -> None:
        self._place, self.name = place, name or place.name
        self.path, found = self._opened()
        self.identity = self._identity(found)
        self.bytes = self.identity.bytes
        with self.open() as file:
            self.magic = file.read(16)
        self.compression = self._compression()

    def open(self) -> IO[bytes]:
        """Open the file; EdaError says why that is not possible."""
        try:
            return self.path.open("rb", buffering=0)
        except OSError as error:
            raise self._unreadable(error) from error

    def changed(self) -> str:
        """Return "" or the sentence that the file is no longer what it was when it was opened."""
        try:
            now = self._look()
        except EdaError as error:
            return f"{self.name!r} was removed while it was read. {error}"
        if now == self.identity:
            return ""
        grown = now.bytes - self.identity.bytes if now.inode == self.identity.inode else 0
        what = (
            f"it has {abs(grown):,} bytes {'more' if grown > 0 else 'less'}" if grown else "it was replaced"
        )
        return (
            f"{self.name!r} changed while it was read ({what}), so its figures may be of both. Run it again "
            "when nobody writes it, or write it under another name and rename it."
        )

    def pieces(self, progress: Callable[[float], None] = lambda share: None) -> Iterator[bytes]:
        """Yield the decompressed content.

        :param progress: called with the share of the file that has been read.
        """
        with self.open() as file:
            try:
                yield from self._decompressed(file, progress)
            except OSError as error:
                raise self._unreadable(error) from error

    def _opened(self) -> tuple[Path, os.stat_result]:
        """Hold the file as long as this object is there; return where it can be read, and what it is."""
        try:
            held = os.open(self._place, os.O_PATH | os.O_CLOEXEC)  # which neither waits nor reads
        except OSError as error:
            raise self._unreadable(error) from error
        weakref.finalize(self, os.close, held)
        path = Path(f"/proc/self/fd/{held}")
        if path.readlink() != self._place:
            raise EdaError(
                f"The path of {self.name!r} leads elsewhere than a moment ago: it was moved, or there is a "
                "link in it now. Look at the path, then try again.",
                code="changed",
                field="path",
            )
        return path, os.fstat(held)

    def _look(self) -> Identity:
        try:
            return self._identity(self._place.lstat())
        except OSError as error:
            raise self._unreadable(error) from error

    def _identity(self, found: os.stat_result) -> Identity:
        if not stat.S_ISREG(found.st_mode):
            raise EdaError(f"{self.name!r} is no file. Choose a file.", code="not_readable", field="path")
        return Identity((found.st_dev, found.st_ino), found.st_size, found.st_mtime_ns)

    def _unreadable(self, error: OSError) -> EdaError:
        if isinstance(error, FileNotFoundError):
            return EdaError(
                f"There is no file {self.name!r} (any more). Look whether it was moved, renamed or deleted.",
                code="missing",
                field="path",
            )
        return EdaError(
            f"{self.name!r} cannot be read: {error.strerror or error}. Look at its permissions and its disk.",
            code="not_readable",
            field="path",
        )

    def _compression(self) -> str:
        if self.magic.startswith(_GZIP):
            return "gzip"
        if self.magic.startswith(_ZSTD):
            return "zstd"
        for magic, kind in _OTHERS.items():
            if self.magic.startswith(magic):
                raise EdaError(
                    f"{self.name!r} is a file of the kind {kind}, which cannot be read. Possible are CSV, "
                    "TSV and JSON lines, also compressed by gzip or zstd, and Parquet.",
                    code="not_readable",
                    field="path",
                )
        return "none"

    def _decompressed(self, file: IO[bytes], progress: Callable[[float], None]) -> Iterator[bytes]:
        if self.compression == "none":
            pieces = self._raw(file)
        elif self.compression == "gzip":
            pieces = self._gunzipped(file)
        else:
            pieces = self._unzstded(file)
        total = 0
        for piece, ahead in pieces:
            total += len(piece)
            if total > _MUCH and total > _RATIO * max(self.bytes, 1):
                raise EdaError(
                    f"{self.name!r} has {self.bytes:,} bytes but becomes more than {total // 1024**2:,} MiB "
                    f"when it is decompressed; more than {_RATIO} times its size is not read. Decompress it "
                    "first if that is right.",
                    code="too_large",
                    field="path",
                )
            progress((os.lseek(file.fileno(), 0, os.SEEK_CUR) - ahead) / max(self.bytes, 1))
            yield piece

    # Each yields pieces of the content, and how many bytes of the file have been read and are not in them.

    def _raw(self, file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
        while piece := file.read(PIECE):
            yield piece, 0

    def _gunzipped(self, file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
        decompressor = zlib.decompressobj(wbits=31)
        left = b""
        try:
            while True:
                if not left:
                    left = file.read(PIECE)
                    if not left:
                        break
                if decompressor.eof:
                    left = left.lstrip(b"\0")  # padding between and after members
                    if not left:
                        continue
                    decompressor = zlib.decompressobj(wbits=31)
                if piece := decompressor.decompress(left, PIECE):
                    yield piece, len(decompressor.unconsumed_tail) + len(decompressor.unused_data)
                left = decompressor.unused_data if decompressor.eof else decompressor.unconsumed_tail
                while not left and not decompressor.eof and (piece := decompressor.decompress(b"", PIECE)):
                    yield piece, 0
        except zlib.error as error:
            raise self._broken(f"its gzip data is damaged ({error})") from error
        if not decompressor.eof:
            raise self._broken("it ends in the middle of its gzip data")

    def _unzstded(self, file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
        import pyarrow

        try:
            with pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), "zstd") as stream:
                size = _SMALL  # what can be read of a file that is cut off is lost with the piece
                while piece := stream.read(size):
                    yield bytes(piece), 0
                    size = min(size * 2, PIECE)
        except (OSError, pyarrow.ArrowException) as error:
            raise self._broken(f"its zstd data is damaged or ends too early ({error})") from error

    def _broken(self, why: str) -> EdaError:
        return EdaError(
            f"{self.name!r} cannot be read to its end: {why}. Copy or make it again.",
            code="not_readable",
            field="path",
        )


def refuse_inner(name: str, compression: str, content: bytes) -> None:
    """Raise EdaError if what a compressed file has in it is no text but another kind of file."""
    kinds = {**_OTHERS, _GZIP: "gzip", _ZSTD: "zstd", b"PAR1": "Parquet"}
    for magic, kind in kinds.items():
        if content.startswith(magic):
            raise EdaError(
                f"{name!r} is a {compression} file that has a file of the kind {kind} in it, and no text. "
                "Decompress it first.",
                code="not_readable",
                field="path",
            )


def beginning(pieces: Iterator[bytes], size: int) -> tuple[bytes, bool]:
    """Return the first ``size`` bytes or a little more, and whether this is all.

    A file that is broken later on is no matter for its beginning.
    """
    taken: list[bytes] = []
    total = 0
    try:
        for piece in pieces:
            taken.append(piece)
            total += len(piece)
            if total >= size:
                return b"".join(taken), False
    except EdaError:
        if not total:
            raise
        return b"".join(taken), False
    return b"".join(taken), True
