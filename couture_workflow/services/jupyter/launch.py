"""The start of one person's Jupyter server: walls first, then JupyterLab in this process's place.

``python -m couture_workflow.services.jupyter.launch SPECIFICATION.json``, which has ``read``
and ``write`` (paths), ``needs_walls`` and ``command``. The reaper starts it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from couture_workflow.services.processes import walls

NO_WALLS = 71


def main(path: str) -> int:
    """Raise the walls and become the command."""
    given = json.loads(Path(path).read_text(encoding="utf-8"))
    if "files" not in walls.confine(read=given["read"], write=given["write"]) and given["needs_walls"]:
        return NO_WALLS
    os.execv(given["command"][0], given["command"])  # noqa: S606 - a shell would read the words


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
