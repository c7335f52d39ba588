"""Unpacks an archive, and looks at what is in it, in a process of its own with limits on memory and time."""

from __future__ import annotations

import ctypes
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from couture_workflow import exceptions
from couture_workflow.exceptions import ArchiveError, CoutureError, StorageError
from couture_workflow.services.models.archives.archive import Found, Layout
from couture_workflow.store.archive_reader import Limits

#: Bytes of address space, and seconds.
_MEMORY, _SECONDS = 2**30, 1800
_PR_SET_PDEATHSIG = 1
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from couture_workflow.services.models.archives.unpacking import main; main()"
)
_KNOWN = ("ArchiveError", "TooLargeError", "StorageFullError", "StorageError", "HomeError", "CorruptError")


def models(path: Path, folder: Path, *, limits: Limits, shown: str) -> Layout:
    """Unpack an archive into an empty folder and return which models are in it; ArchiveError if none is.

    :param shown: what people read in the place of the folder where that cannot be written.
    """
    found = _run(path, folder, limits, models=True, shown=shown)
    return Layout(tuple(Found(**each) for each in found["folders"]), found["said"])


def run(path: Path, folder: Path, *, limits: Limits, shown: str) -> None:
    """Unpack an archive into an empty folder; raises what ``archive.unpack`` does.

    :param shown: see ``models``.
    """
    _run(path, folder, limits, models=False, shown=shown)


def place(folder: Path, name: str, version: int) -> str:
    """Return what people read of where a version is unpacked."""
    return f"{folder} (for version {version} of the model {name})"


def _run(path: Path, folder: Path, limits: Limits, *, models: bool, shown: str) -> dict[str, Any]:
    asked = json.dumps(
        {
            "path": str(path),
            "folder": str(folder),
            "members": limits.members,
            "size": limits.size,
            "ratio": limits.ratio,
            "models": models,
        }
    )
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-c", _BOOT, json.dumps(sys.path), asked],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise ArchiveError(
            f"The archive could not be unpacked within {_SECONDS // 60} minutes. Send a smaller one."
        ) from error
    return _answer(done, lambda said: said.replace(str(folder), shown))


def _answer(done: subprocess.CompletedProcess[bytes], told: Callable[[str], str]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        if done.returncode == -signal.SIGKILL:
            raise StorageError(
                "The process that unpacks the archive was killed, most likely because the machine has no "
                "memory left. Try again when it has more."
            ) from None
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][-300:]
        raise ArchiveError(
            f"The archive could not be unpacked: {last or f'code {done.returncode}'}"
        ) from None
    if "error" not in found:
        return found
    if found["error"] == "ArchiveError":
        raise ArchiveError(told(found["message"]), member=found["member"])
    raise getattr(exceptions, found["error"])(told(found["message"]))


def main() -> None:
    """Be the other process: ends with its parent."""
    from couture_workflow.services.models.archives import archive

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    asked = json.loads(sys.argv[2])
    limits = Limits(members=asked["members"], size=asked["size"], ratio=asked["ratio"])
    try:
        unpacked = archive.unpack(Path(asked["path"]), Path(asked["folder"]), limits=limits)
        layout = archive.layout(unpacked.members) if asked["models"] else Layout((), "")
    except MemoryError:
        _say({"error": "ArchiveError", "message": "The archive needs too much memory.", "member": ""})
    except CoutureError as error:
        kind = type(error).__name__
        _say(
            {
                "error": kind if kind in _KNOWN else "ArchiveError",
                "message": str(error),
                "member": str(getattr(error, "member", "")),
            }
        )
    else:
        _say({"folders": [asdict(each) for each in layout.folders], "said": layout.said})


def _say(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found))
