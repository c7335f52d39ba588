"""The thread of a server that works on uploads: it begins late, ends at once, rests where nothing is due."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.models import work
from couture_workflow.services.models.archives import unpacked
from couture_workflow.services.models.arrival import background
from couture_workflow.services.models.arrival.way import OnLabel
from couture_workflow.store.home import Store

log = logging.getLogger(__name__)

#: Seconds between two looks: where nothing is under way, where something is, and after an error.
_IDLE, _SOON, _LATER = 5.0, 3.0, 60.0
#: Seconds between two looks for what a kill or a restore has left, by all servers together; and at a start.
_LOOKED, _STARTED = 300.0, 15.0


class Worker:
    """The thread of a server that works on uploads.

    :param store: gives the store, None while there is no home.
    """

    def __init__(self, store: Callable[[], Store | None], *, on_label: OnLabel) -> None:
        self._store, self._on_label = store, on_label
        self._stop = threading.Event()
        self._seconds = _STARTED
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="couture-models", daemon=True)

    def start(self) -> None:
        """Begin, when the server has had its start."""
        self._thread.start()

    def stop(self) -> None:
        """Ask for the end; what is under way goes on after the next start."""
        self._stop.set()
        work.wake()

    def _goes_on(self) -> bool:
        return not self._stop.is_set()

    def _run(self) -> None:
        """Work until the end; after an error that nobody has thought of, which is in the log, work anew."""
        while self._goes_on():
            worker = threading.Thread(target=self._work, name="couture-models-work", daemon=True)
            worker.start()
            worker.join()
            self._stop.wait(_LATER)

    def _work(self) -> None:
        pause = _IDLE
        while self._goes_on():
            work.wait_for_more(pause)
            if self._goes_on():
                pause = self._look()

    def _look(self) -> float:
        """Do what is to be done, and return the seconds until the next look."""
        said, pause = "", _IDLE
        try:
            store = self._store()
            if store is None or not is_used(store):
                return _IDLE
            said = self._resume(store)
            if work.listed(store):
                background.run_due(store, on_label=self._on_label, keep_going=self._goes_on)
                pause = _SOON
        except (CoutureError, OSError) as error:
            said, pause = str(error), _LATER
        if said and said != self._said:
            log.warning("Uploads of models wait: %s", said)
        self._said = said
        return pause

    def _resume(self, store: Store) -> str:
        """Take up what is found, if no server has looked lately; return why that cannot be done."""
        stamp = unpacked.work_folder(store) / ".looked"
        seconds, self._seconds = self._seconds, _LOOKED
        with suppress(FileNotFoundError):
            if abs(time.time() - stamp.stat().st_mtime) < seconds:
                return ""
        try:
            background.resume(store)
        except CoutureError as error:
            return str(error)
        finally:
            stamp.touch()
        return ""


def is_used(store: Store) -> bool:
    """Tell whether a home has, or had, models; in others nothing is made for them."""
    return unpacked.root(store).exists() or bool(store.models.manifests.names())
