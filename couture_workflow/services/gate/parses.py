"""What earlier parses found in DAG files, so that a check need not parse the whole tree; safe to lose.

One small JSON file for each content of each path, below ``cache/dag-parses`` in the home. A damaged or
missing one only costs a parse. Those of the last tree stay in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from couture_workflow.store import atomic
from couture_workflow.store.latest import Latest

if TYPE_CHECKING:
    from couture_workflow.services.gate.graph import DagGraph
    from couture_workflow.store.home import Store

#: (DAG, task, DAG that the task runs, operator)
Call = tuple[str, str, str, str]
#: An entry as it was written: name, inode, time.
_Entry = tuple[str, int, int]

_FORMAT = 1
#: Entries that are kept; the oldest go first.
_MOST = 20_000


@dataclass(frozen=True)
class Parse:
    """What a DAG file had in it.

    :param dag_ids: the DAGs that it defines.
    :param reads: files of the tree that it read, and folders (ending in "/") that it listed.
    :param calls: (DAG, task, DAG that the task runs, operator).
    """

    dag_ids: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()

    def depends_on(self, path: str) -> bool:
        """Tell whether a change of a file, or its coming and going, may change what the parse finds."""
        return path in self.reads or f"{path.rpartition('/')[0]}/".lstrip("/") in self.folders

    @property
    def folders(self) -> frozenset[str]:
        """Return the folders that were listed; the root of the tree is ""."""
        return frozenset(read for read in self.reads if read.endswith("/") or not read)


def of(graphs: Sequence[DagGraph], reads: Sequence[str]) -> Parse:
    """Return what is worth remembering of a parse."""
    return Parse(tuple(graph.dag_id for graph in graphs), tuple(map(str, reads)), tuple(calls(graphs)))


def calls(graphs: Sequence[DagGraph]) -> Iterator[Call]:
    """Iterate over the tasks that run other DAGs."""
    for graph in graphs:
        for task in graph.tasks:
            if task.child:
                yield graph.dag_id, task.id, task.child, task.operator


class Parses:
    """The cache of one home.

    :param store: None: nothing is remembered.
    """

    def __init__(self, store: Store | None) -> None:
        self._folder = store.root / "cache" / "dag-parses" if store is not None else None

    def get(self, path: str, content: bytes) -> Parse | None:
        """Return what was found in a file, None if this content was not parsed before."""
        if self._folder is None:
            return None
        try:
            found = json.loads((self._folder / _name(path, content)).read_bytes())
            if found["format"] != _FORMAT:
                return None
            made = tuple((str(a), str(b), str(c), str(d)) for a, b, c, d in found["calls"])
            return Parse(tuple(map(str, found["dag_ids"])), tuple(map(str, found["reads"])), made)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, path: str, content: bytes, parse: Parse) -> None:
        """Remember what was found; a full or read-only disk is no reason to fail."""
        if self._folder is None:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"format": _FORMAT, **asdict(parse)}).encode()
            place = self._folder / _name(path, content)
            descriptor, aside = atomic.temporary(self._folder)
            try:
                atomic.write_all(descriptor, text)
                aside.replace(place)
            finally:
                aside.unlink(missing_ok=True)
                os.close(descriptor)
            if place.name.startswith("0"):  # now and then: looking through all of them takes its time
                self._prune(self._folder)

    def all_of(self, files: Mapping[str, bytes]) -> dict[str, Parse]:
        """Return what is known of some files."""
        folder = self._folder
        if folder is None:
            return {}
        places = {_name(*item): item for item in files.items()}

        def read(entries: list[_Entry]) -> Iterator[tuple[_Entry, Parse]]:
            for entry in entries:
                if (parse := self.get(*places[entry[0]])) is not None:
                    yield entry, parse

        known = _latest.of(_written(folder, places), read)
        return {places[name][0]: parse for (name, *_), parse in known.items()}

    @staticmethod
    def _prune(folder: Path) -> None:
        entries = list(folder.glob("*.json"))
        if len(entries) > _MOST:
            for entry in sorted(entries, key=lambda each: each.stat().st_mtime)[: _MOST // 5]:
                entry.unlink(missing_ok=True)


def _written(folder: Path, names: Collection[str]) -> list[_Entry]:
    """Return the entries that there are of some names, in their order.

    The same file is parsed again when a module that it imports has changed, with another result.
    """
    found: dict[str, _Entry] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in names:
                with suppress(OSError):  # pruned in this instant
                    status = entry.stat()
                    found[entry.name] = entry.name, status.st_ino, status.st_mtime_ns
    return [found[name] for name in names if name in found]


def _name(path: str, content: bytes) -> str:
    """Return the name of an entry's file."""
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape") + b"\0" + content)
    return f"{digest.hexdigest()}.json"


#: By the entry: its name tells path and content, the rest which parse of these.
_latest: Latest[_Entry, Parse] = Latest(lambda _, parse: len(repr(parse)))
