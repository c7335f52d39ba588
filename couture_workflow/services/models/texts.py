"""The texts of models with their history: each change is a commit of one file in ``config.git``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from couture_workflow.exceptions import ConflictError, CorruptError, InvalidError, NotFoundError
from couture_workflow.services.models import document
from couture_workflow.services.models.document import Document, Kind, path_of, place_of
from couture_workflow.store import trees
from couture_workflow.store.home import Store
from couture_workflow.store.latest import Latest
from couture_workflow.store.repository import Commit

_TRIES = 20
#: Changes of a damaged text that are looked at for one that can be read.
_MOST_BACK = 200
Place = tuple[Kind, str]


@dataclass(frozen=True)
class Snapshot:
    """All texts at one version of the configuration repository.

    :param damaged: (kind, name) -> why it cannot be read.
    """

    commit: str | None
    documents: Mapping[Place, Document]
    damaged: Mapping[Place, str] = field(default_factory=dict)

    def get(self, kind: Kind, name: str) -> Document:
        """Return the text of a model; of one without a text, that it has none."""
        return self.documents.get((kind, name)) or Document(kind=kind, name=name)


#: (kind, name, blob) -> the text, or why it is damaged.
_read: Latest[tuple[Kind, str, str], Document | str] = Latest(lambda key, _: 20_000 + len(key[1]))


def snapshot(store: Store) -> Snapshot:
    """Return all texts: two git processes, however many there are."""
    head = store.config.head()
    blobs = [
        (*place, entry.blob)
        for entry in (trees.entries(store.config.git, head, sizes=False) if head else ())
        if entry.mode == trees.FILE and (place := place_of(entry.path))
    ]

    def missing(
        keys: list[tuple[Kind, str, str]],
    ) -> Iterator[tuple[tuple[Kind, str, str], Document | str]]:
        contents = dict(trees.contents(store.config.git, [blob for _, _, blob in keys]))
        for key in keys:
            yield key, _document_or_problem(key[0], key[1], contents[key[2]])

    found = _read.of(blobs, missing)
    return Snapshot(
        head,
        {key[:2]: each for key, each in found.items() if isinstance(each, Document)},
        {key[:2]: each for key, each in found.items() if isinstance(each, str)},
    )


def _document_or_problem(kind: Kind, name: str, content: bytes) -> Document | str:
    try:
        return document.parse(kind, name, content)
    except CorruptError as error:
        return str(error)


def get(store: Store, kind: Kind, name: str) -> Document:
    """Return the text of a model, or raise ``CorruptError``; of one without a text, that it has none."""
    return _at(store, kind, name, store.config.head())


def _at(store: Store, kind: Kind, name: str, commit: str | None) -> Document:
    try:
        content = store.config.read(path_of(kind, name), commit=commit) if commit else None
    except NotFoundError:
        content = None
    return Document(kind=kind, name=name) if content is None else document.parse(kind, name, content)


def version(store: Store, kind: Kind, name: str) -> str | None:
    """Return the commit that changed a text last, None if there is none."""
    found = store.config.history(path_of(kind, name), limit=1)
    return found[0].id if found else None


def history(store: Store, kind: Kind, name: str, *, limit: int = 50, skip: int = 0) -> Sequence[Commit]:
    """Return who changed a text when and how, newest first."""
    return store.config.history(path_of(kind, name), limit=limit, skip=skip)


def repair(store: Store, kind: Kind, name: str, *, user: str) -> Document:
    """Bring back the last version of a damaged text that can be read and return it, an empty one without.

    :raises InvalidError: it is not damaged.
    """
    path, head = path_of(kind, name), store.config.head()
    with suppress(CorruptError):
        _at(store, kind, name, head)
        raise InvalidError(f"What is said of the model {name} is not damaged. Reload the page.")
    found = Document(kind=kind, name=name)
    for commit in store.config.history(path, limit=_MOST_BACK):
        with suppress(CorruptError):
            found = _at(store, kind, name, commit.id)
            break
    message = f"Bring back what was said of the model {name}"
    store.config.save({path: document.dump(found)}, author=user, message=message, base=head)
    return found


def change(
    store: Store,
    kind: Kind,
    name: str,
    changed: Callable[[Document], Document],
    *,
    user: str,
    message: str,
    base: str | None = None,
) -> Document:
    """Save what a function makes of a text, and return it.

    :param base: the commit that a person looked at, "" if nothing had been said yet; ``ConflictError`` if the
        text was changed since. None: whatever is there now is changed.
    """
    path = path_of(kind, name)
    for left in reversed(range(_TRIES)):
        head = store.config.head()
        if base == "" and version(store, kind, name) is not None:
            raise ConflictError(
                f"Somebody described the model {name} meanwhile. Load it again, then save.",
                paths=(path,),
                theirs=head or "",
            )
        found = _at(store, kind, name, head)
        new = changed(found)
        if new == found:
            return new
        try:
            store.config.save({path: document.dump(new)}, author=user, message=message, base=base or head)
        except ConflictError:
            if base is not None or not left:
                raise
        else:
            return new
    raise AssertionError("unreachable")
