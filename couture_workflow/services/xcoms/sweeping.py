"""Which files of the storage nobody needs any more.

A file lives as long as a value of its own run names it. Airflow tells nobody when it deletes runs or values,
so somebody who reads its database looks again and again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from couture_workflow import settings
from couture_workflow.services.xcoms import references, storage
from couture_workflow.store import atomic

#: Seconds in which a file may be there before a value names it: its task is about to say so.
GRACE = 3_600

#: Seconds for which values stay whose runs are in the database that was in use before this one.
OTHERS = 30 * 24 * 3_600
#: File of the home that tells which database was in use last.
_NOTE = "xcoms-database.json"

#: Folder of a DAG -> folder of a run -> names of its files.
Files = Mapping[str, Mapping[str, list[str]]]


def files(*, ended: Callable[[], bool] = lambda: False) -> Files:
    """Return all files of the storage by DAG and run, once what killed writers left is gone.

    :param ended: tells whether to leave the rest; then none is returned, for nothing follows from a part.
    """
    held = storage.chosen()
    held.tidy()
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in held.names():
        if ended():
            return {}
        if name := references.read_name(path):
            found[name.dag][name.run].append(path)
    return found


def by_folder(ids: Iterable[str]) -> dict[str, str]:
    """Return the ids of DAGs or of runs by their folders."""
    return {references.folder_of(each): each for each in ids}


def unnamed(paths: Iterable[str], values: Iterable[Any], *, now: float | None = None) -> Iterator[str]:
    """Return the files of a run that none of its values names, and that no task is about to name."""
    named = {path for value in values for path in references.named_in(value)}
    before = (time.time() if now is None else now) - GRACE
    for path in paths:
        name = references.read_name(path)
        if path not in named and name is not None and name.written < before:
            yield path


def of_others(paths: Iterable[str], before: float) -> Iterator[str]:
    """Return the files that were written before a moment; of those an earlier database may know the runs."""
    for path in paths:
        if (name := references.read_name(path)) is not None and name.written < before:
            yield path


def changed_at(database: str) -> float:
    """Return when the database came into the place of another one, while that may come back; else 0.

    :param database: tells one from another, such as its address without the password.
    """
    path = settings.home() / _NOTE
    digest = hashlib.sha256(database.encode(errors="surrogatepass")).hexdigest()
    last, since = _noted(path)
    if last != digest:
        since = 0.0 if last is None else time.time()
        atomic.write(path, json.dumps({"database": digest, "since": since}).encode(), mode=0o600)
    return since if time.time() - since < OTHERS else 0.0


def _noted(path: Path) -> tuple[str | None, float]:
    """Return which database was in use last, and since when: None if none was, "" if that is damaged."""
    try:
        noted = json.loads(path.read_bytes())
        return str(noted["database"]), float(noted["since"])
    except FileNotFoundError:
        return None, 0.0
    except (ValueError, TypeError, KeyError):
        return "", 0.0


def delete(paths: Iterable[str], *, ended: Callable[[], bool] = lambda: False) -> int:
    """Delete files until told to end, and return how many these were."""
    held, count = storage.chosen(), 0
    for path in paths:
        if ended():
            break
        held.delete(path)
        count += 1
    return count
