"""Uploads of models as they come: into the store at once, and from there on the way of ``background``."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from couture_workflow.exceptions import ConflictError, InvalidError, InvalidNameError
from couture_workflow.permissions import MODELS
from couture_workflow.services.files import kinds
from couture_workflow.services.files.kinds import FileKind, Outcome
from couture_workflow.services.models import document, labels, texts, work
from couture_workflow.services.models.archives import unpacked
from couture_workflow.services.models.document import KINDS, NO_LABEL, SERVED, Kind
from couture_workflow.services.models.work import Work
from couture_workflow.store.home import Store
from couture_workflow.store.manifests import StoredFile
from couture_workflow.store.names import quote

FILES = FileKind(
    noun="models", one="trained model", resource=MODELS, suffixes=(), task_fields=("models",), is_code=False
)


@dataclass(frozen=True)
class Received:
    """A complete upload.

    :param outcome: "unchanged" if the newest version had the same content already.
    """

    kind: Kind
    name: str
    file: StoredFile
    outcome: Outcome

    @property
    def version(self) -> int:
        """The number of the version that has the content."""
        return self.file.current


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What shall become of an upload.

    :param label: "" for the label that is next, "none" for none.
    :param folder: the folder of the archive that is the model.
    :param hold: take nothing before somebody has seen what is in the archive.
    """

    label: str = ""
    folder: str | None = None
    hold: bool = False
    note: str = ""
    metrics: Any = None
    run: Any = None


class Reception:
    """An upload under way; see ``files.kinds.Reception``."""

    def __init__(
        self,
        store: Store,
        kind: str,
        name: str,
        *,
        user: str,
        may_replace: bool,
        wishes: Wishes | None = None,
        announced: int | None = None,
    ) -> None:
        self._kind, self._name = document.check_kind(kind), document.check_name(name)
        self._store, self._user, self._wishes = store, user, _checked(wishes or Wishes())
        _check_free(store, self._kind, self._name)
        texts.get(store, self._kind, self._name)  # a damaged text takes no version, and says what to do
        self._reception = kinds.Reception(
            store,
            FILES,
            unpacked.key(self._kind, self._name),
            user=user,
            may_replace=may_replace,
            announced=announced,
        )

    def __enter__(self) -> Self:
        self._reception.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reception.__exit__(kind, error, trace)

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end."""
        self._reception.write(chunk)

    def finish(self) -> Received:
        """Keep it as the newest version of its name; the rest is done in the background."""
        wishes = self._wishes
        with unpacked.naming(self._store):
            _check_free(self._store, self._kind, self._name)
            done = self._reception.finish()
            received = Received(self._kind, self._name, done.file, done.outcome)
            if done.outcome == "unchanged":
                return received
            if self._kind == SERVED:
                self._begin(received.version)
        if wishes.note or wishes.metrics or wishes.run:
            self._say(received.version)
        if self._kind == SERVED:
            work.wake()
        elif wishes.label not in ("", NO_LABEL):
            labels.put(
                self._store,
                self._kind,
                self._name,
                label=wishes.label,
                version=received.version,
                user=self._user,
            )
        return received

    def _begin(self, version: int) -> None:
        wishes = self._wishes
        found = Work(
            name=self._name,
            version=version,
            user=self._user,
            label=wishes.label,
            folder=wishes.folder,
            hold=wishes.hold,
        )
        work.save(self._store, found)

    def _say(self, version: int) -> None:
        wishes = self._wishes
        said = {"note": wishes.note, "metrics": wishes.metrics or {}, "run": wishes.run or {}}
        texts.change(
            self._store,
            self._kind,
            self._name,
            lambda found: found.with_about(version, **said),
            user=self._user,
            message=f"Register version {version} of the model {self._name}",
        )


def _checked(wishes: Wishes) -> Wishes:
    if wishes.label:
        document.check_label(wishes.label)
    return Wishes(
        label=wishes.label,
        folder=wishes.folder,
        hold=wishes.hold,
        note=document.text(wishes.note, "note"),
        metrics=document.metrics(wishes.metrics or {}),
        run=document.run(wishes.run or {}),
    )


def _check_free(store: Store, kind: Kind, name: str) -> None:
    """Raise if another kind has a name: a reference such as name@3 means one content for ever."""
    for other in KINDS:
        key = unpacked.key(other, name).casefold()
        if other == kind:
            continue
        for manifests, what in ((store.models.manifests, "is"), (store.models.deleted_manifests, "was")):
            if any(found.casefold() == key for found in manifests.names()):
                raise InvalidNameError(
                    f"The model {quote(name)} is refused: there {what} one of that name of the kind "
                    f"{other}. Choose another name, or upload it there.",
                    field="name",
                )


def take(store: Store, name: str, version: int, *, folder: str | None) -> Work:
    """Go on with an upload that somebody has looked at.

    :param folder: the folder of the archive to take; None: the only one.
    """
    found = work.get(store, name, version)
    if found is None or found.state != work.CHOOSE:
        raise ConflictError(f"Version {version} of the model {name} does not wait for a choice.")
    there = [each["path"] for each in found.layout.get("folders", ())]
    chosen = folder.strip("/") if folder is not None else there[0] if len(there) == 1 else None
    if chosen not in there:
        shown = ", ".join(quote(each or "/") for each in there[:20])
        raise InvalidError(f"Choose one of the archive's models: {shown}.", field="folder")
    done = work.change(store, found, state=work.RECEIVED, message="", folder=chosen, hold=False, retry_at=0.0)
    work.wake()
    return done


def again(store: Store, kind: Kind, name: str, version: int, *, user: str) -> Work:
    """Try a version once more that was refused, or failed for want of something."""
    unpacked.stored(store, kind, name, version)
    if kind != SERVED:
        raise InvalidError(f"Models of the kind {kind} are kept for jobs and not checked.", field="kind")
    found, about = work.get(store, name, version), texts.get(store, kind, name).about(version)
    if found is not None and not found.waits and found.state not in (work.FAILED, work.CHOOSE):
        raise ConflictError(f"Version {version} of the model {name} is on its way already: {found.state}.")
    if found is None and about.passed:
        raise ConflictError(f"Version {version} of the model {name} has passed its check. Promote it.")
    if about.check:
        message = f"Check version {version} of the model {name} again"
        texts.change(
            store, kind, name, lambda each: each.with_about(version, check={}), user=user, message=message
        )
    fresh = found or Work(
        name=name,
        version=version,
        user=user,
        label=str(about.check.get("label", "")),
        folder=about.check.get("folder"),
    )
    done = work.change(store, fresh, state=work.RECEIVED, message="", waits=False, retry_at=0.0)
    work.wake()
    return done
