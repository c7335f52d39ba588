"""The start of one person's Jupyter server: walls first, then JupyterLab in this process's place.

``python -m couture_workflow.services.jupyter.launch SPECIFICATION.json``, which has ``read``
and ``write`` (paths), ``hidden`` (folders), ``over`` (file -> what is seen in its place), ``user`` and
``groups`` (numbers; null: this process's own), ``needs_walls`` and ``command``. The reaper starts it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from couture_workflow.services.processes import walls

NO_WALLS = 71
#: File beside the specification that says that sockets and terminals of others are in sight.
NO_ROOM = "no-room"


def main(path: str) -> int:
    """Raise the walls and become the command."""
    given = json.loads(Path(path).read_text(encoding="utf-8"))
    kept = [*given["read"], *given["write"]]
    if not walls.enter_room(hidden=given["hidden"], kept=kept, over=given["over"]):
        Path(path).with_name(NO_ROOM).touch()
    if (user := given["user"]) is not None:
        os.setgroups(given["groups"])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if "files" not in walls.confine(read=given["read"], write=given["write"]) and given["needs_walls"]:
        return NO_WALLS
    os.execv(given["command"][0], given["command"])  # noqa: S606 - a shell would read the words


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
