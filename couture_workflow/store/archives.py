"""Archives as they are written: a gzip tar that is the same byte for byte from the same state.

Members are sorted, their times, owners and modes are fixed, and so are gzip's time and level. The first
member is the manifest: what format this is, which product wrote it, sha256 and size of every other member.
``archive_reader`` reads such archives, and foreign ones too.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from couture_workflow import __version__
from couture_workflow.exceptions import ArchiveError, CorruptError
from couture_workflow.store.blobs import is_sha256
from couture_workflow.store.names import printable, quote

#: Number of the format that this code writes, and the newest that it reads.
FORMAT = 1
#: Path of the manifest in an archive.
MANIFEST = "couture-workflow.json"
PRODUCT = "couture-workflow"

#: 1980-01-01, the oldest time that neither tar nor zip tools find odd.
_TIME = 315_532_800
#: The quickest: most of what is large (jars, wheels) is compressed already.
_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS
_RECORD = 20 * tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Entry:
    """One file that goes into an archive.

    :param read: gives its content, in pieces, anew at each call.
    """

    path: str
    size: int
    sha256: str
    read: Callable[[], Iterable[bytes]] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Manifest:
    """What an archive says of itself.

    :param noun: "configs", "dependencies" or "dags".
    :param members: path -> (sha256, size in bytes).
    :param left_out: path -> what of it is not in the archive, such as the names of secrets.
    """

    noun: str
    members: Mapping[str, tuple[str, int]]
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    format: int = FORMAT
    product_version: str = __version__

    def dump(self) -> bytes:
        """Return the text that is put into the archive."""
        data = {
            "format": self.format,
            "product": PRODUCT,
            "product_version": self.product_version,
            "noun": self.noun,
            "members": {
                path: {"sha256": sha256, "size": size}
                for path, (sha256, size) in sorted(self.members.items())
            },
            "left_out": {path: sorted(names) for path, names in sorted(self.left_out.items())},
        }
        # A name that is no UTF-8 (of a file that is left out) becomes an escape of JSON.
        return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def parse_manifest(content: bytes) -> Manifest:
    """Read the manifest of an archive that somebody sent, or raise ``ArchiveError``."""
    try:
        data = json.loads(content)
        known = data["format"]
        if data["product"] != PRODUCT or not isinstance(known, int):
            raise ValueError("it is of another product")
        if known != FORMAT:
            raise ArchiveError(
                f"The archive has format {known}; this version of Couture Workflow reads format {FORMAT}. "
                "Export it with this version, or upgrade this one.",
                member=MANIFEST,
            )
        members = {printable(path): _member_of(about) for path, about in data["members"].items()}
        left_out = {
            printable(path): tuple(printable(str(name)) for name in names)
            for path, names in data["left_out"].items()
        }
        noun, version = printable(str(data["noun"])), printable(str(data["product_version"]))
        return Manifest(noun, members, left_out, known, version)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArchiveError(
            f"The manifest {MANIFEST} cannot be read ({type(error).__name__}: {error}). Export the archive "
            f"again, or remove {MANIFEST} from it.",
            member=MANIFEST,
        ) from error


def _member_of(about: Mapping[str, object]) -> tuple[str, int]:
    sha256, size = about["sha256"], about["size"]
    if not is_sha256(sha256) or not isinstance(size, int):
        raise ValueError("a member has no sha256 and size")
    return str(sha256), size


@dataclass(frozen=True)
class Export:
    """An archive that is about to be written.

    :param entries: everything but the manifest, sorted by path.
    """

    manifest: Manifest
    entries: tuple[Entry, ...]

    @property
    def tag(self) -> str:
        """The same for the same archive: usable as an ``ETag``."""
        return hashlib.sha256(self.manifest.dump()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all contents together, before they are compressed."""
        return sum(entry.size for entry in self.entries)


def export(noun: str, entries: Iterable[Entry], *, left_out: Mapping[str, Sequence[str]]) -> Export:
    """Return the archive of these files; nothing is read yet."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.path))
    members = {entry.path: (entry.sha256, entry.size) for entry in ordered}
    return Export(Manifest(noun, members, left_out), ordered)


def write(archive: Export, *, moved: Callable[[int], object] | None = None) -> Iterator[bytes]:
    """Give the bytes of an archive piece by piece; memory does not grow with its size.

    :param moved: is told the bytes of the tar that were made since it was called last.

    A content that is no longer what its entry says raises ``CorruptError``: no wrong archive is ever whole.
    """
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in _tar(archive, moved or (lambda _size: None)):
        if packed := compressor.compress(piece):
            yield packed
    yield compressor.flush()


def _tar(archive: Export, moved: Callable[[int], object]) -> Iterator[bytes]:
    manifest = archive.manifest.dump()
    digest = hashlib.sha256(manifest).hexdigest()
    written = 0
    for entry in (Entry(MANIFEST, len(manifest), digest, lambda: (manifest,)), *archive.entries):
        for piece in _member(entry):
            written += len(piece)
            moved(len(piece))
            yield piece
    end = 2 * tarfile.BLOCKSIZE
    yield bytes(end + -(written + end) % _RECORD)


def _member(entry: Entry) -> Iterator[bytes]:
    header = tarfile.TarInfo(entry.path)
    header.size, header.mtime, header.mode = entry.size, _TIME, 0o644
    yield header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    digest, size = hashlib.sha256(), 0
    for piece in entry.read():
        digest.update(piece)
        size += len(piece)
        yield piece
    if size != entry.size or digest.hexdigest() != entry.sha256:
        raise CorruptError(
            f"{quote(entry.path)} is not what it was when the export began: the store is damaged. Run "
            "couture-workflow doctor, then export again.",
            path=entry.path,
        )
    yield bytes(-size % tarfile.BLOCKSIZE)
