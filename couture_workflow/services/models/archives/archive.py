"""The archives that models come in: what is in them, which folder is the model, and how it is unpacked.

Whatever an archive holds, it is read by the hardened reader of the store: nothing is written outside of the
folder that is given, and links, devices and bombs are refused with the name of the member.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from couture_workflow import settings
from couture_workflow.exceptions import ArchiveError, TooLargeError
from couture_workflow.store import archive_reader, archive_stream, atomic
from couture_workflow.store.archive_reader import Archive, Limits, Member
from couture_workflow.store.names import quote

SAVED_MODEL, ONNX = "SavedModel", "ONNX"
_PB = "saved_model.pb"
#: What an ``.onnx`` file that was sent as it is is called in its folder.
ONNX_FILE = "model.onnx"
#: What stands for its sum, as only members of an archive have one.
_NO_SUM = ""
#: Bytes that stay free on the disk, and after how many written ones that is looked at.
_SPARE, _LOOK = 64 * 2**20, 16 * 2**20
#: Models of one archive that somebody can choose from.
_MOST_MODELS = 100
_REMEDY = "Make it again, for example with tar -czf model.tar.gz model, and send all of it."
_HOW = (
    "Send a .tar or .tar.gz of a SavedModel (a folder with saved_model.pb) or of one .onnx file; or an .onnx "
    "file as it is."
)
#: First bytes -> what a file is that is no model for serving.
_OTHERS = (
    (b"PK\x03\x04", "a zip file; a .keras file is one too: load it and call model.export(folder)"),
    (b"\x89HDF", "an HDF5 file: load it with Keras and call model.export(folder)"),
    (b"\x80", "a pickle, which would run code: export the model to ONNX, for example with skl2onnx"),
    (b"BZh", "packed by bzip2: pack it by gzip"),
    (b"\xfd7zXZ", "packed by xz: pack it by gzip"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: pack it by gzip"),
)


@dataclass(frozen=True)
class Found:
    """A model in an archive.

    :param path: its folder in the archive, "" for the top.
    :param bytes: of all files in it; ``files`` how many there are.
    """

    path: str
    format: str
    files: int
    bytes: int

    @property
    def number(self) -> int | None:
        """The number of a version folder, None if its name is none."""
        last = self.path.rpartition("/")[2]
        return int(last) if re.fullmatch(r"[0-9]{1,18}", last) else None


@dataclass(frozen=True)
class Layout:
    """What an archive holds.

    :param folders: the models in it.
    :param said: what is taken off and left out, in a sentence.
    """

    folders: tuple[Found, ...]
    said: str

    def json(self, chosen: str | None) -> dict[str, Any]:
        """Return it as plain data with the folder that is taken."""
        return {"folders": [asdict(each) for each in self.folders], "said": self.said, "chosen": chosen}


def limits() -> Limits:
    """Return what an archive may be at most, as the options say."""
    return Limits(
        members=settings.max_archive_members(),
        size=settings.max_archive_size(),
        ratio=settings.max_archive_ratio(),
    )


def unpack(path: Path, folder: Path, *, limits: Limits) -> Archive:
    """Unpack what was sent into an empty folder.

    Raises ``ArchiveError``, ``TooLargeError`` or ``StorageError``.

    An archive is a tar, packed by gzip or not; an ``.onnx`` file is taken as it is.
    """
    with path.open("rb") as source:
        head = source.read(512)
        source.seek(0)
        if head[:2] == b"\x1f\x8b" or _is_tar(head):
            return _unpacked(source, folder, limits, gzipped=head[:2] == b"\x1f\x8b")
        if head[:1] != b"\x08":  # where the message of an ONNX model begins
            raise ArchiveError(f"This is no model that can be served: it is {_what(head)}. {_HOW}")
        size = path.stat().st_size
        if size > limits.size:
            raise ArchiveError(f"The model has {size:,} bytes, more than the {limits.size:,} allowed.")
        _Writer(folder).write(ONNX_FILE, iter(lambda: source.read(2**20), b""))
        return Archive((Member(ONNX_FILE, size, _NO_SUM),))


def _unpacked(source: BinaryIO, folder: Path, limits: Limits, *, gzipped: bool) -> Archive:
    writer = _Writer(folder)
    try:
        return archive_reader.read(source, limits=limits, visit=writer.write, gzipped=gzipped, foreign=True)
    except ArchiveError as error:
        said = str(error).replace(archive_stream.REMEDY, _REMEDY)
        raise ArchiveError(said, member=error.member) from error
    except TooLargeError as error:
        at = f" It was at {quote(writer.path)} when that was noticed." if writer.path else ""
        raise TooLargeError(f"{error}{at}") from error


def suffix(head: bytes) -> str:
    """Return what the name of a file should end in that begins like this, "" if that does not tell.

    :param head: its first 512 bytes.
    """
    return ".tar.gz" if head[:2] == b"\x1f\x8b" else ".tar" if _is_tar(head) else ""


def _is_tar(head: bytes) -> bool:
    """Tell whether this is the header of a tar's first member, by its checksum: old ones have no magic."""
    if len(head) < 512 or not head[0]:
        return False
    try:
        said = int(head[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return said == sum(head[:148]) + 8 * 32 + sum(head[156:])


def _what(head: bytes) -> str:
    if not head:
        return "empty"
    return next((what for magic, what in _OTHERS if head.startswith(magic)), "neither an archive nor ONNX")


class _Writer:
    """Writes files of an archive below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._since = _LOOK
        #: The file that was written last.
        self.path = ""

    def write(self, path: str, pieces: Iterator[bytes]) -> None:
        """Write one file; the path is one that the reader has checked."""
        self.path = path
        target = self._folder / path
        with atomic.storage_errors(self._folder):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                for piece in pieces:
                    self._look(len(piece))
                    file.write(piece)

    def _look(self, size: int) -> None:
        self._since += size
        if self._since < _LOOK:
            return
        self._since = 0
        if shutil.disk_usage(self._folder).free < _SPARE:
            raise atomic.full(self._folder)


def layout(members: Sequence[Member]) -> Layout:
    """Return which folders of an archive are models, or raise ``ArchiveError`` if none is."""
    roots = _roots(members)
    if not roots:
        raise ArchiveError(f"No model is in the archive: {_instead(members)} {_HOW}")
    if len(roots) > _MOST_MODELS:
        raise ArchiveError(
            f"The archive holds {len(roots):,} models, and {_MOST_MODELS} at most can be chosen from. Send "
            "the one that is meant."
        )
    files, sizes = Counter[str](), Counter[str]()
    for each in members:
        if (root := _root_of(each.path, roots)) is not None:
            files[root] += 1
            sizes[root] += each.size
    folders = tuple(
        Found(root, form, files[root], sizes[root]) for root, form in sorted(roots.items(), key=_order)
    )
    return Layout(folders, _said(folders, members))


def chosen(found: Layout, folder: str | None) -> Found | None:
    """Return the model that somebody chose, or the only one; None if it is to be chosen.

    :raises ArchiveError: it is not in the archive.
    """
    if folder is None:
        return found.folders[0] if len(found.folders) == 1 else None
    wanted = folder.strip("/")
    for each in found.folders:
        if each.path == wanted:
            return each
    there = ", ".join(quote(each.path or "/") for each in found.folders[:20])
    raise ArchiveError(
        f"The folder {quote(folder)} of the archive is no model. Choose one of these: {there}.",
        field="folder",
    )


def _roots(members: Sequence[Member]) -> dict[str, str]:
    """Return folder -> format; what lies in a model belongs to it."""
    found = {_parent(each.path): SAVED_MODEL for each in members if PurePosixPath(each.path).name == _PB}
    onnx: dict[str, list[str]] = defaultdict(list)
    for each in members:
        if each.path.casefold().endswith(".onnx") and not _is_inside(each.path, found):
            onnx[_parent(each.path)].append(each.path)
    for folder, files in onnx.items():
        if len(files) > 1:
            raise ArchiveError(
                f"One folder of the archive holds {len(files)} .onnx files, such as {quote(files[0])} and "
                f"{quote(files[1])}, and a version of a model has one. Put each into a folder of its own.",
                member=files[1],
            )
        found[folder] = ONNX
    return {each: form for each, form in found.items() if not _is_inside(each, found)}


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _is_inside(path: str, folders: dict[str, str]) -> bool:
    """Tell whether a path lies below one of some folders; a folder does not lie below itself."""
    return _root_of(path, folders) is not None


def _root_of(path: str, folders: dict[str, str]) -> str | None:
    """Return the folder that a path lies below, None if it is none of these."""
    parts = path.split("/") if path else []
    above = ("/".join(parts[:depth]) for depth in range(len(parts)))
    return next((each for each in above if each in folders), None)


def _order(item: tuple[str, str]) -> tuple[str, int, str]:
    parent, _, last = item[0].rpartition("/")
    return parent, int(last) if re.fullmatch(r"[0-9]{1,18}", last) else 0, last


def _said(folders: Sequence[Found], members: Sequence[Member]) -> str:
    if len(folders) > 1:
        numbered = all(each.number is not None for each in folders)
        what = "versions of a model" if numbered else "models"
        names = ", ".join(each.path or "/" for each in folders[:10])
        more = f" and {len(folders) - 10} more" if len(folders) > 10 else ""
        return f"The archive holds {len(folders)} {what}: {names}{more}. Choose the one to take."
    (one,) = folders
    if [(each.path, each.sha256) for each in members] == [(ONNX_FILE, _NO_SUM)]:
        return "The ONNX file was sent as it is."
    said = f"The {one.format} is at the top of the archive."
    if one.path:
        word = "version folder" if one.number is not None else "folder"
        said = f"The {one.format} is in the {word} {one.path}/, which is taken off."
    if one.number is not None:
        said += " Its number there is not kept: versions are counted here."
    if left := len(members) - one.files:
        said += f" {left} other {'file is' if left == 1 else 'files are'} left out."
    return said


def _instead(members: Sequence[Member]) -> str:
    for each in members:
        name = each.path.casefold()
        if name.endswith("saved_model.pbtxt"):
            return (
                f"{quote(each.path)} is a SavedModel as text, which is not read: save it as saved_model.pb."
            )
        if name.endswith((".keras", ".h5", ".hdf5")):
            return f"{quote(each.path)} is Keras's own format: load it and call model.export(folder)."
        if name.endswith((".pkl", ".pickle", ".joblib")):
            return f"{quote(each.path)} is a pickle, which would run code: export the model to ONNX."
    first = ", ".join(quote(each.path) for each in members[:3])
    return f"it has {len(members)} files, such as {first}, and neither saved_model.pb nor an .onnx file."
