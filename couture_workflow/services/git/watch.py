"""Looking at the git remote again and again, and at once when somebody asks for it.

Who asks touches a file of the home, so that pages, saves and web hooks need not wait for the network, on
whatever host they are.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git import sync
from couture_workflow.services.git.remote import Remote, State
from couture_workflow.store import atomic
from couture_workflow.store.home import Store

#: Touched by whoever wants the remote looked at now.
WANTED = "git-remote.wanted"
#: Touched by the watcher, so that pages can tell whether there is one.
ALIVE = "git-remote.alive"

#: Seconds between two looks at those files.
TICK = 0.5
#: Seconds without a sign of life after which a watcher counts as gone.
SILENCE = 30.0
#: Most seconds between two looks after errors; each error doubles them.
LONGEST = 900.0


def ask(store: Store) -> None:
    """Ask for a look at the remote as soon as possible."""
    with atomic.storage_errors(store.root):
        (store.root / WANTED).touch()


def is_watched(store: Store) -> bool:
    """Tell whether a watcher runs."""
    return last_sign(store) > 0


def last_sign(store: Store) -> float:
    """Return when a watcher gave its last sign of life (seconds since the epoch); 0: none runs."""
    sign = _changed(store, ALIVE)
    return sign if time.time() - sign < SILENCE else 0


def watch(store: Store, stop: threading.Event, *, report: Callable[[str], None]) -> None:
    """Synchronise until told to stop.

    :param report: gets a line for each look with another outcome than the one before.
    """
    settings = _Settings(store)
    due, wanted, failures, said = 0.0, _changed(store, WANTED), 0, ""
    while not stop.is_set():
        with contextlib.suppress(OSError):
            (store.root / ALIVE).touch()
        remote = settings.read()
        asked = _changed(store, WANTED)
        if settings.is_new or asked != wanted:
            due, failures = 0.0, 0
        if remote.is_set and time.monotonic() >= due:
            wanted = asked
            found = _look(store)
            failures = failures + 1 if found.result == "error" else 0
            due = time.monotonic() + min(
                remote.interval * 2 ** min(failures, 10), max(LONGEST, remote.interval)
            )
            if (line := f"{found.result}: {found.message}") != said:
                report(line)
                said = line
        stop.wait(TICK)
    with contextlib.suppress(OSError):
        (store.root / ALIVE).unlink()


def _look(store: Store) -> State:
    try:
        return sync.synchronise(store)
    except CoutureError as error:  # the state could not be written: a full disk, say
        return State("error", str(error))


def _changed(store: Store, name: str) -> float:
    try:
        return (store.root / name).stat().st_mtime
    except OSError:
        return 0.0


class _Settings:
    """The settings, read again when the configuration repository has moved."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: tuple[float, ...] = ()
        self._remote = Remote()
        self.is_new = False

    def read(self) -> Remote:
        """Return the settings; ``is_new`` tells whether they differ from those before."""
        files = ("refs/heads/main", "packed-refs")
        seen = tuple(_changed(self._store, f"{self._store.config.path.name}/{name}") for name in files)
        self.is_new = False
        if seen != self._seen:
            with contextlib.suppress(CoutureError):
                remote = git_remote.load(self._store)
                self.is_new = remote != self._remote
                self._remote, self._seen = remote, seen
        return self._remote
