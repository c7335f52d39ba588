"""The sources with their history: each save is a commit of ``eda/<name>.yaml`` in ``config.git``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from couture_workflow.exceptions import ConflictError, CorruptError, InUseError, InvalidError, NotFoundError
from couture_workflow.services.eda import differences, document
from couture_workflow.services.eda.document import Source, name_of, path_of
from couture_workflow.services.spark.document import Change
from couture_workflow.store import trees
from couture_workflow.store.home import Store
from couture_workflow.store.latest import Latest
from couture_workflow.store.names import quote
from couture_workflow.store.repository import Commit

#: How many sources there can be.
MOST = 5000


@dataclass(frozen=True)
class Snapshot:
    """All sources at one version of the configuration repository.

    :param damaged: name -> why it cannot be read.
    """

    commit: str | None
    sources: Mapping[str, Source]
    damaged: Mapping[str, str] = field(default_factory=dict)

    def source(self, name: str) -> Source:
        """Return a source, or raise ``NotFoundError`` or ``CorruptError``."""
        if name in self.damaged:
            raise CorruptError(self.damaged[name], path=path_of(name))
        if name not in self.sources:
            raise NotFoundError(
                f"There is no source {quote(name)}. Choose one of Developer > Exploratory Data Analysis, or "
                "add it there."
            )
        return self.sources[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Return every name that is taken, in the order of the alphabet."""
        return tuple(sorted({*self.sources, *self.damaged}, key=lambda name: (name.casefold(), name)))


#: (name, blob) of the last snapshot -> the source, or why it is damaged.
_read: Latest[tuple[str, str], Source | str] = Latest(lambda key, _: 4000 + len(key[0]))


def snapshot(store: Store, *, commit: str | None = None) -> Snapshot:
    """Return all sources at a version (None: the newest): two git processes, however many there are."""
    head = store.config.head() if commit is None else store.config.known(commit)
    blobs = {
        (name, entry.blob): name
        for entry in (trees.entries(store.config.git, head, sizes=False) if head else ())
        if entry.mode == trees.FILE and (name := name_of(entry.path))
    }

    def missing(keys: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], Source | str]]:
        contents = dict(trees.contents(store.config.git, [blob for _, blob in keys]))
        for key in keys:
            yield key, _source_or_problem(key[0], contents[key[1]])

    found = _read.of(blobs, missing)
    return Snapshot(
        head,
        {name: each for (name, _), each in found.items() if isinstance(each, Source)},
        {name: each for (name, _), each in found.items() if isinstance(each, str)},
    )


def _source_or_problem(name: str, content: bytes) -> Source | str:
    try:
        return document.stored(name, content)
    except CorruptError as error:
        return str(error)


def all(store: Store) -> tuple[Source, ...]:
    """Return every source that can be read, by name."""
    found = snapshot(store)
    return tuple(found.sources[name] for name in found.names if name in found.sources)


def get(store: Store, name: str, *, commit: str | None = None) -> Source:
    """Return a source at a version (None: the newest), or raise ``NotFoundError``."""
    return read(store, name, commit=commit)[0]


def read(store: Store, name: str, *, commit: str | None = None) -> tuple[Source, str]:
    """Return a source and the version of the repository that it was read at."""
    head = store.config.head() if commit is None else store.config.known(commit)
    try:
        if head is None:
            raise NotFoundError(name)
        return document.stored(name, store.config.read(path_of(name), commit=head)), head
    except NotFoundError:
        Snapshot(head, {}).source(name)
        raise


def version(store: Store, name: str) -> str:
    """Return the commit that changed a source last, or raise ``NotFoundError``."""
    found = store.config.history(path_of(name), limit=1)
    if not found:
        Snapshot(None, {}).source(name)
    return found[0].id


def history(store: Store, name: str, *, limit: int = 50, skip: int = 0) -> Sequence[Commit]:
    """Return who saved a source when and why, newest first; of one that was deleted, too."""
    return store.config.history(path_of(name), limit=limit, skip=skip)


def changes(store: Store, name: str, *, before: str | None, commit: str) -> list[Change]:
    """Return what one version changed since the one ``before`` it (None: there was none)."""
    return differences.changes(
        _perhaps(store, name, before) if before else None, _perhaps(store, name, commit)
    )


def _perhaps(store: Store, name: str, commit: str) -> Source | None:
    try:
        return get(store, name, commit=commit)
    except NotFoundError:
        store.config.known(commit)
        return None


def add(store: Store, source: Source, *, user: str, message: str = "") -> Commit:
    """Save a new source, or raise ``InvalidError`` where its name is taken."""
    found = snapshot(store)
    _check_free(found, source.name)
    if len(found.names) >= MOST:
        raise InvalidError(f"There are {MOST:,} sources, the most there can be. Delete one first.")
    return _save(
        store,
        found.commit,
        {path_of(source.name): document.dump(source)},
        user=user,
        message=message or f"Add the source {source.name}",
        taken=source.name,
    )


