"""Changes of trained models, each with its audit row."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.utils.session import create_session

from couture_workflow.exceptions import InUseError
from couture_workflow.services.models import document, labels, library, uses, work
from couture_workflow.services.models.arrival import uploads
from couture_workflow.services.models.arrival.uploads import Received
from couture_workflow.services.models.document import Document
from couture_workflow.web.audit import audit
from couture_workflow.web.state import store

#: Changes that may wait at once, in one process, until versions are loaded: each has one of its threads.
MOST_AT_ONCE = 8
_slots = threading.BoundedSemaphore(MOST_AT_ONCE)


@contextmanager
def slot() -> Iterator[None]:
    """Let a change wait for the model server, but never so many that nobody else is answered."""
    if not _slots.acquire(blocking=False):
        raise InUseError(
            f"{MOST_AT_ONCE} models are being loaded or changed already, which is the most at once. Try "
            "again when one of them has ended."
        )
    try:
        yield
    finally:
        _slots.release()


def users_of(name: str, user: Any) -> list[str]:
    """Return the tasks that name a model, in words; DAGs that the account may not read are not named."""
    with create_session(scoped=False) as session:
        found = uses.of_model(name, session=session)
        named = any(use.dag_id for use in found)
        dags = get_auth_manager().get_authorized_dag_ids(user=user, session=session) if named else set()
    return uses.described(found, dags=dags)


def received(done: Received, user: Any) -> None:
    """Write the audit row of an upload."""
    if done.outcome == "unchanged":
        return
    version = done.file.current_version
    audit(
        "models.upload",
        user,
        kind=done.kind,
        name=done.name,
        version=version.number,
        sha256=version.sha256,
        size=version.size,
        outcome=done.outcome,
    )


def put_label(kind: str, name: str, user: Any, *, label: str, version: int | None) -> Document:
    """Let a label name a version, None: none any more."""
    with slot():
        found = labels.put(
            store(), document.check_kind(kind), name, label=label, version=version, user=user.get_name()
        )
    audit("models.label", user, kind=kind, name=name, label=label, version=version)
    return found


def promote(kind: str, name: str, user: Any, *, version: int, label: str) -> Document:
    """Let a version get the requests of a label."""
    with slot():
        found = labels.promote(
            store(), document.check_kind(kind), name, version, user=user.get_name(), label=label
        )
    audit("models.promote", user, kind=kind, name=name, label=label, version=version)
    return found


def roll_back(kind: str, name: str, user: Any, *, label: str, expected: int | None = None) -> Document:
    """Let a label name the version that had it before, which is the expected one if one is expected."""
    with slot():
        found = labels.roll_back(
            store(), document.check_kind(kind), name, user=user.get_name(), label=label, expected=expected
        )
    audit("models.roll_back", user, kind=kind, name=name, label=label, version=found.labels.get(label))
    return found


def stop(kind: str, name: str, user: Any) -> Document:
    """Serve nothing of a model any more."""
    with slot():
        found = labels.stop(store(), document.check_kind(kind), name, user=user.get_name())
    if found is None:
        return library.get(store(), kind, name).document
    audit("models.stop", user, kind=kind, name=name, labels=dict(found.labels))
    return found


def start(kind: str, name: str, user: Any) -> Document:
    """Serve again what the labels name."""
    with slot():
        found = labels.start(store(), document.check_kind(kind), name, user=user.get_name())
    if found is None:
        return library.get(store(), kind, name).document
    audit("models.start", user, kind=kind, name=name, labels=dict(found.labels))
    return found


def describe(
    kind: str,
    name: str,
    user: Any,
    *,
    description: str | None,
    notes: Mapping[int, str],
    base: str | None,
) -> Document:
    """Change what is said of a model and of its versions."""
    found = library.describe(
        store(),
        document.check_kind(kind),
        name,
        user=user.get_name(),
        description=description,
        notes=notes,
        base=base,
    )
    audit("models.describe", user, kind=kind, name=name, versions=sorted(notes))
    return found


def take(kind: str, name: str, version: int, user: Any, *, folder: str | None) -> None:
    """Go on with an upload that waits for a choice."""
    library.get(store(), kind, name).version(version)
    uploads.take(store(), name, version, folder=folder)
    audit("models.take", user, kind=kind, name=name, version=version, folder=folder)


def again(kind: str, name: str, version: int, user: Any) -> None:
    """Try a version once more."""
    uploads.again(store(), document.check_kind(kind), name, version, user=user.get_name())
    audit("models.again", user, kind=kind, name=name, version=version)


def delete(kind: str, name: str, user: Any, *, force: bool) -> None:
    """Delete a model with all its versions."""
    users = users_of(document.check_name(name), user)
    found = library.delete(store(), kind, name, user=user.get_name(), users=users, force=force)
    audit("models.delete", user, kind=kind, name=name, versions=len(found.versions), used_by=users)


def undelete(kind: str, name: str, user: Any) -> None:
    """Bring a deleted model back."""
    library.undelete(store(), kind, name)
    work.wake()
    audit("models.undelete", user, kind=kind, name=name)


def repair(kind: str, name: str, user: Any) -> Document:
    """Bring back what was said of a model whose text is damaged."""
    found = library.repair(store(), kind, name, user=user.get_name())
    work.wake()
    audit("models.repair", user, kind=kind, name=name, labels=dict(found.labels))
    return found


__all__ = [
    "MOST_AT_ONCE",
    "again",
    "delete",
    "describe",
    "promote",
    "put_label",
    "received",
    "repair",
    "roll_back",
    "slot",
    "start",
    "stop",
    "take",
    "undelete",
    "users_of",
]
