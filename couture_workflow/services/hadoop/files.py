"""The XML files of a group: received, shown with secrets masked, saved and deleted, with their history."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from couture_workflow.exceptions import InvalidError, NotFoundError, TooLargeError
from couture_workflow.services.hadoop import documents, groups, pages, secrets
from couture_workflow.services.hadoop.groups import MOST_FILES, SUFFIX, path_of
from couture_workflow.store.home import Store
from couture_workflow.store.names import check_name, quote
from couture_workflow.store.repository import Commit

#: Bytes of the files of a group together; so much can be sent at once, too.
MOST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Draft:
    """A file that is about to be saved.

    :param old: what is here now, "" if nothing is; ``new`` what would be here; secrets masked in both.
    :param remarks: what Hadoop would not do as it looks, in words.
    :param wanting: secrets that are a mask, and that are not here.
    """

    name: str
    old: str
    new: str
    remarks: tuple[str, ...]
    wanting: tuple[str, ...]


def check_file(name: str) -> str:
    """Return a name that a file may have, or raise ``InvalidNameError``."""
    name = check_name(name, what="file", suffixes=(SUFFIX,))
    if not name.endswith(SUFFIX):
        raise InvalidError(
            f"The file {quote(name)} is refused: Hadoop finds names in small letters alone. Rename it to "
            f"{quote(name[: -len(SUFFIX)] + SUFFIX)}.",
            field="name",
        )
    return name


def text(store: Store, group: str, name: str, *, commit: str | None = None) -> str:
    """Return a file as it may be shown, secrets masked, or raise ``NotFoundError``."""
    return _shown(_kept(store, group, name, commit=commit))


def draft(store: Store, group: str, name: str, content: bytes, *, base: str | None = None) -> Draft:
    """Check a file and return what a save would do, or raise ``InvalidError``.

    :param base: version of the configuration that the editor started from; None: the newest.
    """
    sound = _sound(check_file(name), content)
    present = _present(store, group, name, base=base)
    filled, wanting = secrets.with_secrets(sound, present)
    read = documents.parse(filled, name=name)
    remarks = (*(str(remark) for remark in read.remarks), *pages.about(name, read.root))
    return Draft(name, _shown(present), secrets.compared(filled, present).decode(), remarks, wanting)


def save(
    store: Store,
    group: str,
    sent: Mapping[str, bytes],
    *,
    user: str,
    base: str | None = None,
    message: str = "",
) -> Commit:
    """Save files of a group, all or none; the newest commit if nothing changes by it.

    :param base: version of the configuration that the editor started from; None: the newest.
        ``ConflictError`` if somebody saved one of the files since.
    """
    start = base or groups.get(store, group).commit
    present = groups.contents(store, group, commit=start)
    checked = {check_file(name): content for name, content in sent.items()}
    if not checked:
        raise InvalidError("No file was sent. Choose one or several XML files.", field="files")
    _check_names(present, checked)
    changes: dict[str, bytes | None] = {}
    for name, content in checked.items():
        filled, wanting = secrets.with_secrets(_sound(name, content), present.get(name, b""))
        documents.parse(filled, name=name)
        _check_wanting(name, wanting)
        changes[path_of(group, name)] = secrets.sealed(store.secrets, filled, present.get(name, b""))
    _check_sizes({**{path_of(group, name): content for name, content in present.items()}, **changes})
    return store.config.save(
        changes,
        author=user,
        message=message.strip() or _message(group, sorted(checked), present),
        base=start,
    )


def delete(
    store: Store, group: str, name: str, *, user: str, base: str | None = None, message: str = ""
) -> Commit:
    """Delete a file; a version of its history brings it back."""
    _kept(store, group, name, commit=None)
    return store.config.save(
        {path_of(group, name): None},
        author=user,
        message=message.strip() or f"Delete {name} of the Hadoop group {group}",
        base=base or store.config.head(),
    )


def history(store: Store, group: str, name: str = "", *, limit: int = 50, skip: int = 0) -> Sequence[Commit]:
    """Return who saved a file when, newest first; without a name: any file of the group."""
    path = path_of(group, name) if name else path_of(group, "").rstrip("/")
    return store.config.history(path, limit=limit, skip=skip)


@dataclass(frozen=True)
class Change:
    """What a version did to one file, secrets masked; "" where there was or is no file."""

    file: str
    old: str
    new: str


def changes(store: Store, group: str, *, before: str | None, commit: str) -> list[Change]:
    """Return what changed in a group's files between two versions (None: as if nothing had been there)."""
    old = _all(store, group, before) if before else {}
    new = _all(store, group, store.config.known(commit))
    return [
        Change(name, _shown(old.get(name, b"")), _compared(old.get(name, b""), new.get(name, b"")))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _all(store: Store, group: str, commit: str) -> dict[str, bytes]:
    try:
        return groups.contents(store, group, commit=commit)
    except NotFoundError:  # it was added or deleted there
        return {}


def _compared(old: bytes, new: bytes) -> str:
    """Return a version as it may be shown; the seal of a secret is another one whenever it was changed."""
    return secrets.compared(new, old).decode("utf-8", "replace") if old else _shown(new)


def _kept(store: Store, group: str, name: str, *, commit: str | None) -> bytes:
    if commit is None:
        groups.get(store, group)
    try:
        return store.config.read(path_of(group, name), commit=commit)
    except NotFoundError:
        raise NotFoundError(
            f"The Hadoop group {quote(group)} has no file "
            f"{quote(name)}{' in that version' if commit else ''}. "
            "Choose one of its list."
        ) from None


def _present(store: Store, group: str, name: str, *, base: str | None) -> bytes:
    try:
        return _kept(store, group, name, commit=base)
    except NotFoundError:
        if base is None:
            groups.get(store, group)
        return b""


def _sound(name: str, content: bytes) -> bytes:
    """Return a file without a byte order mark, once it is known to be text and XML."""
    documents.check_size(len(content), name)
    content = documents.without_mark(content)
    if b"\0" in content or not _is_utf8(content):
        raise InvalidError(
            f"{quote(name)} is no text in UTF-8. Choose an XML file, or save it in UTF-8.", field="text"
        )
    documents.parse(content, name=name)
    return content


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _check_wanting(name: str, wanting: Sequence[str]) -> None:
    if wanting:
        raise InvalidError(
            f"{quote(name)}: the value of {wanting[0]} is masked, and there is none here that the mask could "
            "stand for. Type the secret itself, or remove the property.",
            field="text",
        )


def _check_names(present: Collection[str], sent: Collection[str]) -> None:
    """Refuse two names that differ in case alone."""
    taken = {each.casefold(): each for each in present}
    for name in sent:
        if (other := taken.setdefault(name.casefold(), name)) != name:
            raise InvalidError(
                f"There is {quote(other)} already, which differs from {quote(name)} by capital "
                "letters alone. "
                "Rename the file.",
                field="name",
            )


def _check_sizes(kept: Mapping[str, bytes | None]) -> None:
    if len(kept) > MOST_FILES:
        raise TooLargeError(f"A Hadoop group has at most {MOST_FILES} files. Delete some, or send less.")
    if sum(len(content or b"") for content in kept.values()) > MOST_BYTES:
        raise TooLargeError(
            f"The files of a Hadoop group have at most {MOST_BYTES:,} bytes together. Delete some, or "
            "send less."
        )


def _shown(content: bytes) -> str:
    return secrets.without_secrets(content)[0].decode("utf-8", "replace")


def _message(group: str, names: Sequence[str], present: Collection[str]) -> str:
    verb = "Change" if all(name in present for name in names) else "Add"
    what = ", ".join(names) if len(names) <= 3 else f"{len(names)} files"
    return f"{verb} {what} of the Hadoop group {group}"
