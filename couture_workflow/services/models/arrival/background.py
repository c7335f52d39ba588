"""Uploads in the background: taken up, also after a restart, and each taken on its way as far as it gets.

Whoever works holds a lock of the home, so that of several servers and tasks one does what is to be done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from couture_workflow.exceptions import (
    CoutureError,
    InUseError,
    ModelError,
    RuntimeMissingError,
)
from couture_workflow.services.models import configured, labels, server, serving, texts, work
from couture_workflow.services.models.archives import unpacked
from couture_workflow.services.models.arrival import way
from couture_workflow.services.models.arrival.way import OnLabel
from couture_workflow.services.models.document import SERVED, Document, Kind
from couture_workflow.services.models.work import Work
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from couture_workflow.store.manifests import FileVersion

log = logging.getLogger(__name__)

_PAUSE = 1.0
#: Versions that the model server loads at once for uploads.
MOST_LOADS = 16


def run_due(
    store: Store, *, on_label: OnLabel = lambda *_: None, keep_going: labels.Going = lambda: True
) -> bool:
    """Do what is due, and what comes meanwhile; False if somebody else is at it."""
    try:
        with _working(store):
            _Pass(store, on_label, keep_going).run()
    except _BusyError:
        return False
    return True


class _Pass:
    """Takes all that is due as far as it gets: unpacked and checked one after the other, loaded side by side.

    So a version that the model server never has available holds up no other model.
    """

    def __init__(self, store: Store, on_label: OnLabel, keep_going: labels.Going) -> None:
        self._store, self._on_label, self._keep_going = store, on_label, keep_going
        self._loads: dict[str, _Load] = {}

    def run(self) -> None:
        """Work until nothing is due and nothing is being loaded."""
        try:
            while self._round() or self._loads:
                self._collect()
        finally:
            for load in self._loads.values():
                load.join()

    def _round(self) -> bool:
        """Take up what is due; tell whether something of it has to wait for what is being loaded."""
        missing, held = _Missing(), False
        for each in work.listed(self._store):
            if not each.is_due or not self._keep_going() or missing.still(each):
                continue
            if each.name in self._loads or len(self._loads) >= MOST_LOADS:
                held = True
                continue
            on_its_way = way.Way(self._store, each, self._on_label, self._keep_going)
            if way.taken(on_its_way, on_its_way.go):
                self._loads[each.name] = _Load(on_its_way)
                self._loads[each.name].start()
        return held

    def _collect(self) -> None:
        """Wait a moment, and take out what has ended."""
        until = time.monotonic() + _PAUSE
        for name, load in list(self._loads.items()):
            load.join(max(0.01, (until - time.monotonic()) / len(self._loads)))
            if not load.is_alive():
                del self._loads[name]
                load.check()


class _Load(threading.Thread):
    """The last step of one upload, in which it waits for the model server."""

    def __init__(self, on_its_way: way.Way) -> None:
        super().__init__(name="couture-models-load", daemon=True)
        self._way = on_its_way
        self._ended = False

    def run(self) -> None:
        """Let the server load it."""
        way.taken(self._way, self._way.load)
        self._ended = True

    def check(self) -> None:
        """Raise if it broke off by an error that nobody has thought of, which is in the log."""
        if not self._ended:
            raise RuntimeError("An upload could not be loaded; the error is in the log.")


class _Missing:
    """What uploads wait for: looked for once in a pass, and nothing is written as long as it is missing."""

    def still(self, found: Work) -> bool:
        """Tell whether what an upload waits for is still not there."""
        if not found.waits:
            return False
        return self._runtime if found.state == work.CHECKING else self._server

    @cached_property
    def _runtime(self) -> bool:
        try:
            serving.python()
        except RuntimeMissingError:
            return True
        return False

    @cached_property
    def _server(self) -> bool:
        return not server.look().is_running


@contextmanager
def _working(store: Store) -> Iterator[None]:
    def busy() -> None:
        raise _BusyError("Somebody else works on uploads.")

    with atomic.locked(unpacked.work_folder(store) / ".work.lock", waiting=busy):
        yield


class _BusyError(InUseError):
    """Another process does what is due."""


def resume(store: Store) -> None:
    """Take up what a start or a restore finds: versions without a check, served ones that are not there."""
    try:
        with _working(store):
            unpacked.sweep(store)
            with unpacked.naming(store):
                served = _take_up(store)
            for said, version in served:
                _restore(store, said, version)
            configured.forget_tried(store)
            configured.write(store)
    except _BusyError:
        return


def _take_up(store: Store) -> list[tuple[Document, FileVersion]]:
    """Take up versions without a check, and return those that are served."""
    found = texts.snapshot(store)
    served = []
    for file in store.models.list():
        kind, _, name = file.name.partition(".")
        if kind != SERVED or (SERVED, name) in found.damaged:
            continue
        said = found.get(SERVED, name)
        for each in file.versions:
            if not said.about(each.number).check and work.get(store, name, each.number) is None:
                work.save(store, Work(name=name, version=each.number, user=each.uploaded_by))
            if said.is_served and said.labels_of(each.number):
                served.append((said, each))
    return served


def _restore(store: Store, said: Document, version: FileVersion) -> None:
    number = version.number
    if unpacked.is_there(store, said.name, number, sha256=version.sha256):
        return
    try:
        unpacked.look(store, said.name, number, folder=said.about(number).check.get("folder"))
    except CoutureError as error:
        log.error("Version %s of the model %s cannot be unpacked again: %s", number, said.name, error)


def wait(
    store: Store,
    kind: Kind,
    name: str,
    version: int,
    *,
    seconds: float,
    keep_going: labels.Going = lambda: True,
) -> None:
    """Wait until nothing is left to do for a version; the work is done here if nobody else is at it.

    Raises ``ModelError`` with the reason if it is refused or does not get that far in time.
    """
    until = time.monotonic() + seconds

    def is_awaited() -> bool:  # what others have sent is not waited for longer
        found = work.get(store, name, version)
        return found is not None and not _needs_somebody(found) and time.monotonic() < until and keep_going()

    while kind == SERVED and (found := work.get(store, name, version)) is not None:
        if _needs_somebody(found):
            raise ModelError(found.message)
        if time.monotonic() > until:
            raise ModelError(
                f"Version {version} of the model {name} did not get further than “{found.state}” within "
                f"{seconds:g} seconds. {found.message}".strip()
            )
        if not keep_going():
            raise ModelError(f"The wait for version {version} of the model {name} was ended.")
        is_done = found.is_due and run_due(store, keep_going=is_awaited)
        if found.waits or not is_done:
            time.sleep(0.5)
    about = texts.get(store, kind, name).about(version)
    if kind == SERVED and not about.passed:
        raise ModelError(f"Version {version} of the model {name} is refused: {about.check.get('error', '')}")


def _needs_somebody(found: Work) -> bool:
    return found.state == work.CHOOSE or (found.state == work.FAILED and found.retry_at is None)
