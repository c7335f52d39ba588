"""Hadoop groups: each leads to one cluster by its own XML files; one of them is the default.

A group is a folder ``hadoop/<group>/`` of the configuration repository, so that each save is a commit with an
author. ``hadoop/groups.yaml`` says which is the default and names the keytab of each. Secrets in the files
are sealed there one by one.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from couture_workflow.exceptions import InUseError, InvalidError, NotFoundError
from couture_workflow.services.hadoop import documents, index, secrets, values
from couture_workflow.services.hadoop.documents import Document
from couture_workflow.services.hadoop.index import FOLDER, PATH, Index
from couture_workflow.services.kerberos import keytabs
from couture_workflow.store import trees
from couture_workflow.store.home import Store
from couture_workflow.store.names import check_name, quote
from couture_workflow.store.repository import Commit

__all__ = [
    "DEFAULT_FS",
    "Group",
    "Snapshot",
    "add",
    "check_group",
    "default_name",
    "delete",
    "get",
    "is_kerberized",
    "listed",
    "path_of",
    "prepare",
    "properties",
    "rename",
    "set_default",
    "set_keytab",
    "snapshot",
]

DEFAULT_FS = "fs.defaultFS"
SUFFIX = ".xml"
#: How many groups there can be, and files of one.
MOST_GROUPS, MOST_FILES = 200, 50


@dataclass(frozen=True)
class Group:
    """One group.

    :param files: names of its files, in the order of the alphabet.
    :param keytab: name of the keytab that it asks for, None for the default one.
    :param commit: version of the configuration repository that this was read from.
    """

    name: str
    is_default: bool
    files: tuple[str, ...]
    keytab: str | None
    commit: str | None


@dataclass(frozen=True)
class Snapshot:
    """All groups at one version.

    :param blobs: group -> file -> id of its content.
    """

    commit: str | None
    index: Index
    blobs: Mapping[str, Mapping[str, str]] = field(repr=False)

    def group(self, name: str) -> Group:
        """Return a group or raise ``NotFoundError``."""
        if name not in self.index.keytabs:
            there = ", ".join(sorted(self.index.keytabs)) or "there is none yet"
            raise NotFoundError(
                f"There is no Hadoop group {quote(name)} ({there}). Add it in Admin > Hadoop "
                "Configuration, or "
                "name another one."
            )
        files = tuple(sorted(self.blobs.get(name, ())))
        keytab = self.index.keytabs[name] or None
        return Group(name, name == self.index.default, files, keytab, self.commit)


def check_group(name: str) -> str:
    """Return a name that a group may have, or raise ``InvalidNameError``."""
    return check_name(name, what="Hadoop group")


def path_of(group: str, file: str) -> str:
    """Return where a file of a group stands in the configuration repository."""
    return f"{FOLDER}{group}/{file}"


def snapshot(store: Store, *, commit: str | None = None) -> Snapshot:
    """Return all groups at a version (None: the newest)."""
    head = store.config.head() if commit is None else store.config.known(commit)
    blobs: dict[str, dict[str, str]] = {}
    text = b""
    for entry in trees.entries(store.config.git, head, sizes=False) if head else ():
        parts = entry.path.split("/")
        if entry.path == PATH:
            text = dict(trees.contents(store.config.git, [entry.blob]))[entry.blob]
        elif entry.path.startswith(FOLDER) and len(parts) == 3 and entry.path.endswith(SUFFIX):
            blobs.setdefault(parts[1], {})[parts[2]] = entry.blob
    found = index.stored(text) if text else Index()
    return Snapshot(head, index.complete(found, set(blobs)), blobs)


def listed(store: Store) -> list[Group]:
    """Return all groups by name."""
    found = snapshot(store)
    return [found.group(name) for name in sorted(found.index.keytabs, key=str.casefold)]


def get(store: Store, name: str) -> Group:
    """Return a group or raise ``NotFoundError``."""
    return snapshot(store).group(name)


def default_name(store: Store) -> str | None:
    """Return the name of the default group, None if there is no group."""
    return snapshot(store).index.default


def contents(store: Store, name: str, *, commit: str | None = None) -> dict[str, bytes]:
    """Return the files of a group as they are kept, secrets sealed."""
    found = snapshot(store, commit=commit)
    found.group(name)
    blobs = found.blobs.get(name, {})
    texts = dict(trees.contents(store.config.git, blobs.values()))
    return {file: texts[blob] for file, blob in sorted(blobs.items())}


def read(kept: Mapping[str, bytes]) -> tuple[dict[str, Document], dict[str, str]]:
    """Return the files that can be read, and why the others cannot."""
    found: dict[str, Document] = {}
    refused: dict[str, str] = {}
    for file, content in kept.items():
        try:
            found[file] = documents.parse(content, name=file)
        except InvalidError as error:
            refused[file] = str(error)
    return found, refused


def properties(store: Store, name: str) -> Mapping[str, str]:
    """Return all properties of a group: those of *-site.xml files count as Hadoop counts them."""
    kept, refused = read(contents(store, name))
    if refused:
        raise InvalidError(f"The Hadoop group {quote(name)} cannot be used: {next(iter(refused.values()))}")
    raw = {each: found.value for each, (_, found) in values.together(kept).items()}
    return values.Properties(raw, partial(secrets.opened_value, store.secrets))


def is_kerberized(properties: Mapping[str, str]) -> bool:
    """Tell whether the cluster of these properties wants a Kerberos ticket."""
    return properties.get("hadoop.security.authentication", "").strip().lower() == "kerberos"


def prepare(store: Store, name: str, folder: Path) -> Path:
    """Write the files of a group, secrets in the clear, into a folder for a job, and return the folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file, content in contents(store, name).items():
        descriptor = os.open(folder / file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as output:
            output.write(secrets.opened(store.secrets, content))
    return folder


def add(store: Store, name: str, *, user: str) -> Group:
    """Make a group without files; the first of all is the default."""
    name = check_group(name)
    found = snapshot(store)
    _check_free(found, name)
    if len(found.index.keytabs) >= MOST_GROUPS:
        raise InvalidError(f"There are {MOST_GROUPS} Hadoop groups, the most there can be. Delete one first.")
    _save(store, found, found.index.with_group(name), {}, user=user, message=f"Add the Hadoop group {name}")
    return get(store, name)


def rename(store: Store, old: str, new: str, *, user: str, users: Sequence[str] = ()) -> Group:
    """Give a group another name, or raise ``InUseError``.

    :param users: who names the group, in words a person can look up.
    """
    found = snapshot(store)
    found.group(old)
    if new == old:
        return found.group(old)
    new = check_group(new)
    _check_free(found, new, apart_from=old)
    _check_unused(f"The Hadoop group {quote(old)} cannot be renamed", users)
    kept = contents(store, old, commit=found.commit)
    changes: dict[str, bytes | None] = {path_of(old, file): None for file in kept}
    changes |= {path_of(new, file): content for file, content in kept.items()}
    message = f"Rename the Hadoop group {old} to {new}"
    _save(store, found, found.index.renamed(old, new), changes, user=user, message=message)
    return get(store, new)


def delete(store: Store, name: str, *, user: str, users: Sequence[str] = ()) -> Commit:
    """Delete a group with its files, or raise ``InUseError``; the default one only if it is the last.

    :param users: who names the group, in words a person can look up.
    """
    found = snapshot(store)
    group = found.group(name)
    others = len(found.index.keytabs) > 1
    default = ["the default group: make another one the default first"] if group.is_default and others else []
    _check_unused(f"The Hadoop group {quote(name)} cannot be deleted", [*default, *users])
    changes: dict[str, bytes | None] = {path_of(name, file): None for file in group.files}
    message = f"Delete the Hadoop group {name}"
    return _save(store, found, found.index.without_group(name), changes, user=user, message=message)


def set_default(store: Store, name: str, *, user: str) -> Group:
    """Make a group the one that tasks get which name none."""
    found = snapshot(store)
    found.group(name)
    chosen = Index(name, found.index.keytabs)
    _save(store, found, chosen, {}, user=user, message=f"Make {name} the default Hadoop group")
    return get(store, name)


def set_keytab(store: Store, name: str, keytab: str | None, *, user: str) -> Group:
    """Choose the keytab that tickets for a group's cluster are taken with; None: the default one."""
    found = snapshot(store)
    found.group(name)
    if keytab:
        keytabs.get(store, keytab)
    message = f"Take the keytab {keytab or 'that is the default'} for the Hadoop group {name}"
    chosen = Index(found.index.default, {**found.index.keytabs, name: keytab or ""})
    _save(store, found, chosen, {}, user=user, message=message)
    return get(store, name)


@keytabs.tell_users
def users_of_keytab(store: Store, keytab: str) -> list[str]:
    """Return the groups that name a keytab, in words."""
    named = snapshot(store).index.keytabs
    return [f"Hadoop group {group}" for group, name in sorted(named.items()) if name == keytab]


def _save(
    store: Store,
    found: Snapshot,
    changed: Index,
    changes: Mapping[str, bytes | None],
    *,
    user: str,
    message: str,
) -> Commit:
    return store.config.save(
        {**changes, PATH: index.dump(changed)}, author=user, message=message, base=found.commit
    )


def _check_free(found: Snapshot, name: str, *, apart_from: str = "") -> None:
    taken: Collection[str] = found.index.keytabs.keys() - {apart_from}
    if other := next((each for each in taken if each.casefold() == name.casefold()), None):
        raise InvalidError(
            f"There is a Hadoop group {quote(other)} already. Choose another name.", field="name"
        )
    if name.casefold() == PATH.removeprefix(FOLDER).casefold():
        raise InvalidError(f"No Hadoop group can be called {quote(name)}. Choose another name.", field="name")


def _check_unused(what: str, users: Sequence[str]) -> None:
    if users:
        raise InUseError(f"{what}, because these use it: {'; '.join(users)}.", users=users)
