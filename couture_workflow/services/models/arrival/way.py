"""The way of one upload: extracted, checked, loaded, served; what stops it is written down."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from couture_workflow.exceptions import (
    ArchiveError,
    ConflictError,
    CoutureError,
    InUseError,
    ModelServerError,
    NotFoundError,
    RuntimeMissingError,
    StorageError,
    TooLargeError,
)
from couture_workflow.services.models import check, configured, document, labels, library, server, texts, work
from couture_workflow.services.models.archives import unpacked
from couture_workflow.services.models.document import NO_LABEL, SERVED, Document
from couture_workflow.services.models.work import Work
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote

log = logging.getLogger(__name__)

#: Seconds until what waits for something is looked at again, and what failed for want of something.
_SOON, _LATER = 3.0, 60.0
_PAUSE = 1.0
_WRONG = "The folder {} of the archive is no model. "

#: Called when a version got a label by itself: user, model, label, version.
OnLabel = Callable[[str, str, str, int], None]


def taken(on_its_way: Way, step: Callable[[], bool]) -> bool:
    """Take an upload a step on, and tell whether there is another; what comes of it is written down."""
    try:
        return step()
    except NotFoundError as error:
        on_its_way.lose(str(error))
    except (RuntimeMissingError, ModelServerError, InUseError) as error:
        on_its_way.wait(str(error))
    except (StorageError, ConflictError) as error:
        on_its_way.fail(str(error), after=_LATER)
    except (ArchiveError, TooLargeError) as error:
        on_its_way.refuse(str(error), member=getattr(error, "member", ""))
    except CoutureError as error:
        on_its_way.fail_for_good(str(error))
    return False


class Way:
    """The way of one upload."""

    def __init__(self, store: Store, found: Work, on_label: OnLabel, keep_going: labels.Going) -> None:
        self._store, self._work, self._on_label, self._keep_going = store, found, on_label, keep_going

    def go(self) -> bool:
        """Take all steps until the model server has to load it; tell whether it has to."""
        name, version = self._work.name, self._work.version
        stored = self._store.models.get(unpacked.key(SERVED, name)).version(version)
        about = texts.get(self._store, SERVED, name).about(version)
        if self._work.hold or not unpacked.is_there(self._store, name, version, sha256=stored.sha256):
            self._to(work.EXTRACTING)
            if not self._extract():
                return False
        if not about.passed:
            self._to(work.CHECKING)
            said = check.run(unpacked.folder_of(self._store, name, version))
            if not unpacked.is_there(self._store, name, version, sha256=stored.sha256):
                return False  # deleted meanwhile: if it has come back, the next look begins anew
            self._keep({**said, "layout": self._work.layout.get("said", "")})
            if not said["ok"]:
                self._end()
                return False
        found = texts.get(self._store, SERVED, name)
        if self._label(found) == NO_LABEL or found.stopped:
            configured.write(self._store)  # a label that it has already counts from now on
            self._end()
            return False
        return True

    def _label(self, found: Document) -> str:
        return self._work.label or document.next_label(found, self._work.version)

    def _extract(self) -> bool:
        found = self._work
        layout, taken = unpacked.look(
            self._store, found.name, found.version, folder=found.folder, hold=found.hold
        )
        path = taken.path if taken else found.folder
        self._work = work.change(self._store, self._work, layout=layout.json(path))
        if taken is None:
            wrong = found.folder is not None and path not in [each.path for each in layout.folders]
            self._to(work.CHOOSE, f"{_WRONG.format(quote(found.folder or '')) if wrong else ''}{layout.said}")
        return taken is not None

    def _folder(self) -> str | None:
        chosen = self._work.layout.get("chosen")
        return chosen if isinstance(chosen, str) else self._work.folder

    def load(self) -> bool:
        """Let the model server load it, and give it its label; no step is left then."""
        name, version = self._work.name, self._work.version
        label = self._label(texts.get(self._store, SERVED, name))
        if label == NO_LABEL:  # somebody promoted it in this instant
            self._end()
            return False
        self._to(work.LOADING, self._work.message if self._work.waits else "", waits=self._work.waits)
        looked = server.look()
        if not looked.is_running:
            raise ModelServerError(looked.error)
        self._to(work.LOADING)
        new = labels.put(
            self._store,
            SERVED,
            name,
            label=label,
            version=version,
            user=self._work.user,
            keep_going=self._keep_going,
            unless_stopped=True,
        )
        self._end()
        if new.labels.get(label) == version:
            self._on_label(self._work.user, name, label, version)
        return False

    def _to(self, state: str, message: str = "", *, waits: bool = False) -> None:
        if (self._work.state, self._work.message, self._work.waits) != (state, message, waits):
            self._work = work.change(self._store, self._work, state=state, message=message, waits=waits)

    def _keep(self, said: dict[str, Any]) -> None:
        name, version = self._work.name, self._work.version
        kept = document.kept_check({**said, "folder": self._folder(), "label": self._work.label})
        word = "it answers" if said["ok"] else "it cannot be served"
        texts.change(
            self._store,
            SERVED,
            name,
            lambda found: found.with_about(version, check=kept),
            user=self._work.user,
            message=f"Check version {version} of the model {name}: {word}",
        )
        if not said["ok"]:
            unpacked.remove(self._store, name, version)

    def lose(self, why: str) -> None:
        """Let it be if it was deleted while it was on its way; else it is tried again soon."""
        found = self._work
        if library.has(self._store, SERVED, found.name, found.version):
            self.fail(why, after=_SOON)
            return
        log.info("Version %s of the model %s was deleted while it was on its way", found.version, found.name)
        self._end()

    def _end(self) -> None:
        work.remove(self._store, self._work.name, self._work.version)

    def refuse(self, why: str, *, member: str) -> None:
        """Write down that the model itself is at fault."""
        try:
            self._keep({"ok": False, "error": why, "member": member})
        except CoutureError as error:
            self.fail(str(error), after=_LATER)
        else:
            self._end()

    def wait(self, why: str) -> None:
        """Write down what is missing; it is tried again soon."""
        self._stay(message=why, waits=True, retry_at=time.time() + _SOON)

    def fail(self, why: str, *, after: float | None) -> None:
        """Write down what went wrong.

        :param after: seconds until it is tried again; None: when somebody says so.
        """
        retry_at = None if after is None else time.time() + after
        self._stay(state=work.FAILED, message=why, waits=False, retry_at=retry_at)

    def fail_for_good(self, why: str) -> None:
        """Write down what went wrong; it is tried again when somebody says so.

        If the wait was ended, nothing is, and the next one who works goes on from there.
        """
        if self._keep_going():
            self.fail(why, after=None)

    def _stay(self, **changed: Any) -> None:
        try:
            self._work = work.change(self._store, self._work, **changed)
        except StorageError as error:  # it is due again at once, so a full disk is not asked in a circle
            log.warning(
                "What became of version %s of %s: %s; %s", self._work.version, self._work.name, changed, error
            )
            time.sleep(_PAUSE)
