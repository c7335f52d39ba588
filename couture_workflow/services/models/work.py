"""Uploads on their way to the model server: one small file each, so that a restart goes on where it was."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from couture_workflow.services.models.archives import unpacked
from couture_workflow.store import atomic
from couture_workflow.store.home import Store

RECEIVED, EXTRACTING, CHECKING, LOADING = "received", "extracting", "checking", "loading"
CHOOSE, FAILED = "choose", "failed"
#: States that end only when somebody acts.
_STILL = (CHOOSE,)

_awake = threading.Event()


@dataclass(frozen=True, kw_only=True)
class Work:
    """One version that is on its way.

    :param label: the label that it gets when it answers; "" for the one that is next, "none" for none.
    :param folder: the folder of the archive that is the model; None: the only one.
    :param hold: whether somebody wants to see what is in the archive before it is taken.
    :param waits: it waits for something that is not the model's fault; ``message`` says for what.
    :param retry_at: seconds since the epoch from which on it is tried again; None: when somebody says so.
    """

    name: str
    version: int
    user: str
    label: str = ""
    folder: str | None = None
    hold: bool = False
    state: str = RECEIVED
    message: str = ""
    waits: bool = False
    layout: Mapping[str, Any] = field(default_factory=dict)
    retry_at: float | None = 0.0

    @property
    def is_due(self) -> bool:
        """Tell whether there is something to do now."""
        return self.state not in _STILL and self.retry_at is not None and self.retry_at <= time.time()


def save(store: Store, work: Work) -> Work:
    """Write it down and return it."""
    path = _path(store, work.name, work.version)
    atomic.write(path, json.dumps(asdict(work)).encode(), mode=0o600)
    return work


def change(store: Store, work: Work, **changed: Any) -> Work:
    """Write down what changed, and return it."""
    return save(store, replace(work, **changed))


def get(store: Store, name: str, version: int) -> Work | None:
    """Return what is under way of a version, None if nothing is."""
    return _load(_path(store, name, version))


def remove(store: Store, name: str, version: int) -> None:
    """Forget it: it has ended."""
    _path(store, name, version).unlink(missing_ok=True)


def listed(store: Store) -> list[Work]:
    """Return all that is under way, the first received first."""
    found: list[tuple[float, Work]] = []
    folder = unpacked.root(store) / ".work"
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.endswith(".json") or entry.name.startswith("."):
                continue
            with suppress(FileNotFoundError):
                if work := _load(Path(entry.path)):
                    found.append((entry.stat().st_mtime, work))
    return [work for _, work in sorted(found, key=lambda each: (each[0], each[1].version))]


def of_model(store: Store, name: str) -> dict[int, Work]:
    """Return what is under way of a model, by version."""
    return {each.version: each for each in listed(store) if each.name == name}


def _path(store: Store, name: str, version: int) -> Path:
    return unpacked.work_folder(store) / f"{name}-{version}.json"


def _load(path: Path) -> Work | None:
    try:
        return Work(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        path.unlink(missing_ok=True)  # its version is found without a check, and so taken up anew
        return None


def wake() -> None:
    """Let the background of this process look for work at once."""
    _awake.set()


def wait_for_more(seconds: float) -> None:
    """Wait until there may be work, at most so many seconds."""
    _awake.wait(seconds)
    _awake.clear()
