"""What is done about the model server, as pages and tasks tell it.

An embedded workbench that starts the server on demand tells it in a small file of this run, which its
processes know by a variable of the environment. Whoever else makes the server's runtime is noticed by that.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.services.models import waiting
from couture_workflow.services.runtimes import install

#: Environment variable, between our own programs only: where the file is.
VARIABLE = "_COUTURE_MODEL_SERVER"
#: States in which something goes on by itself.
_MOVING = (waiting.INSTALLING, waiting.STARTED)


@dataclass(frozen=True)
class Readiness:
    """How far the workbench is with its model server.

    :param state: one of those in ``waiting``.
    :param share: how much of it is done, between 0 and 1; None if that is not known.
    """

    state: str
    said: str
    share: float | None = None

    @property
    def is_moving(self) -> bool:
        """Tell whether nobody has to do anything."""
        return self.state in _MOVING

    @property
    def is_in_the_way(self) -> bool:
        """Tell whether what answers where the server should be is not meant."""
        return self.state == waiting.TAKEN

    @property
    def is_problem(self) -> bool:
        """Tell whether models are not served though they should be."""
        return self.state in (waiting.FAILED, waiting.TAKEN)

    @property
    def is_news(self) -> bool:
        """Tell whether it explains why something waits."""
        return self.state not in (waiting.IDLE, waiting.OTHER)


def installing(detail: str) -> str:
    """Return the sentence of an installation that is under way.

    :param detail: what it is at, "" if that is not known.
    """
    return f"The model server is being installed{f': {detail}' if detail else ''}."


def now() -> Readiness | None:
    """Return how far it is, None where nobody is at it."""
    file = os.environ.get(VARIABLE)
    own = read(Path(file)) if file else None
    if (own is None or own.state in (waiting.IDLE, waiting.FAILED)) and (made := install.serving_under_way()):
        return Readiness(waiting.INSTALLING, installing(made[0]), made[1])
    return own


def read(file: Path) -> Readiness | None:
    """Return what a file says, None if it is not there."""
    try:
        found = json.loads(file.read_bytes())
        share = found["share"]
        return Readiness(str(found["state"]), str(found["said"]), None if share is None else float(share))
    except (OSError, ValueError, TypeError, KeyError):
        return None
