"""Archives as they arrive: from this product, from the old one, or from somebody who means harm.

Everything is read in one pass, forwards, with memory that does not grow with the archive; nothing is ever
unpacked to a path that the archive names. ``tarfile`` only takes headers apart: sizes, counts, order and the
end are checked here and in ``archive_stream``, for it trusts them.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from couture_workflow.exceptions import ArchiveError, InvalidNameError, TooLargeError
from couture_workflow.store.archive_stream import Limits, Unpacked, broken
from couture_workflow.store.archives import MANIFEST, Manifest, parse_manifest
from couture_workflow.store.names import check_path, check_pushed_path, printable, quote

__all__ = ["Archive", "Limits", "Member", "Visitor", "read"]

_MANIFEST_BYTES = 64 * 2**20
_NOISE = re.compile(r"(^|/)(\._[^/]*|\.DS_Store|Thumbs\.db|__MACOSX|__pycache__)(/|$)|\.py[co]$")
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
}

#: Is given each file's path and content.
Visitor = Callable[[str, Iterator[bytes]], None]


@dataclass(frozen=True)
class Member:
    """One file of an archive."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Archive:
    """What an archive holds.

    :param members: its files, sorted by path.
    :param manifest: what it says of itself, None if it was not made by this product.
    :param ignored: leftovers of other programs, such as ``.DS_Store``, of an archive without a manifest.
    """

    members: tuple[Member, ...]
    manifest: Manifest | None = None
    ignored: tuple[str, ...] = ()


def read(
    source: BinaryIO,
    *,
    limits: Limits,
    visit: Visitor | None = None,
    gzipped: bool = True,
    foreign: bool = False,
) -> Archive:
    """Check an archive from start to end and return what it holds, or raise ``ArchiveError``.

    :param gzipped: whether it is a gzip tar, or a plain one.
    :param foreign: it is of another program: names have any printable characters, and none is a manifest.
    :param visit: is called for each file, in the archive's order, before the archive as a whole is known to
        be sound; it need not read the content to its end.
    """
    unpacked = Unpacked(source, limits, gzipped=gzipped)
    reading = _Reading(unpacked, limits, visit, foreign)
    try:
        with tarfile.open(fileobj=unpacked, mode="r:", errorlevel=2) as tar:
            while (header := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # it keeps every header otherwise
                reading.add(header)
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise broken(f"its tar headers make no sense ({error})") from error
    unpacked.finish()
    return reading.result()


@dataclass
class _Reading:
    """What was found so far.

    :ivar seen: path without regard to case and Unicode form -> path.
    :ivar folders: the same for the folders that files lie in.
    """

    unpacked: Unpacked
    limits: Limits
    visit: Visitor | None
    foreign: bool = False
    count: int = 0
    members: list[Member] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    manifest: Manifest | None = None
    seen: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)

    def add(self, header: tarfile.TarInfo) -> None:
        """Take in the member whose header was just read."""
        self.count += 1
        if self.count > self.limits.members:
            raise TooLargeError(
                f"The archive has more than {self.limits.members:,} members. Send less at once, or ask an "
                "administrator to raise [couture_workflow] max_archive_members."
            )
        path = _plain_path(header)
        if header.isdir() or not path:
            return
        if self.manifest is None and path != MANIFEST and _NOISE.search(path):
            self.ignored.append(printable(path))
            return
        _check_kind(header)
        if header.size > self.limits.size:
            raise self.unpacked.too_large()
        content = self.unpacked.content(header.size)
        if path == MANIFEST and not self.foreign:
            self._keep_manifest(header, content)
        else:
            self._add_file(self._checked(path), content)

    def _keep_manifest(self, header: tarfile.TarInfo, content: Iterator[bytes]) -> None:
        if self.manifest is not None:
            raise ArchiveError(f"{MANIFEST} stands in the archive twice. Export it again.", member=MANIFEST)
        if header.size > _MANIFEST_BYTES:
            raise TooLargeError(f"{MANIFEST} has more than {_MANIFEST_BYTES:,} bytes. Send less at once.")
        self.manifest = parse_manifest(b"".join(content))

    def _add_file(self, path: str, content: Iterator[bytes]) -> None:
        hashing = _Hashing(content)
        pieces = iter(hashing)
        if self.visit is not None:
            self.visit(path, pieces)
        for _ in pieces:
            continue
        self.members.append(Member(path, hashing.size, hashing.digest.hexdigest()))

    def _checked(self, path: str) -> str:
        """Return the path in composed form; refuse one that breaks the rule or meets another one."""
        pushed = self.manifest is not None and self.manifest.noun == "dags"
        path = _checked_path(path, pushed=pushed or self.foreign)
        key = _folded(path)
        if (other := self.seen.get(key)) is not None:
            twice = "twice" if other == path else f"and {quote(other)}: names must differ in more than case"
            raise ArchiveError(f"The archive holds {quote(path)} {twice}. Leave one out.", member=path)
        parts = key.split("/")
        parents = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        clash = next((self.seen[parent] for parent in parents if parent in self.seen), None)
        if clash is not None or key in self.folders:
            raise ArchiveError(
                f"{quote(clash or path)} is both a file and a folder in the archive. Rename one.",
                member=clash or path,
            )
        self.folders.update(dict.fromkeys(parents, path))
        self.seen[key] = path
        return path

    def result(self) -> Archive:
        """Return the archive, compared with its manifest if it has one."""
        members = tuple(sorted(self.members, key=lambda member: member.path))
        if self.manifest is not None:
            _compare(self.manifest, members, self.ignored)
            return Archive(members, self.manifest)
        if not members:
            raise ArchiveError("The archive holds no files. Add some and send it again.")
        return Archive(members, ignored=tuple(sorted(self.ignored)))


