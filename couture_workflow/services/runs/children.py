"""What a task that runs another DAG remembers of its child, and what its next try does with that child.

The record is one small JSON document in Airflow's task state store, which outlives the tries of a task. The
task writes it before it starts the child; ``web.runs.children`` reads it to stop a child whose parent is
gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

#: Key of the record in the task state store.
RECORD_KEY = "couture_workflow.child_run"

#: What happens to the child when its parent is killed, and when its parent is cleared or tried again.
WHEN_KILLED = ("stop", "leave")
WHEN_CLEARED = ("clear", "new")
#: What a task does when the child's DAG is paused.
WHEN_PAUSED = ("auto", "unpause", "wait", "fail")

RUNNING = frozenset({"queued", "running"})
MOST_LEFT = 5

#: States of a task that was cleared, and of one that is over, while its child still runs.
CLEARED = frozenset({None, "", "restarting"})
GONE = CLEARED | {"failed", "success", "skipped", "upstream_failed", "removed"}


class Step(Enum):
    """What a try does about its child."""

    START = "start"  # a new run
    ADOPT = "adopt"  # wait for the run of an earlier try
    CLEAR = "clear"  # run the run of an earlier try again


@dataclass(frozen=True)
class ChildRun:
    """The child of one task instance. Moments are seconds since the epoch.

    :param digest: of the conf that it was started with.
    :param try_number: the try that started it, cleared it or adopted it.
    :param max_tries: what Airflow granted that try; a clear grants more.
    :param when_killed: of ``WHEN_KILLED``.
    :param stop_at: when the parent asked for the child's end, such as after a timeout; 0 if it did not.
    :param unpause: the parent asks to unpause the child's DAG.
    :param left: runs of earlier tries that went on and are no longer wanted, as (dag_id, run_id, moment).
    """

    dag_id: str
    run_id: str
    digest: str
    try_number: int
    max_tries: int
    when_killed: str = "stop"
    stop_at: float = 0.0
    unpause: bool = False
    left: tuple[tuple[str, str, float], ...] = ()

    def json(self) -> dict[str, Any]:
        """Return the record as it is stored."""
        return {**asdict(self), "left": [list(entry) for entry in self.left]}

    def unwanted_since(self, dag_id: str, run_id: str, *, parent_gone: float | None) -> float | None:
        """Return since when the parent does not want a run any more, None if it still does.

        A run that somebody started or cleared by hand after that moment is their own.

        :param parent_gone: when the parent was killed or cleared, None if it goes on.
        """
        moments = [at for *run, at in self.left if run == [dag_id, run_id]]
        if (dag_id, run_id) == (self.dag_id, self.run_id):
            if self.stop_at:
                moments.append(self.stop_at)
            if self.when_killed == "stop" and parent_gone is not None:
                moments.append(parent_gone)
        return max(moments, default=None)


def read(stored: Any) -> ChildRun | None:
    """Return the record of what the state store holds, None if it is nothing that this version wrote."""
    if not isinstance(stored, Mapping):
        return None
    try:
        left = tuple((str(dag_id), str(run_id), float(at)) for dag_id, run_id, at in stored.get("left", ()))
        return ChildRun(**{**stored, "left": left})
    except (TypeError, ValueError):
        return None


def digest(conf: Any) -> str:
    """Return a digest of a conf; the conf itself may hold what does not belong in another place."""
    return hashlib.sha256(json.dumps(conf or {}, sort_keys=True).encode()).hexdigest()[:16]


def next_step(known: ChildRun | None, state: str | None, wish: ChildRun, *, when_cleared: str) -> Step:
    """Decide what a try does.

    :param known: the child of an earlier try.
    :param state: state of that run, None if there is no such run.
    :param wish: the child as this try would start it.
    :param when_cleared: of ``WHEN_CLEARED``.
    """
    if known is None or state is None or known.dag_id != wish.dag_id:
        return Step.START
    if not known.stop_at and not was_cleared(known, wish) and (state in RUNNING or state == "success"):
        return Step.ADOPT
    # A run keeps its conf for ever, so another conf needs another run.
    return Step.CLEAR if when_cleared == "clear" and known.digest == wish.digest else Step.START


def was_cleared(known: ChildRun, wish: ChildRun) -> bool:
    """Tell whether somebody cleared the task since; a mere retry gets no more tries than there were."""
    return wish.max_tries != known.max_tries or wish.try_number > known.max_tries + 1


def after(step: Step, known: ChildRun | None, state: str | None, wish: ChildRun, *, now: float) -> ChildRun:
    """Return the record to write before a step is taken."""
    if known is None:
        return wish
    if step is not Step.START:
        return replace(wish, run_id=known.run_id, digest=known.digest, left=known.left)
    if state in RUNNING:
        return replace(wish, left=(*known.left, (known.dag_id, known.run_id, now))[-MOST_LEFT:])
    return replace(wish, left=known.left)
