"""How much memory there is and who uses it, as the kernel says it."""

from __future__ import annotations

import os
from pathlib import Path

#: Folder, file of the limit, file of what is used.
_CGROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
#: What counts as used, and is given back when somebody needs it: contents of files.
_CACHE = ("inactive_file", "active_file")
#: How much more memory than disk a model takes, as TensorFlow Serving reckons.
_FACTOR = 1.2


def resident(process: int | None = None) -> int:
    """Return the bytes that a process has in memory (default: this one); 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{process or 'self'}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def family(process: int) -> int:
    """Return the bytes that a process and the processes that it started have in memory."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        children = []
    return resident(process) + sum(resident(int(each)) for each in children)


def available() -> int | None:
    """Return the bytes that can still be had on this machine or in this container; None: nobody says."""
    found = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) << 10)
    except OSError:
        return None
    found += [free for each in _CGROUPS if (free := _free(*each)) is not None]
    return min(found, default=None)


def _free(folder: Path, limit: str, used: str) -> int | None:
    try:
        free = int((folder / limit).read_text()) - int((folder / used).read_text())
        told = dict(line.split(maxsplit=1) for line in (folder / "memory.stat").read_text().splitlines())
        # The older interface has the sum over the groups below under another name.
        cache = sum(int(told.get(f"total_{name}", told.get(name, 0))) for name in _CACHE)
    except (OSError, ValueError):
        return None
    return max(free + cache, 0)


def lacking(folder: Path, there: int | None) -> str:
    """Return what to say if a model needs more memory than there is, "" if it does not.

    :param there: bytes; None: nobody says.
    """
    needed = int(size(folder) * _FACTOR)
    if there is None or needed <= there:
        return ""
    return f"The model needs about {needed >> 20:,} MiB of memory, and {there >> 20:,} MiB are free."


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