class _Hashing:
    """Gives pieces on, and knows their sha256 and size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.digest = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.digest.update(piece)
            self.size += len(piece)
            yield piece


def _plain_path(header: tarfile.TarInfo) -> str:
    """Return the path without ``./`` before it and ``/`` behind it; refuse one that leaves the archive."""
    name = header.name
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name):
        raise ArchiveError(
            f"The archive holds the absolute path {quote(name)}. Only relative paths are accepted: make the "
            "archive from inside of the folder.",
            member=name,
        )
    parts = name.split("/")
    if ".." in parts or ".." in name.split("\\"):
        raise ArchiveError(
            f"The archive holds {quote(name)}, which leads out of it. Paths with .. are refused: make the "
            "archive from inside of the folder.",
            member=name,
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _check_kind(header: tarfile.TarInfo) -> None:
    if header.issparse():
        raise ArchiveError(
            f"{quote(header.name)} is a sparse file. Make the archive without --sparse.", member=header.name
        )
    if not header.isreg():
        kind = _KINDS.get(header.type, "neither a file nor a folder")
        raise ArchiveError(
            f"{quote(header.name)} is {kind}. Only files and folders are accepted: put the content itself "
            "into the archive (tar --dereference follows links).",
            member=header.name,
        )


def _checked_path(path: str, *, pushed: bool) -> str:
    """Return the path of a member; an export of DAGs has names that git brought, too."""
    try:
        return path if pushed and check_pushed_path(path) else check_path(path)
    except InvalidNameError as error:
        git = ".git" in path.casefold().split("/")
        hint = " Leave the folder .git out, as git archive and tar --exclude=.git do." if git else ""
        raise ArchiveError(f"{error}{hint}", member=path) from error


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _compare(manifest: Manifest, members: tuple[Member, ...], ignored: list[str]) -> None:
    present = {member.path: (member.sha256, member.size) for member in members}
    for path in sorted({*manifest.members, *present, *ignored}):
        if path not in manifest.members:
            raise _mismatch(path, "is not in the manifest")
        if path not in present:
            raise _mismatch(path, "is in the manifest, but not in the archive")
        if manifest.members[path] != present[path]:
            raise _mismatch(path, "does not have the sha256 and size that the manifest says")


def _mismatch(path: str, what: str) -> ArchiveError:
    return ArchiveError(
        f"{quote(path)} {what}: the archive was changed or damaged after its export. Export it again; or "
        f"remove {MANIFEST} from it if the change is wanted.",
        member=path,
    )
