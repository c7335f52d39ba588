"""The trained models of this home: lists of them, one with all its versions, descriptions, deleting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from couture_workflow.exceptions import CorruptError, InUseError, NotFoundError
from couture_workflow.services.models import configured, document, states, texts, work
from couture_workflow.services.models.archives import archive, unpacked
from couture_workflow.services.models.document import About, Document, Kind
from couture_workflow.services.models.server import Look
from couture_workflow.services.models.states import State
from couture_workflow.services.models.work import Work
from couture_workflow.store.files import Files
from couture_workflow.store.home import Store
from couture_workflow.store.manifests import FileVersion, StoredFile
from couture_workflow.store.names import quote


@dataclass(frozen=True)
class Version:
    """One version of a model."""

    file: FileVersion
    about: About
    labels: tuple[str, ...]
    work: Work | None = None

    @property
    def number(self) -> int:
        """Return what it is called by, as in name@3."""
        return self.file.number


@dataclass(frozen=True)
class Model:
    """A model with all its versions, newest first.

    :param commit: version of its text, None if nothing was said of it yet.
    """

    file: StoredFile
    document: Document
    versions: tuple[Version, ...]
    commit: str | None = None

    @property
    def kind(self) -> Kind:
        """Return its kind."""
        return self.document.kind

    @property
    def name(self) -> str:
        """Return what references name it by."""
        return self.document.name

    @property
    def description(self) -> str:
        """Return what people said of it."""
        return self.document.description

    def version(self, number: int) -> Version:
        """Return one version, or raise ``NotFoundError``."""
        with unpacked.named(self.kind, self.name):
            self.file.version(number)
        return next(each for each in self.versions if each.number == number)

    def state(self, number: int, look: Look) -> State:
        """Return how far a version is."""
        return states.of(self.document, number, self.version(number).work, look)


@dataclass(frozen=True)
class Summary:
    """A model in a list.

    :param damaged: why its text cannot be read, "" if it can.
    """

    kind: Kind
    name: str
    file: StoredFile
    document: Document
    newest: Version
    damaged: str = ""

    def state(self, look: Look) -> State:
        """Return how far its newest version is."""
        if self.damaged:
            return State("damaged")
        return states.of(self.document, self.newest.number, self.newest.work, look)

    @property
    def description(self) -> str:
        """Return what people said of it."""
        return self.document.description


@dataclass(frozen=True)
class Listing:
    """Some of the models that a search found.

    :param total: how many it found in all.
    """

    models: Sequence[Summary]
    total: int


@dataclass(frozen=True)
class Change:
    """One change of what is said of a model."""

    commit: str
    author: str
    when: datetime
    message: str


def listed(store: Store, kind: str = "", *, search: str = "", offset: int = 0, limit: int = 50) -> Listing:
    """Return a part of the models by name.

    :param kind: of this kind alone; "" for all.
    :param search: words that must all be in name or description, in any case.
    """
    wanted = document.check_kind(kind) if kind else None
    said = texts.snapshot(store)
    words = search.casefold().split()
    found: list[tuple[Kind, str, StoredFile]] = []
    for file in store.models.list():
        first, _, name = file.name.partition(".")
        its_kind = next((each for each in document.KINDS if each == first), None)
        if its_kind is None or (wanted and its_kind != wanted):
            continue
        text = f"{name}\n{said.get(its_kind, name).description}".casefold()
        if all(word in text for word in words):
            found.append((its_kind, name, file))
    found.sort(key=lambda each: (each[1].casefold(), each[1]))
    under_way = {(each.name, each.version): each for each in work.listed(store)}
    part = [
        _summary(its_kind, name, file, said, under_way)
        for its_kind, name, file in found[offset : offset + limit]
    ]
    return Listing(part, len(found))


def _summary(
    kind: Kind,
    name: str,
    file: StoredFile,
    said: texts.Snapshot,
    under_way: Mapping[tuple[str, int], Work],
) -> Summary:
    found = said.get(kind, name)
    newest = _version(found, file.current_version, _work(kind, name, file.current, under_way))
    return Summary(kind, name, file, found, newest, said.damaged.get((kind, name), ""))


def _work(kind: Kind, name: str, number: int, under_way: Mapping[tuple[str, int], Work]) -> Work | None:
    return under_way.get((name, number)) if kind == document.SERVED else None


def _version(found: Document, version: FileVersion, under_way: Work | None) -> Version:
    return Version(version, found.about(version.number), found.labels_of(version.number), under_way)


def get(store: Store, kind: str, name: str) -> Model:
    """Return a model, or raise ``NotFoundError`` or ``CorruptError``."""
    its_kind, name = document.check_kind(kind), document.check_name(name)
    file = unpacked.stored(store, its_kind, name)
    found = texts.get(store, its_kind, name)
    under_way = work.of_model(store, name) if its_kind == document.SERVED else {}
    versions = tuple(_version(found, each, under_way.get(each.number)) for each in reversed(file.versions))
    return Model(file, found, versions, texts.version(store, its_kind, name))


def key(kind: str, name: str) -> str:
    """Return the name of a model among the files."""
    return unpacked.key(kind, name)


def stored_version(store: Store, kind: Kind, name: str, number: int | None) -> FileVersion:
    """Return a version of a model as a file (None: the newest), or raise ``NotFoundError``."""
    return unpacked.stored(store, kind, name, number).version(number)


def kind_of(store: Store, name: str) -> Kind:
    """Return the kind of the model of a name, or raise ``NotFoundError``: a name belongs to one kind."""
    document.check_name(name)
    for kind in document.KINDS:
        if files(store).manifests.path(key(kind, name)).exists():
            return kind
    raise NotFoundError(
        f"There is no trained model {quote(name)}. Upload it under Developer > Trained Models, or "
        "name another."
    )


def chosen(store: Store, kind: Kind, name: str, version: int) -> str | None:
    """Return the folder of an archive that is the model, None if nobody has looked into it yet."""
    found = texts.get(store, kind, name).about(version).check.get("folder")
    return found if isinstance(found, str) else None


def files(store: Store) -> Files:
    """Return the files that the versions are."""
    return store.models


def has(store: Store, kind: Kind, name: str, version: int) -> bool:
    """Tell whether there is a version, of a model that is not deleted."""
    try:
        files(store).get(unpacked.key(kind, name)).version(version)
    except NotFoundError:
        return False
    return True


def suffix(path: Path) -> str:
    """Return what the name of an upload should end in, by how it begins; "" if that does not tell."""
    with path.open("rb") as file:
        return archive.suffix(file.read(512))


def describe(
    store: Store,
    kind: Kind,
    name: str,
    *,
    user: str,
    description: str | None = None,
    notes: Mapping[int, str] | None = None,
    base: str | None = None,
) -> Document:
    """Change what is said of a model and of its versions.

    :param base: the commit that was looked at, "" if nothing had been said yet; ``ConflictError`` if somebody
        changed the text since.
    """
    file = unpacked.stored(store, kind, name)
    known = {each.number for each in file.versions}
    with unpacked.named(kind, name):
        for number in (notes or {}).keys() - known:
            file.version(number)
    said = None if description is None else document.text(description, "description")
    noted = {number: document.text(each, "note") for number, each in (notes or {}).items()}

    def changed(found: Document) -> Document:
        about = {number: replace(found.about(number), note=note) for number, note in noted.items()}
        description = found.description if said is None else said
        return replace(found, versions={**found.versions, **about}, description=description)

    return texts.change(
        store, kind, name, changed, user=user, message=f"Describe the model {name}", base=base
    )


def delete(
    store: Store, kind: str, name: str, *, user: str, users: Sequence[str] = (), force: bool = False
) -> Model:
    """Delete a model with all its versions; it can be brought back.

    :param users: who uses it, in words; with any, or while it is served, it is refused.
    :param force: delete it all the same; what is served ends the requests it has first.
    """
    found = get(store, kind, name)
    in_use = [*_serving(found), *users]
    if in_use and not force:
        more = f" and {len(in_use) - 5} more" if len(in_use) > 5 else ""
        raise InUseError(
            f"The model {quote(name)} is in use: {'; '.join(in_use[:5])}{more}. Stop serving it and take it "
            "out there first, or confirm that you want to delete it all the same.",
            users=in_use,
        )
    if found.kind != document.SERVED:
        _forget(store, found, user=user)
        return found
    with unpacked.changing(store, name):
        _forget(store, found, user=user)
        for each in work.of_model(store, name):
            work.remove(store, name, each)
        configured.set_tried(store, name, ())
        unpacked.remove_all(store, name)
    return found


def _serving(found: Model) -> list[str]:
    if not found.document.is_served:
        return []
    return [
        f"the model server, which serves version {version} as {label}"
        for label, version in sorted(found.document.labels.items())
    ]


def _forget(store: Store, found: Model, *, user: str) -> None:
    """Take a model off the list; what was said of its versions stays for the day that it comes back."""
    name = found.name
    files(store).delete(found.file.name)
    if found.commit is not None:
        texts.change(
            store,
            found.kind,
            name,
            lambda each: replace(each, labels={}, earlier={}, stopped=False),
            user=user,
            message=f"Delete the model {name}",
        )


def undelete(store: Store, kind: str, name: str) -> Model:
    """Bring a deleted model back with all its versions, without labels; what was not checked yet, is."""
    its_kind, name = document.check_kind(kind), document.check_name(name)
    with unpacked.named(its_kind, name):
        files(store).undelete(unpacked.key(its_kind, name))
    found = get(store, its_kind, name)
    for each in found.versions if its_kind == document.SERVED else ():
        if not each.about.check:
            user = each.file.uploaded_by
            work.save(store, Work(name=name, version=each.number, user=user, label=document.NO_LABEL))
            work.wake()
    return found


def repair(store: Store, kind: str, name: str, *, user: str) -> Document:
    """Bring back the last version that can be read of what is said of a model; what it names is served.

    :raises InvalidError: it is not damaged.
    """
    its_kind, name = document.check_kind(kind), document.check_name(name)
    unpacked.stored(store, its_kind, name)
    if its_kind != document.SERVED:
        return texts.repair(store, its_kind, name, user=user)
    with unpacked.changing(store, name):
        found = texts.repair(store, its_kind, name, user=user)
        configured.write(store)
    for each in work.of_model(store, name).values():
        if each.state == work.FAILED and each.retry_at is not None:
            work.change(store, each, retry_at=0.0)  # what it failed for is there again
    return found


def history(store: Store, kind: str, name: str, *, limit: int = 50, skip: int = 0) -> list[Change]:
    """Return who changed what of a model when, newest first."""
    its_kind, name = document.check_kind(kind), document.check_name(name)
    return [
        Change(each.id, each.author, each.when, each.message)
        for each in texts.history(store, its_kind, name, limit=limit, skip=skip)
    ]


def is_damaged(store: Store, kind: str, name: str) -> str:
    """Return why what is said of a model cannot be read, "" if it can."""
    its_kind, name = document.check_kind(kind), document.check_name(name)
    unpacked.stored(store, its_kind, name)
    try:
        texts.get(store, its_kind, name)
    except CorruptError as error:
        return str(error)
    return ""