def save(store: Store, source: Source, *, user: str, base: str | None, message: str = "") -> Commit:
    """Save a source that exists.

    :param base: version of the repository that was edited; ``ConflictError`` if the source changed since.
        None: whatever is there now.
    """
    found = snapshot(store)
    if source.name not in found.names:
        if base is not None and _perhaps(store, source.name, base) is not None:
            raise ConflictError(
                f"Somebody deleted the source {source.name} meanwhile. Add it anew, or restore it from its "
                "history.",
                paths=(path_of(source.name),),
                base=base,
                theirs=found.commit or "",
            )
        found.source(source.name)
    return _save(
        store,
        base or found.commit,
        {path_of(source.name): document.dump(source)},
        user=user,
        message=message or f"Change the source {source.name}",
    )


def restore(store: Store, name: str, commit: str, *, user: str, message: str = "") -> Commit:
    """Save an earlier version again, also of a source that was deleted."""
    source = get(store, name, commit=commit)
    found = snapshot(store)
    if name not in found.names:
        _check_free(found, name)
    return _save(
        store,
        found.commit,
        {path_of(name): document.dump(source)},
        user=user,
        message=message or f"Restore the source {name} as of {commit[:7]}",
        taken=name,
        apart_from=name,
    )


def rename(store: Store, old: str, new: str, *, user: str, users: Sequence[str] = ()) -> Commit:
    """Give a source another name, or raise ``InUseError``.

    :param users: who names the source, in words a person can look up.
    """
    found = snapshot(store)
    source = found.source(old)
    new = document.check_source_name(new)
    if new == old:
        raise InvalidError(f"The source is called {quote(old)} already. Choose another name.", field="name")
    _check_free(found, new, apart_from=old)
    _check_unused(f"The source {quote(old)} cannot be renamed", users)
    moved = {path_of(old): None, path_of(new): document.dump(replace(source, name=new))}
    message = f"Rename the source {old} to {new}"
    return _save(store, found.commit, moved, user=user, message=message, taken=new, apart_from=old)


def delete(
    store: Store,
    name: str,
    *,
    user: str,
    users: Sequence[str] = (),
    base: str | None = None,
    beside: Iterable[str] = (),
) -> Commit:
    """Delete a source, which its history brings back, or raise ``InUseError``.

    :param users: who names the source, in words a person can look up.
    :param beside: paths of files that go with it, in the same commit.
    """
    found = snapshot(store)
    if name not in found.names:
        found.source(name)
    _check_unused(f"The source {quote(name)} cannot be deleted", users)
    message = f"Delete the source {name}"
    gone: dict[str, bytes | None] = dict.fromkeys([path_of(name), *beside])
    return _save(store, base or found.commit, gone, user=user, message=message)


def _save(
    store: Store,
    base: str | None,
    changed: Mapping[str, bytes | None],
    *,
    user: str,
    message: str,
    taken: str = "",
    apart_from: str = "",
) -> Commit:
    """Commit changes.

    :param taken: a name that nobody else may have, in any case, at the moment of the commit.
    """

    def before(head: str | None) -> None:
        if taken and head != base and head is not None:
            _check_free(snapshot(store, commit=head), taken, apart_from=apart_from)

    for path, content in changed.items():
        if content is not None and len(content) > document.MOST_BYTES:
            raise InvalidError(
                f"{path} would have {len(content):,} bytes, more than the {document.MOST_BYTES:,} it may "
                "have. Say less of its columns."
            )
    return store.config.save(changed, author=user, message=message, base=base, before=before)


def _check_free(found: Snapshot, name: str, *, apart_from: str = "") -> None:
    taken: Iterable[str] = (each for each in found.names if each != apart_from)
    if other := next((each for each in taken if each.casefold() == name.casefold()), None):
        raise InvalidError(f"There is a source {quote(other)} already. Choose another name.", field="name")


def _check_unused(what: str, users: Sequence[str]) -> None:
    if users:
        raise InUseError(
            f"{what}, because these use it: {'; '.join(users[:5])}{'; ...' if users[5:] else ''}.",
            users=users,
        )


def found(snapshot: Snapshot, *, search: str = "", tag: str = "", kind: str = "") -> list[Source]:
    """Return the sources that a search finds, by name.

    :param search: words, all of which must be in name, description, tags or place, in any case.
    """
    words = search.casefold().split()
    return [
        source
        for name in snapshot.names
        if (source := snapshot.sources.get(name)) is not None
        and (not tag or tag in source.tags)
        and (not kind or kind == source.kind)
        and _has(source, words)
    ]


def _has(source: Source, words: Sequence[str]) -> bool:
    text = "\n".join((source.name, source.description, *source.tags, source.where)).casefold()
    return not any(word not in text for word in words)
