"""Folders of records whose names begin with a time: what is in one, the newest first."""

from __future__ import annotations

import os
from pathlib import Path


def newest_first(folder: Path | str) -> list[str]:
    """Return the names in a folder, the last in order first; none of one that is not there.

    What begins with a dot is no record: it is being written.
    """
    try:
        with os.scandir(folder) as found:
            names = [each.name for each in found if not each.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(names, reverse=True)
