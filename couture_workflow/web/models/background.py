"""The thread of this server that works on uploads of models."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from couture_workflow import settings
from couture_workflow.services.models.arrival.worker import Worker
from couture_workflow.store.home import Store
from couture_workflow.web.audit import audit
from couture_workflow.web.state import store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Account:
    name: str

    def get_name(self) -> str:
        return self.name


def background() -> Worker:
    """Return the thread, which is to be started."""
    return Worker(_store, on_label=_audit)


def _store() -> Store | None:
    return store() if settings.home().is_dir() else None  # a home is made by whoever needs one


def _audit(user: str, name: str, label: str, version: int) -> None:
    said = {"kind": "tensorflow", "name": name, "label": label, "version": version, "by": "upload"}
    try:
        audit("models.label", _Account(user), **said)
    except SQLAlchemyError:  # the label has moved; the thread goes on
        log.exception("There is no audit row of %s", said)
