"""An upgrade of a source as its tests want it: done twice, its notes as text."""

from __future__ import annotations

from couture_workflow.services.upgrade.upgrading import Upgrade, upgrade


def again(source: str, path: str = "dag.py") -> Upgrade:
    """Upgrade a source, and see that a second pass changes nothing."""
    done = upgrade(source, path=path)
    second = upgrade(done.source, path=path)
    assert (second.source, second.changes) == (done.source, ())
    return done


def notes(done: Upgrade) -> str:
    """Return the notes, each on a line."""
    return "\n".join(f"{note.line}: {note.message} {note.advice}" for note in done.notes)
