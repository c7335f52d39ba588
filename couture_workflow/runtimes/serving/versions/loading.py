"""How a folder becomes a loaded model: enough memory, a check, the engine, and one request to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import memory
from ..engines.engine import Engine
from ..status import NOT_FOUND, RESOURCE_EXHAUSTED, ServingError
from . import smoke

#: Files of a folder whose change is noticed.
_FILES = 10_000


@dataclass(frozen=True)
class Loaded:
    """A model that answers.

    :param seconds: that it took for the smallest request.
    """

    engine: Engine
    memory_bytes: int
    seconds: float


def load(folder: Path, *, check: Callable[[Path], None], opened: Callable[[Path], Engine]) -> Loaded:
    """Load the model in a folder.

    :param check: refuses a folder that shall not be loaded; runs in a process of its own.
    :param opened: loads a folder.
    :raises ServingError: it cannot be served.
    """
    if not folder.is_dir():
        raise ServingError(NOT_FOUND, f"Could not find the folder {folder}.")
    if said := memory.lacking(folder, memory.available()):
        raise ServingError(RESOURCE_EXHAUSTED, said)
    check(folder)
    before = memory.resident()
    engine = opened(folder)
    try:
        smoke.run(engine, folder)
        began = time.perf_counter()
        smoke.run(engine, folder)
        seconds = time.perf_counter() - began
    except BaseException:
        engine.close()
        raise
    return Loaded(engine, max(memory.resident() - before, 0), seconds)


def fingerprint(folder: Path) -> object:
    """Return what changes when a file in the folder does."""
    try:
        found = sorted(folder.rglob("*"))[:_FILES]
        return tuple((str(each), each.lstat().st_mtime_ns, each.lstat().st_size) for each in found)
    except OSError:
        return None
