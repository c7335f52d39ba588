"""How far a run is: a small document in the output's folder, read by pages on any machine.

It is replaced twice a second at most while the run goes on, and gone when the record says everything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couture_workflow.services.eda import outputs

if TYPE_CHECKING:
    from couture_workflow.services.eda.outputs import Output
    from couture_workflow.store.home import Store

#: What a run does, in this order; the first is done for databases and clusters alone.
STAGES = ("connecting", "reading", "computing", "sampling", "rendering")
#: Seconds between two writes at least, and between two signs of life.
PACE, PULSE = 0.5, 30.0
#: Warnings that are kept, and characters of each text.
_MOST, _LONGEST = 20, 1_000


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is.

    :param share: of the stage, 0 to 1; None where nobody can tell.
    :param rows: that were read so far.
    :param words: what is being done.
    """

    stage: str = ""
    share: float | None = None
    rows: int | None = None
    words: str = ""
    warnings: tuple[str, ...] = ()
    updated_at: datetime

    def json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {**asdict(self), "warnings": list(self.warnings), "updated_at": self.updated_at.isoformat()}


def read(store: Store, output: Output) -> Progress | None:
    """Return how far a run is, None if nothing is known: its task has not begun, or has ended."""
    try:
        said = json.loads((_folder(store, output) / outputs.PROGRESS).read_bytes())
        return Progress(
            stage=str(said["stage"]),
            share=_share(said.get("share")),
            rows=_count(said.get("rows")),
            words=str(said["words"]),
            warnings=tuple(map(str, said["warnings"])),
            updated_at=datetime.fromisoformat(said["updated_at"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


@dataclass
class Teller:
    """Says how far a run is, as its child tells.

    :param folder: of the output.
    """

    folder: Path
    now: Progress = field(default_factory=lambda: Progress(updated_at=datetime.now(UTC)))
    _written: float = 0.0

    def hear(self, message: Mapping[str, Any]) -> bool:
        """Take a message of the child, and tell whether another stage has begun."""
        before = self.now.stage
        if warning := message.get("warning"):
            known = self.now.warnings
            if len(known) < _MOST:
                self.now = replace(self.now, warnings=(*known, str(warning)[:_LONGEST]))
        if stage := message.get("stage"):
            self.now = replace(
                self.now,
                stage=str(stage)[:_LONGEST],
                share=_share(message.get("share")),
                rows=_count(message.get("rows")),
                words=str(message.get("words") or "")[:_LONGEST],
            )
        self.tell(at_once=self.now.stage != before)
        return self.now.stage != before

    def tell(self, *, at_once: bool = False, pace: float = PACE) -> None:
        """Write it down, unless that was done a moment ago.

        :param pace: seconds.
        """
        if not at_once and time.monotonic() - self._written < pace:
            return
        self._written = time.monotonic()
        self.now = replace(self.now, updated_at=datetime.now(UTC))
        new = self.folder / ".progress.json"
        try:  # not synced: it is old in a second; and a full disk ends the run at another place
            new.write_text(json.dumps(self.now.json()), encoding="utf-8")
            new.replace(self.folder / outputs.PROGRESS)
        except OSError:
            return


def _folder(store: Store, output: Output) -> Path:
    return outputs.folder(store, output.source, output.number)


def _share(value: Any) -> float | None:
    return min(1.0, max(0.0, float(value))) if isinstance(value, (int, float)) else None


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None
