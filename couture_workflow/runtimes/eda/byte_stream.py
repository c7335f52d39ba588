"""The bytes of a file: decompressed as they are read, with progress, a bound, and an eye on changes."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .protocol import EdaError

#: Bytes that are read, and yielded, at a time.
PIECE = 1024 * 1024
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

    :param name: as people know it, for messages.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self.path, self.name = path, name or path.name
        self.identity = self._look()
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
        grown = now.bytes - self.identity.bytes
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

    def _look(self) -> Identity:
        try:
            found = self.path.stat()
        except OSError as error:
            raise self._unreadable(error) from error
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
        for piece in pieces:
            total += len(piece)
            if total > _MUCH and total > _RATIO * max(self.bytes, 1):
                raise EdaError(
                    f"{self.name!r} has {self.bytes:,} bytes but becomes more than {total // 1024**2:,} MiB "
                    f"when it is decompressed; more than {_RATIO} times its size is not read. Decompress it "
                    "first if that is right.",
                    code="too_large",
                    field="path",
                )
            yield piece
            progress(os.lseek(file.fileno(), 0, os.SEEK_CUR) / max(self.bytes, 1))

    def _raw(self, file: IO[bytes]) -> Iterator[bytes]:
        while piece := file.read(PIECE):
            yield piece

    def _gunzipped(self, file: IO[bytes]) -> Iterator[bytes]:
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
                    yield piece
                left = decompressor.unused_data if decompressor.eof else decompressor.unconsumed_tail
                while not left and not decompressor.eof and (piece := decompressor.decompress(b"", PIECE)):
                    yield piece
        except zlib.error as error:
            raise self._broken(f"its gzip data is damaged ({error})") from error
        if not decompressor.eof:
            raise self._broken("it ends in the middle of its gzip data")

    def _unzstded(self, file: IO[bytes]) -> Iterator[bytes]:
        import pyarrow

        try:
            with pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), "zstd") as stream:
                while piece := stream.read(PIECE):
                    yield bytes(piece)
        except (OSError, pyarrow.ArrowException) as error:
            raise self._broken(f"its zstd data is damaged or ends too early ({error})") from error

    def _broken(self, why: str) -> EdaError:
        return EdaError(
            f"{self.name!r} cannot be read to its end: {why}. Copy or make it again.",
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
