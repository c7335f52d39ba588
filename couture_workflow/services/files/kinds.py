"""Files that people upload: the rules that *Spark Dependencies*, *Code Artifacts*, data and models share.

They differ in what a ``FileKind`` says and in nothing else; ``dependencies`` and ``artifacts`` hold one each,
``eda.data`` that of data and ``models.library`` that of trained models.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from couture_workflow import settings
from couture_workflow.exceptions import InUseError, NotAllowedError, NotFoundError, TooLargeError
from couture_workflow.services.files import contents
from couture_workflow.store.files import ANY_VERSION, Files, StoredFile, Upload
from couture_workflow.store.names import check_name, quote

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

Outcome = Literal["created", "replaced", "unchanged"]
Sort = Literal["name", "-name", "size", "-size", "uploaded", "-uploaded"]

_SORT_KEYS: dict[str, Callable[[StoredFile], object]] = {
    "size": lambda file: file.size,
    "uploaded": lambda file: file.uploaded_at,
}


@dataclass(frozen=True)
class FileKind:
    """What sets one kind of file apart from another.

    :param noun: its name in the store, in the REST API and in audit rows, such as "artifacts".
    :param one: what one of them is called, such as "code artifact".
    :param resource: the resource in ``permissions`` that guards it.
    :param suffixes: what a name may end in.
    :param task_fields: fields of a Spark task that refer to such files.
    :param is_code: whether it is looked into when it comes: an archive must be sound, Python should compile.
    """

    noun: Literal["dependencies", "artifacts", "data", "models"]
    one: str
    resource: str
    suffixes: tuple[str, ...]
    task_fields: tuple[str, ...]
    is_code: bool = True

    def files(self, store: Store) -> Files:
        """Return the files of this kind."""
        files: Files = getattr(store, self.noun)
        return files


@dataclass(frozen=True)
class Listing:
    """Some of the files that a search found.

    :param total: how many it found in all.
    """

    files: Sequence[StoredFile]
    total: int


def find(
    files: Files,
    *,
    search: str = "",
    sort: Sort = "name",
    offset: int = 0,
    limit: int = 50,
    deleted: bool = False,
) -> Listing:
    """Return a part of the files whose name contains the search, in any case.

    :param deleted: look among the deleted files instead.
    """
    wanted = unicodedata.normalize("NFC", search).strip()
    if deleted:
        found = [file for file in files.deleted() if wanted.casefold() in file.name.casefold()]
    else:
        found = list(files.list(search=wanted))
    if key := _SORT_KEYS.get(sort.lstrip("-")):
        found.sort(key=key)  # type: ignore[arg-type]
    if sort.startswith("-"):
        found.reverse()
    return Listing(found[offset : offset + limit], len(found))


@dataclass(frozen=True)
class Received:
    """A complete upload.

    :param outcome: "unchanged" if the current version had the same content already.
    :param warning: what may be wrong with it although it was stored, "" if nothing is.
    """

    file: StoredFile
    outcome: Outcome
    warning: str = ""


class Reception:
    """An upload under way: ``with Reception(...) as reception: reception.write(...); reception.finish()``.

    Left without ``finish``, it leaves nothing behind.

    :param may_replace: whether the caller may put a new version under a name that exists.
    :param announced: size in bytes that the caller says it will send, to refuse too large a file at once.
    """

    def __init__(
        self,
        store: Store,
        kind: FileKind,
        name: str,
        *,
        user: str,
        may_replace: bool,
        announced: int | None = None,
    ) -> None:
        self.name = check_name(name, what=kind.one, suffixes=kind.suffixes)
        self._is_code = kind.is_code
        limit = settings.max_upload_size()
        if announced is not None and announced > limit:
            raise TooLargeError(
                f"{self.name} has {announced:,} bytes, more than the limit of {limit:,}. Upload a smaller "
                "file, or ask an administrator to raise [couture_workflow] max_upload_size."
            )
        self._files = kind.files(store)
        if _present(self._files, self.name) and not may_replace:
            raise NotAllowedError(
                f"{quote(self.name)} exists, and your role may not replace it (it lacks “can edit on "
                f"{kind.resource}”). Choose another name, or ask an administrator."
            )
        expect = ANY_VERSION if may_replace else None
        self._upload: Upload = self._files.upload(self.name, user=user, limit=limit, expect=expect)

    def __enter__(self) -> Self:
        self._upload.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._upload.__exit__(kind, error, trace)

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end."""
        self._upload.write(chunk)

    def finish(self) -> Received:
        """Check the whole file and make it the current version of its name."""
        warning = contents.check(self._upload.path, self.name) if self._is_code else ""
        before = _present(self._files, self.name)  # others may have sent one of this name meanwhile
        file = self._upload.commit()
        if before is None:
            return Received(file, "created", warning)
        return Received(file, "unchanged" if file.current == before.current else "replaced", warning)


def _present(files: Files, name: str) -> StoredFile | None:
    try:
        return files.get(name)
    except NotFoundError:
        return None


def restore(store: Store, kind: FileKind, name: str, version: int, *, user: str) -> StoredFile:
    """Make an earlier version current, as a new version with the same content."""
    return kind.files(store).restore(name, version, user=user)


def delete(store: Store, kind: FileKind, name: str, *, users: Sequence[str], force: bool) -> StoredFile:
    """Delete a file; it can be brought back.

    :param users: who uses it, from ``files.uses``; with any, it is refused.
    :param force: delete it although it is in use.
    """
    file = kind.files(store).get(name)
    if users and not force:
        more = f" and {len(users) - 5} more" if len(users) > 5 else ""
        raise InUseError(
            f"{quote(file.name)} is in use: {'; '.join(users[:5])}{more}. Jobs that need it would fail. Take "
            "it out there first, or confirm that you want to delete it all the same.",
            users=users,
        )
    kind.files(store).delete(file.name)
    return file


def undelete(store: Store, kind: FileKind, name: str) -> StoredFile:
    """Bring a deleted file back with all its versions."""
    return kind.files(store).undelete(name)
