"""How far each version is: from what is under way, its check, its labels and what the server says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from couture_workflow.services.models import readiness, server
from couture_workflow.services.models.document import SERVED, Document
from couture_workflow.services.models.server import Look
from couture_workflow.services.models.work import Work

Name = Literal[
    "received",
    "extracting",
    "choose",
    "checking",
    "loading",
    "serving",
    "ready",
    "stopped",
    "kept",
    "refused",
    "failed",
    "damaged",
]


@dataclass(frozen=True)
class State:
    """How far one version is.

    :param message: why, or what goes on; "" if there is nothing to say.
    :param waits: it waits for something that somebody has to do.
    :param share: how much of what goes on is done, between 0 and 1; None if that is not known.
    """

    name: Name
    message: str = ""
    waits: bool = False
    share: float | None = None


def of(found: Document, version: int, work: Work | None, look: Look) -> State:
    """Return how far a version is.

    :param work: what is under way of it.
    :param look: what the server said.
    """
    if found.kind != SERVED:
        return State("kept")
    if work is not None:
        return _on_its_way(work)
    about = found.about(version)
    if not about.check:
        return State("received", "It will be taken up in a moment.")
    if not about.passed:
        return State("refused", str(about.check.get("error", "")))
    if not found.labels_of(version):
        return State("ready")
    return State("stopped") if found.stopped else _served(found, version, look)


def _on_its_way(work: Work) -> State:
    """Return how far it is; what it waits for may itself be on its way."""
    own = readiness.now() if work.waits else None
    if own is None or not own.is_news:
        return State(work.state, work.message, work.waits)  # type: ignore[arg-type]
    return State(work.state, own.said, not own.is_moving, own.share)  # type: ignore[arg-type]


def _served(found: Document, version: int, look: Look) -> State:
    if not look.is_running:
        return State("loading", look.error, waits=True)
    if not look.monitored:
        return State("serving")
    said = look.models.get(found.name, {}).get(version)
    if said is None:
        return State("loading", "The model server has not heard of it yet.")
    if said.get("state") == server.AVAILABLE:
        return State("serving")
    if said.get("state") == server.END:
        return State("failed", str(said.get("error") or "The model server has unloaded it."))
    return State("loading")


def served(found: Document, version: int, look: Look) -> Mapping[str, Any] | None:
    """Return what the server says of a version: requests, latencies, memory; None if it says nothing."""
    return look.models.get(found.name, {}).get(version) if found.kind == SERVED else None
