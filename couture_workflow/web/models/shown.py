"""Trained models as JSON: what the REST API answers and the pages draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from couture_workflow.services.models import document, server, states
from couture_workflow.services.models.library import Model, Summary, Version
from couture_workflow.services.models.server import Look


def summaries(found: Sequence[Summary], look: Look) -> list[dict[str, Any]]:
    """Return models for a list."""
    return [
        {
            "kind": each.kind,
            "name": each.name,
            "description": each.description,
            "labels": dict(each.document.labels),
            "stopped": each.document.stopped,
            "versions": len(each.file.versions),
            "damaged": each.damaged,
            "newest": {
                **_state(each.state(look)),
                "version": each.newest.number,
                "size": each.newest.file.size,
                "uploaded_at": each.newest.file.uploaded_at.isoformat(),
                "uploaded_by": each.newest.file.uploaded_by,
            },
        }
        for each in found
    ]


def model(found: Model, look: Look, used_by: Sequence[str]) -> dict[str, Any]:
    """Return one model with all its versions, newest first."""
    return {
        "kind": found.kind,
        "name": found.name,
        "description": found.description,
        "labels": dict(found.document.labels),
        "earlier": {label: list(each) for label, each in found.document.earlier.items()},
        "stopped": found.document.stopped,
        "served_as": found.name if found.kind == document.SERVED else None,
        "commit": found.commit,
        "server": server.described(look),
        "used_by": list(used_by),
        "versions": [version(found, each, look) for each in found.versions],
    }


def version(found: Model, each: Version, look: Look) -> dict[str, Any]:
    """Return one version."""
    layout = dict(each.work.layout) if each.work and each.work.layout else None
    return {
        **_state(states.of(found.document, each.number, each.work, look)),
        "version": each.number,
        "reference": f"{found.name}@{each.number}",
        "size": each.file.size,
        "sha256": each.file.sha256,
        "uploaded_at": each.file.uploaded_at.isoformat(),
        "uploaded_by": each.file.uploaded_by,
        "labels": list(each.labels),
        "note": each.about.note,
        "metrics": dict(each.about.metrics),
        "run": dict(each.about.run) or None,
        "layout": layout or {"said": each.about.check.get("layout", ""), "folders": [], "chosen": None},
        "check": dict(each.about.check) or None,
        "served": _served(found, each.number, look),
    }


def _served(found: Model, number: int, look: Look) -> dict[str, Any] | None:
    said = states.served(found.document, number, look)
    return {name: value for name, value in said.items() if name != "signatures"} if said else None


def _state(state: states.State) -> dict[str, Any]:
    return {
        "state": state.name,
        "message": state.message,
        "waits": state.waits,
        "share": state.share,
    }


def look_for(found: Sequence[Summary] | Model) -> Look:
    """Return what the model server says, where something of it may be served; else it is not asked."""
    documents = [found.document] if isinstance(found, Model) else [each.document for each in found]
    return server.look() if any(each.kind == document.SERVED for each in documents) else Look()
