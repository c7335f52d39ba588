"""The tar inside of a gzip that somebody sent: readable forwards alone, and only within limits.

This is all that ``tarfile`` gets to see: it takes headers apart, and trusts what stands in them.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from couture_workflow.exceptions import ArchiveError, TooLargeError
from couture_workflow.store.blobs import CHUNK

#: Unpacked bytes below which the ratio is not looked at: small text may well shrink to a hundredth.
_RATIO_FROM = 16 * 2**20
#: Most bytes that a header may ask for at once. The longest honest one names a path of a thousand bytes.
_HEADER_BYTES = 2**20
#: Most bytes of headers for each member that is allowed, on average.
_HEADERS_PER_MEMBER = 4096
#: How errors end; who reads archives of another making says something else.
REMEDY = "Make it again, for example with tar -czf x.tar.gz dags, and send all of it."
NO_GZIP = "This is no gzip file. Send a gzip tar, as tar -czf x.tar.gz dags makes it."


@dataclass(frozen=True)
class Limits:
    """What an archive may be at most.

    :param members: files and folders.
    :param size: bytes when unpacked.
    :param ratio: unpacked bytes for one packed byte.
    :param option: the option that ``size`` is from, for messages.
    """

    members: int
    size: int
    ratio: int
    option: str = "max_archive_size"


def broken(why: str) -> ArchiveError:
    """Return the error of an archive that cannot be read."""
    return ArchiveError(f"The archive is broken: {why}. {REMEDY}")


class Unpacked(io.RawIOBase):
    """The tar as a file.

    :param gzipped: whether it comes in a gzip.
    """

    def __init__(self, source: BinaryIO, limits: Limits, *, gzipped: bool = True) -> None:
        self._packed = _Counted(source)
        self._gzip = gzip.GzipFile(fileobj=self._packed, mode="rb") if gzipped else self._packed
        self._limits = limits
        self._position = 0
        self._header = b""
        self._header_bytes = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        distance = offset - self._position
        if whence != io.SEEK_SET or distance < 0:  # tarfile itself would read the same header for ever
            raise broken("its tar headers point backwards")
        while distance > 0 and (piece := self._unpack(min(distance, CHUNK))):
            distance -= len(piece)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read a header, or a part of one: contents are read by ``content``."""
        self._header_bytes += max(size, 0)
        if not 0 <= size <= _HEADER_BYTES or self._header_bytes > self._limits.members * _HEADERS_PER_MEMBER:
            raise broken("its tar headers are too long")
        pieces: list[bytes] = []
        wanted = size
        while wanted and (piece := self._unpack(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        self._header = b"".join(pieces)
        return self._header

    def _unpack(self, size: int) -> bytes:
        try:
            piece = self._gzip.read(size)
        except EOFError as error:
            raise broken("it ends in the middle") from error
        except gzip.BadGzipFile as error:
            raise self._no_gzip(str(error)) from error
        except zlib.error as error:
            raise broken("its gzip data is damaged") from error
        self._position += len(piece)
        if self._position > self._limits.size:
            raise self.too_large()
        if self._position > max(_RATIO_FROM, self._packed.count * self._limits.ratio):
            raise TooLargeError(
                f"The archive grows to more than {self._limits.ratio} times its size when it is unpacked. "
                "Send what grows so much in another form, or ask an administrator to raise "
                "[couture_workflow] max_archive_ratio."
            )
        return piece

    def _no_gzip(self, said: str) -> ArchiveError:
        if self._position:
            if "CRC" in said or "length" in said:
                return broken("its checksum is wrong")
            return broken("something stands behind its end")
        return ArchiveError(NO_GZIP)

    def too_large(self) -> TooLargeError:
        """Return the error of an archive over the limit of size."""
        return TooLargeError(
            f"The archive has more than {self._limits.size:,} bytes when it is unpacked. Send less at once, "
            f"or ask an administrator to raise [couture_workflow] {self._limits.option}."
        )

    def content(self, size: int) -> Iterator[bytes]:
        """Give the content of a member whose header was just read."""
        while size:
            piece = self._unpack(min(size, CHUNK))
            if not piece:
                raise broken("it ends in the middle of a file")
            size -= len(piece)
            yield piece

    def finish(self) -> None:
        """Check that the tar ends as it must, and that nothing stands behind its end.

        ``tarfile`` takes a header that it cannot read for the end.
        """
        if len(self._header) < tarfile.BLOCKSIZE:
            raise broken("its end is missing")
        if self._header.strip(b"\0"):
            raise broken("one of its tar headers is damaged")
        while piece := self._unpack(CHUNK):
            if piece.strip(b"\0"):
                raise broken("something stands behind its end")


class _Counted(io.RawIOBase):
    """A file that counts what was read of it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.count = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(size)
        self.count += len(piece)
        return piece
