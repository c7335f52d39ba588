"""Which versions get requests: labels moved, rolled back, stopped, as one commit and without a lost request.

A version is served beside the others first. Only when the server says that it is available does its label
move, and only then does the version that nobody names any more leave.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from couture_workflow.exceptions import (
    ConflictError,
    CoutureError,
    InvalidError,
    ModelError,
    ModelServerError,
    NotFoundError,
)
from couture_workflow.services.models import configured, document, server, texts, work
from couture_workflow.services.models.archives import unpacked
from couture_workflow.services.models.document import SERVED, STABLE, Document, Kind
from couture_workflow.store.home import Store
from couture_workflow.store.manifests import StoredFile

log = logging.getLogger(__name__)

#: Seconds that a version has to be loaded, that a server has to come back, and that labels have to follow.
SECONDS, _PATIENCE, _LABELS = 300.0, 10.0, 30.0
#: Seconds after which a failure that the server tells of is a new one: it looks every 2 seconds.
_NEWS = 15.0
_PAUSE = 0.2

Going = Callable[[], bool]


def put(
    store: Store,
    kind: Kind,
    name: str,
    *,
    label: str,
    version: int | None,
    user: str,
    seconds: float = SECONDS,
    keep_going: Going = lambda: True,
    unless_stopped: bool = False,
) -> Document:
    """Let a label name a version (None: none any more), and return what is said of the model then.

    :param unless_stopped: leave a model alone whose serving was stopped; else this serves it again.

    Raises ``NotFoundError``, ``InvalidError``, ``InUseError``, ``ModelError`` if the version does not answer,
    ``ModelServerError`` if the server does not.
    """
    document.check_label(label)
    if label == document.NO_LABEL:
        raise InvalidError("none is no label: it stands for having none. Choose another name.", field="label")
    file = unpacked.stored(store, kind, name, version)

    def changed(found: Document) -> Document:
        if version is None and label not in found.labels:
            raise NotFoundError(f"The model {name} has no label {label}. Nothing was changed.")
        if found.stopped and unless_stopped:
            return found
        return replace(document.moved(found, label, version), stopped=found.stopped and version is None)

    what = f"version {version} of the model {name} is {label}"
    message = what[0].upper() + what[1:] if version else f"The model {name} has no {label} version"
    return _change(store, kind, file, changed, user=user, message=message, going=(seconds, keep_going))


def promote(store: Store, kind: Kind, name: str, version: int, *, user: str, label: str = STABLE) -> Document:
    """Let the label ``stable`` name a version; see ``put``."""
    return put(store, kind, name, label=label, version=version, user=user)


def roll_back(
    store: Store, kind: Kind, name: str, *, user: str, label: str = STABLE, expected: int | None = None
) -> Document:
    """Let a label name the version that had it before; see ``put``.

    :param expected: the version that the label shall go back to; ``ConflictError`` if it would be another
        one. None: whichever had it before.
    """
    file = unpacked.stored(store, kind, name)
    document.check_label(label)
    target = _checked_before(texts.get(store, kind, name), label, expected)

    def changed(found: Document) -> Document:
        _checked_before(found, label, target)
        return replace(document.rolled_back(found, label, target), stopped=False)

    message = f"Roll the {label} version of the model {name} back to {target}"
    going = (SECONDS, lambda: True)
    return _change(store, kind, file, changed, user=user, message=message, going=going)


def _checked_before(found: Document, label: str, expected: int | None) -> int:
    """Return the version that a label goes back to, or raise if there is none, or not the expected one."""
    target = _before(found, label)
    if expected is not None and target != expected:
        now = found.labels.get(label)
        has_it = "no version" if now is None else f"version {now}"
        goes = (
            "there is none to go back to" if target is None else f"version {target} is what it goes back to"
        )
        raise ConflictError(
            f"The label {label} of the model {found.name} does not go back to version {expected}: {has_it} "
            f"has it now, and {goes}. Nothing was changed. Look at the model, then roll back."
        )
    if target is None:
        raise InvalidError(
            f"For the label {label} of the model {found.name} there is none to go back to: no version had it "
            "before the present one, or it was rolled back from there already. Promote another version.",
            field="label",
        )
    return target


def _before(found: Document, label: str) -> int | None:
    """Return the version that had a label before, None if none did, or none is kept."""
    now = found.labels.get(label)
    return next((each for each in reversed(found.earlier.get(label, ())) if each != now), None)


def stop(store: Store, kind: Kind, name: str, *, user: str) -> Document | None:
    """Serve nothing of a model any more; requests that are under way end in peace.

    Returns None if that was so already: nothing was changed then.
    """
    return _stopped(store, kind, name, stopped=True, user=user, message=f"Stop serving the model {name}")


def start(store: Store, kind: Kind, name: str, *, user: str) -> Document | None:
    """Serve what the labels name again; see ``put``. None if it is served already: nothing was changed."""
    return _stopped(store, kind, name, stopped=False, user=user, message=f"Serve the model {name} again")


def _stopped(
    store: Store, kind: Kind, name: str, *, stopped: bool, user: str, message: str
) -> Document | None:
    file = unpacked.stored(store, kind, name)
    before: Document | None = None
    if kind != SERVED:
        raise InvalidError(f"Models of the kind {kind} are kept for jobs and not served.", field="kind")

    def changed(found: Document) -> Document:
        nonlocal before
        before = found
        if not found.labels:
            raise InvalidError(f"No version of the model {name} has a label, so none is served. Promote one.")
        return replace(found, stopped=stopped)

    going = (SECONDS, lambda: True)
    done = _change(store, kind, file, changed, user=user, message=message, going=going)
    return None if done == before else done


def _change(
    store: Store,
    kind: Kind,
    file: StoredFile,
    changed: Callable[[Document], Document],
    *,
    user: str,
    message: str,
    going: tuple[float, Going],
) -> Document:
    name = file.name.partition(".")[2]
    if kind != SERVED:
        return texts.change(store, kind, name, changed, user=user, message=message)
    with unpacked.changing(store, name):
        before = texts.get(store, kind, name)
        new = changed(before)
        if new == before:
            return before
        was = set(before.labels.values()) if before.is_served else set()
        wanted = _moved(before, new) if new.is_served else set()
        for version in wanted:
            _check(store, file, new, version)
        try:
            if wanted:
                configured.set_tried(store, name, was | wanted)
                _wait(name, wanted, going)
            new = texts.change(store, kind, name, changed, user=user, message=message)
        except BaseException:
            _leave(store, name)
            raise
        _settle(store, new, was)
        return new


def _moved(before: Document, new: Document) -> set[int]:
    """Return the versions that get requests by a change which they do not get now."""
    return {
        version
        for label, version in new.labels.items()
        if not before.is_served or before.labels.get(label) != version
    }


def _check(store: Store, file: StoredFile, found: Document, version: int) -> None:
    """Raise if a version must not get requests; unpack it if it is not there any more."""
    about = found.about(version)
    stored = file.version(version)
    if not about.passed:
        why = about.check.get("error") or "it has not been checked yet. Wait for its check."
        raise ModelError(f"Version {version} of the model {found.name} cannot be served: {why}")
    if not unpacked.is_there(store, found.name, version, sha256=stored.sha256):
        unpacked.look(store, found.name, version, folder=about.check.get("folder"))


def _wait(name: str, versions: Collection[int], going: tuple[float, Going]) -> None:
    """Wait until the server answers for versions, or raise ``ModelError`` or ``ModelServerError``."""
    seconds, keep_going = going
    began = heard = time.monotonic()
    waiting, moved = set(versions), set[int]()
    while waiting:
        now = time.monotonic()
        version = min(waiting)
        status, heard = _asked(name, version, began=began, heard=heard, seconds=seconds)
        if status is not None and status.state == server.AVAILABLE:
            waiting.discard(version)
            continue
        if status is None or status.state != server.END:
            moved.add(version)
        elif status.error and (version in moved or now - began > _NEWS):
            raise ModelError(f"Version {version} of the model {name} is not served: {status.error}")
        if now - began > seconds:
            raise ModelError(
                f"Version {version} of the model {name} was not available within {seconds:g} seconds. Its "
                "label was not moved; the versions from before are served on. Look at the model server's log."
            )
        if not keep_going():
            raise ModelError(f"The wait for version {version} of the model {name} was ended.")
        time.sleep(_PAUSE)


def _asked(
    name: str, version: int, *, began: float, heard: float, seconds: float
) -> tuple[server.Status | None, float]:
    """Return how far the server is with a version, None if it does not say, and when it was there last."""
    now = time.monotonic()
    try:
        return server.status(name, version), now
    except server.SlowServerError:  # it is there, and has much to do
        if now - began > seconds:
            raise
        return None, now
    except ModelServerError:
        if now - heard > _PATIENCE:
            raise
        return None, heard


def _settle(store: Store, new: Document, was: set[int]) -> None:
    """Let the server follow: labels first, and when they have moved the old versions leave.

    The change has been made; what fails here is logged, and done by the next look at the configuration.
    """
    try:
        if new.is_served:
            configured.set_tried(store, new.name, was | set(new.labels.values()))
            _wait_for_labels(new)
        configured.set_tried(store, new.name, ())
        _tidy(store, new)
    except (CoutureError, OSError) as error:
        log.warning("The model server could not be told at once of %s: %s", new.name, error)


def _wait_for_labels(new: Document) -> None:
    until = time.monotonic() + _LABELS
    for label, version in new.labels.items():
        while server.label(new.name, label) != version and time.monotonic() < until:
            time.sleep(_PAUSE)


def _leave(store: Store, name: str) -> None:
    try:
        configured.set_tried(store, name, ())
    except (CoutureError, OSError) as error:
        log.warning("The configuration of the model server could not be put back: %s", error)


def _tidy(store: Store, new: Document) -> None:
    """Remove unpacked versions that no label has, or had last."""
    kept = {*new.labels.values(), *(each[-1] for each in new.earlier.values() if each)}
    folder = unpacked.root(store) / new.name
    there = (
        [int(each.name) for each in folder.glob("[0-9]*") if each.name.isdigit()] if folder.is_dir() else []
    )
    for version in there:
        is_old = version not in kept and version < max(kept, default=0)
        if is_old and work.get(store, new.name, version) is None:
            unpacked.remove(store, new.name, version)
