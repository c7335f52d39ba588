"""Folders with the files of one version of the DAGs: those that runs need, and the one that Airflow parses.

Below the storage of the bundle lie ::

    versions/<version>       what the tasks of runs with this version see; made at the first need
    trees/<commit>.<number>  what Airflow parses, one after the other
    tracking -> trees/...    the newest of them

A folder is made aside and renamed, so it is there whole or not at all; ``tracking`` is a link that is
replaced, so a parse sees the old or the new file and nothing between. All of them are copies of what is in
``dags.git``: whatever is removed is made again when somebody needs it. The caller holds the bundle's lock.

A new tree shares the files that did not change with the tree before it (hard links), so it takes little time
and its files keep their times, by which Airflow tells what to parse again.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.dags import imports, links, repository, root
from couture_workflow.store import atomic, submodules, trees
from couture_workflow.store.home import Store

#: Seconds that a tree stays after it was replaced: longer than any parse that began in it.
REPLACED = 600.0

#: Seconds that changed files are dated ahead, so that a parse that began in the tree before and ends in this
#: one is not taken for a parse of this one.
AHEAD = 2.0

log = logging.getLogger(__name__)

_TEMPORARY = ".tmp-"
_EMPTY = "0" * 40


def make_version(
    store: Store, versions: Path, version: str, *, beside: Mapping[str, str] | None = None
) -> Path:
    """Make the folder of a version if it is not there, and return it.

    :param beside: files that are put beside those of the repository: text by path.
    """
    target = versions / version
    if not target.is_dir():
        with _aside(versions) as folder:
            repository.materialize(store, folder, commit=root.commit_of(version))
            put_beside(folder, beside or {})
            folder.rename(target)
    return target


def put_beside(folder: Path, beside: Mapping[str, str], *, old: Path | None = None) -> None:
    """Put files of the product's own beside those of the repository, whatever has their names there.

    :param beside: text by path; one that is there already is left alone, so its time stays.
    :param old: a folder whose file is taken over if it is the same.
    """
    for path, text in beside.items():
        target, content = folder / path, text.encode()
        if _content(target) == content:
            continue
        try:
            for parent in reversed(Path(path).parents[:-1]):  # never the folder itself, which may be swept
                (folder / parent).mkdir(exist_ok=True)
            target.unlink(missing_ok=True)  # it may be a link to the file of another tree
            same = old is not None and _content(old / path) == content
            if same and _share(f"{old}/{path}", str(target), copy=False):
                continue
            new = target.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
            new.write_bytes(content)
            new.replace(target)
        except OSError as error:
            log.warning("%s cannot be put beside the DAGs: %s", path, error)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


@dataclass
class Tracking:
    """The folder that Airflow parses.

    :param base: the storage of the bundle.
    :param beside: files that are put beside those of the repository: text by path.
    """

    base: Path
    beside: Mapping[str, str] = field(default_factory=dict)
    _imports: imports.Imports = field(default_factory=dict)
    _shown: tuple[str | None, dict[str, tuple[str, str]]] = (None, {})

    @property
    def path(self) -> Path:
        """Where it is, at any time and whatever its version."""
        return self.base / "tracking"

    def commit(self) -> str | None:
        """Return the version that it shows; None if there is none, or no folder yet."""
        tree = self._tree()
        return None if tree is None or tree.name.startswith(_EMPTY) else tree.name.partition(".")[0]

    def switch(self, store: Store, commit: str | None) -> None:
        """Make it show a version; None: no files at all. Nothing happens if it does already."""
        old = self._tree()
        if old is not None and self.commit() == commit:
            return
        parent = self.base / "trees"
        with _aside(parent) as folder:
            if commit is not None:
                self._fill(store, folder, commit, old)
            put_beside(folder, self.beside, old=old)
            new = parent / f"{commit or _EMPTY}.{time.time_ns()}"
            folder.rename(new)
        link = self.base / f"{_TEMPORARY}{uuid.uuid4().hex}"
        with atomic.storage_errors(link):
            link.symlink_to(new.relative_to(self.base))
            link.replace(self.path)
        self._remove_replaced(keep={new, old})

    def _tree(self) -> Path | None:
        """Return the folder that the link leads to; None if it leads nowhere."""
        try:
            tree = self.base / self.path.readlink()
        except OSError:
            return None
        return tree if tree.is_dir() else None

    def _fill(self, store: Store, folder: Path, commit: str, old: Path | None) -> None:
        parts = tuple(
            submodules.parts(store.dags.git, commit, mirrors=repository.mirrors(store), sizes=False)
        )
        wanted = _files(parts)
        for sentence in links.left_out(parts):
            log.warning("%s", sentence)
        kept: set[str] = set()
        concerned: set[str] = set()
        if old is not None:
            before = self._before(store)
            kept = {p for p, entry in wanted.items() if before.get(p) == entry and entry[0] != trees.LINK}
            concerned = self._concerned(parts, wanted, (before.keys() | wanted.keys()) - kept)
        for parent in {path.rpartition("/")[0] for path in wanted}:
            (folder / parent).mkdir(parents=True, exist_ok=True)
        fresh = {path for path in wanted if path not in kept}
        for path in kept:
            if not _share(f"{old}/{path}", f"{folder}/{path}", copy=path in concerned):
                fresh.add(path)
        repository.write_files(folder, submodules.contents(parts, fresh))
        if old is not None:
            _date(folder, fresh | (concerned & kept), time.time() + AHEAD)
        self._shown = (commit, wanted)

    def _before(self, store: Store) -> dict[str, tuple[str, str]]:
        """Return what the present tree has; nothing if that is not known any more."""
        commit = self.commit()
        if commit is None:
            return {}
        if commit == self._shown[0]:
            return self._shown[1]
        try:
            parts = submodules.parts(store.dags.git, commit, mirrors=repository.mirrors(store), sizes=False)
            return _files(parts)
        except CoutureError:
            return {}

    def _concerned(
        self, parts: tuple[submodules.Part, ...], wanted: dict[str, tuple[str, str]], changed: set[str]
    ) -> set[str]:
        python = {p: blob for p, (mode, blob) in wanted.items() if p.endswith(".py") and mode != trees.LINK}
        known = self._imports
        self._imports = {blob: known[blob] for blob in python.values() if blob in known}
        unknown = {path for path, blob in python.items() if blob not in known}
        for path, _, content in submodules.contents(parts, unknown):
            self._imports[python[path]] = imports.words(content)

        def mentioning(words: Collection[str]) -> Iterator[str]:
            for part in parts:
                for path in trees.mentioning(part.git, part.commit, words):
                    yield f"{part.prefix}{path}"

        return imports.concerned(changed, python, self._imports, mentioning=mentioning)

    def _remove_replaced(self, *, keep: Collection[Path | None]) -> None:
        for tree in (self.base / "trees").iterdir():
            number = tree.name.partition(".")[2]
            if tree not in keep and number.isdigit() and time.time() - int(number) / 1e9 > REPLACED:
                shutil.rmtree(tree, ignore_errors=True)


def sweep_bundle(name: str, *, spare: str | None = None) -> tuple[str, ...]:
    """Sweep the versions of a bundle as the options ``stale_bundle_cleanup_*`` say, and return them.

    Each new version is the occasion, on every machine that has any, so no clock is needed.

    :param spare: the version that was just made and is not in use yet.
    """
    from airflow.configuration import conf
    from airflow.dag_processing.bundles import base

    swept = sweep(
        base.get_bundle_versions_base_folder(name),
        base.get_bundle_tracking_dir(name),
        keep=conf.getint("dag_processor", "stale_bundle_cleanup_min_versions"),
        older_than=conf.getint("dag_processor", "stale_bundle_cleanup_age_threshold"),
        spare=spare,
    )
    if swept:
        log.info("Removed the folders of %d old version(s) of the DAGs", len(swept))
    return swept


def sweep(
    versions: Path, usage: Path, *, keep: int, older_than: float, spare: str | None = None
) -> tuple[str, ...]:
    """Remove the folders of versions that nobody uses and that were not used lately, and return these.

    A version that is in use is locked by the process that uses it (Airflow's ``BundleVersionLock``). A run
    that is active and has no task running at the moment makes its folder again when the next one starts.

    :param usage: Airflow's folder with a file for each version that was used, dated by the last use.
    :param keep: so many of those that were used last stay.
    :param older_than: seconds since the last use from which a version may go.
    :param spare: a version that stays whatever its age.
    """
    used = {path.name: _last_use(path) for path in _listed(usage)}
    made = {path.name: _last_use(path) for path in _listed(versions) if not path.name.startswith(_TEMPORARY)}
    last = {name: max(used.get(name, 0), made.get(name, 0)) for name in used.keys() | made.keys()}
    newest_first = sorted(last, key=lambda name: last[name], reverse=True)
    old = [name for name in newest_first[keep:] if time.time() - last[name] > older_than]
    return tuple(name for name in old if name != spare and _remove(versions / name, usage / name))


def _remove(folder: Path, usage: Path) -> bool:
    with contextlib.ExitStack() as stack:
        if usage.exists():
            lock = stack.enter_context(usage.open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        aside = folder.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):
            folder.rename(aside)
        usage.unlink(missing_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
    return True


@contextlib.contextmanager
def _aside(parent: Path) -> Iterator[Path]:
    """Give a new folder to fill and rename; those that killed processes left behind are removed."""
    with atomic.storage_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = parent / f"{_TEMPORARY}{uuid.uuid4().hex}"
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _files(parts: Iterable[submodules.Part]) -> dict[str, tuple[str, str]]:
    """Return mode and blob of every file by path."""
    return {
        f"{part.prefix}{entry.path}": (entry.mode, entry.blob)
        for part in parts
        for entry in part.entries
        if entry.mode != trees.SUBMODULE
    }


def _share(source: str, target: str, *, copy: bool) -> bool:
    """Take a file over from the old tree; tell whether it was there."""
    try:
        if not copy:
            os.link(source, target, follow_symlinks=False)
            return True
    except FileNotFoundError:
        return False
    except OSError:
        pass  # a file system without hard links
    try:
        shutil.copy2(source, target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _date(folder: Path, paths: Iterable[str], seconds: float) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.utime(folder / path, (seconds, seconds), follow_symlinks=False)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _last_use(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0
