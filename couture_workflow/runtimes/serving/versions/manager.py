"""Which versions are served: follows the configuration, loads beside, moves traffic, lets old ones drain.

A pass of ``poll`` reads the configuration if it changed and looks for versions; ``_settle`` then moves labels
and the newest version to what is loaded, and withdraws what nobody wants, but never the last one that works.
Requests read ``_routes``, which is replaced as a whole, and so wait for nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engines.engine import Engine
from ..status import INTERNAL, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNAVAILABLE, ServingError
from . import model_config, state
from .loading import fingerprint, load
from .servable import AVAILABLE, END, LOADING, START, Servable

log = logging.getLogger(__name__)

#: Seconds that a withdrawn version has for the requests that it is busy with.
_DRAIN = 60.0
#: Seconds after which a version that failed for want of memory, or whose process died, is tried again.
_AGAIN = 60.0
#: Versions that ended and are still told of, for each model.
_ENDED = 10
_SPECIFIC_GONE = "Servable not found for request: "


@dataclass(frozen=True)
class _Route:
    """Where requests for one model go.

    :param starting: what was served before a restart is still being loaded.
    """

    versions: Mapping[int, Servable]
    labels: Mapping[str, int]
    default: int | None
    starting: bool


@dataclass
class _Served:
    """One model, as it is."""

    model: model_config.Model
    versions: dict[int, Servable] = field(default_factory=dict)
    ended: list[Servable] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    #: Versions from before a restart that are loaded again, in case that a wanted one fails.
    kept: frozenset[int] = frozenset()
    wanted: frozenset[int] = frozenset()
    gone: bool = False
    #: It was there when the server started, and has not been loaded since.
    starting: bool = False


class Manager:
    """All models of one configuration file.

    :param check: refuses a folder that shall not be loaded; runs in a process of its own.
    :param opened: loads a folder.
    :param default_label: requests without version and label go to it where a model has it; "": to the newest.
    :param remembered: a file that keeps what is served over a restart, or None.
    """

    def __init__(
        self,
        configuration: Path,
        *,
        check: Callable[[Path], None],
        opened: Callable[[Path], Engine],
        default_label: str,
        remembered: Path | None,
    ) -> None:
        self.configuration = configuration
        self.configuration_error = ""
        self._check, self._opened, self._default_label = check, opened, default_label
        self._memory = state.Memory(remembered)
        self._lock = threading.RLock()
        self._models: dict[str, _Served] = {}
        self._routes: dict[str, _Route] = {}
        self._seen: object = None
        self._unsettled: dict[Path, object] = {}
        self._first = True
        self._loaders = ThreadPoolExecutor(2, "load")

    # What requests need.

    def acquire(self, name: str, version: int | None, label: str | None) -> Servable:
        """Return a version that has begun a request; ``leave`` it afterwards.

        :raises ServingError: there is none, in TensorFlow Serving's words.
        """
        for _ in range(3):
            found = self._find(name, version, label)
            if found.enter():
                return found
        raise ServingError(UNAVAILABLE, f"The model {name} is being replaced. Send the request again.")

    def _find(self, name: str, version: int | None, label: str | None) -> Servable:
        route = self._routes.get(name)
        try:
            return self._chosen(route, name, version, label)
        except ServingError as error:
            if route is None or not route.starting:
                raise
            # TensorFlow Serving does not listen yet at that time, so its clients know to come again.
            said = f"The server has just started and loads the model {name[:200]}. Send the request again."
            raise ServingError(UNAVAILABLE, said) from error

    def _chosen(self, route: _Route | None, name: str, version: int | None, label: str | None) -> Servable:
        if label is not None:
            version = route.labels.get(label) if route else None
            if version is None:
                raise ServingError(INVALID_ARGUMENT, f"Unrecognized servable version label: {label[:200]}")
        asked = f"Specific({name[:200]}, {version})" if version is not None else f"Latest({name[:200]})"
        if version is None and route is not None:
            version = route.default
        found = route.versions.get(version) if route and version is not None else None
        if found is None:
            raise ServingError(NOT_FOUND, _SPECIFIC_GONE + asked)
        return found

    def peek(self, name: str, version: int | None, label: str | None) -> Servable | None:
        """Return the version that a request would get now, or None."""
        try:
            return self._find(name, version, label)
        except ServingError:
            return None

    def known(self, name: str) -> bool:
        """Tell whether the configuration has a model of this name."""
        return name in self._models

    def statuses(self, name: str, version: int | None, label: str | None) -> list[Servable]:
        """Return the versions of a model with their states, the newest first.

        :raises ServingError: there is none.
        """
        # Without the lock, which is held while folders are looked at: what is read here is copied at once.
        served = self._models.get(name)
        found = {each.version: each for each in served.ended} if served else {}
        found |= dict(served.versions) if served else {}
        if label is not None:
            route = self._routes.get(name)
            if route is None or label not in route.labels:
                raise ServingError(INVALID_ARGUMENT, f"Unrecognized servable version label: {label[:200]}")
            version = route.labels[label]
        if version is not None:
            if version not in found:
                raise ServingError(NOT_FOUND, f"Could not find version {version} of model {name[:200]}")
            return [found[version]]
        if not found:
            raise ServingError(NOT_FOUND, f"Could not find any versions of model {name[:200]}")
        return [found[each] for each in sorted(found, reverse=True)]

    def as_json(self) -> dict[str, Any]:
        """Return all models, for a page."""
        routes = self._routes
        models = []
        for name, served in sorted(self._models.copy().items()):
            route = routes.get(name)
            found = {each.version: each for each in served.ended} | dict(served.versions)
            models.append(
                {
                    "name": name,
                    "labels": dict(route.labels) if route else {},
                    "default": route.default if route else None,
                    "versions": [found[each].as_json() for each in sorted(found, reverse=True)],
                }
            )
        return {"configuration_error": self.configuration_error, "models": models}

    # What follows the configuration.

    def poll(self) -> None:
        """Look at the configuration and at the folders once.

        :raises ServingError: on the first pass, for a configuration that is none.
        """
        with self._lock:
            self._configure()
            for served in self._models.values():
                if not served.gone:
                    self._look(served)
            self._first = False
            self._settle()

    def close(self) -> None:
        """Withdraw all and wait for the requests that are under way."""
        self._loaders.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._routes = {}
            found = [each for served in self._models.values() for each in served.versions.values()]
        for each in found:
            each.withdraw()
        for each in found:
            each.unload(patience=10)

    def ready(self) -> bool:
        """Tell whether every version that is wanted has been loaded or has failed."""
        with self._lock:
            found = [each for served in self._models.values() for each in served.versions.values()]
            return all(each.state not in (START, LOADING) for each in found)

    def _configure(self) -> None:
        """Read the configuration if the file is another than before; what cannot be read changes nothing."""
        try:
            about = self.configuration.stat()
            seen = (about.st_mtime_ns, about.st_size, about.st_ino)
        except OSError:
            seen = None
        if seen is not None and seen == self._seen:
            return
        try:
            models = model_config.read(self.configuration)
        except ServingError as error:
            if self._first:
                raise
            if self.configuration_error != error.message:
                log.error("%s What was served is served on.", error.message)
            self.configuration_error, self._seen = error.message, seen
            return
        self.configuration_error, self._seen = "", seen
        for name, model in models.items():
            self._take(name, model)
        for name, served in self._models.items():
            if name not in models:
                served.gone, served.wanted, served.kept = True, frozenset(), frozenset()

    def _take(self, name: str, model: model_config.Model) -> None:
        served = self._models.get(name)
        if served is None:
            served = self._models[name] = _Served(model, starting=self._first)
            labels, served.kept = self._memory.of(name, model) if self._first else ({}, frozenset())
            served.labels = dict(labels)
        elif served.model.base_path != model.base_path:
            # Another place has other versions under the same numbers: all are loaded anew.
            self._retire(served, set(served.versions))
        served.gone, served.model = False, model
        self._forget_failures(served)

    def _forget_failures(self, served: _Served) -> None:
        failed = [version for version, each in served.versions.items() if each.state == END]
        for version in failed:
            self._end(served, version)

    def _look(self, served: _Served) -> None:
        """Begin to load what is wanted and not there yet."""
        folders = served.model.folders()
        chosen = served.model.policy.chosen(folders)
        served.wanted = frozenset(chosen)
        if chosen <= served.kept:
            served.kept = frozenset()
        for version in sorted(chosen | served.kept):
            folder = folders.get(version, served.model.base_path / str(version))
            current = served.versions.get(version)
            if current is not None and not self._again(current):
                continue
            if current is not None:
                self._end(served, version)
            if version in folders or served.model.policy.versions:
                self._begin(served, version, folder)

    def _again(self, current: Servable) -> bool:
        """Tell whether a version shall be loaded anew: its files changed, or what failed may work now."""
        if current.state == AVAILABLE and not current.alive:
            log.error("The process of %s version %d ended.", current.model, current.version)
            current.withdraw()
            threading.Thread(target=current.unload, kwargs={"patience": 5}, daemon=True).start()
            return True
        if current.state != END or current.error is None:
            return False
        if current.fingerprint != fingerprint(current.folder):
            return True
        late = time.monotonic() - current.ended > _AGAIN
        return late and current.error.code in (RESOURCE_EXHAUSTED, UNAVAILABLE, INTERNAL)

    def _begin(self, served: _Served, version: int, folder: Path) -> None:
        seen = fingerprint(folder)
        if not self._first and not served.model.policy.versions:
            # The folder may still be copied: it is taken when it is the same in two passes.
            if self._unsettled.get(folder) != seen:
                self._unsettled[folder] = seen
                return
            self._unsettled.pop(folder, None)
        servable = served.versions[version] = Servable(served.model.name, version, folder)
        servable.fingerprint = seen
        self._loaders.submit(self._load, servable)

    def _load(self, servable: Servable) -> None:
        if not servable.begin():
            return
        started = time.perf_counter()
        try:
            loaded = load(servable.folder, check=self._check, opened=self._opened)
        except ServingError as error:
            log.error("%s version %d is not served: %s", servable.model, servable.version, error.message)
            servable.fail(error)
        except Exception as error:
            log.exception("%s version %d is not served", servable.model, servable.version)
            servable.fail(ServingError(INTERNAL, f"{type(error).__name__}: {error}"[:600]))
        with self._lock:  # what is told to be available is answered, however long the lock was waited for
            if servable.state == LOADING:
                servable.open(loaded.engine, memory_bytes=loaded.memory_bytes, seconds=loaded.seconds)
            self._settle()
        if servable.error is None:
            took = time.perf_counter() - started
            log.info("%s version %d: loaded in %.1f s", servable.model, servable.version, took)

    # What moves traffic. All with the lock held.

    def _settle(self) -> None:
        routes = {}
        for name, served in list(self._models.items()):
            there = {version: each for version, each in served.versions.items() if each.state == AVAILABLE}
            served.labels = _labels(served, there)
            leaving = _leaving(served, there)
            stays = {version: each for version, each in there.items() if version not in leaving}
            newest = max((each for each in stays if each in served.wanted), default=max(stays, default=None))
            labels = {label: version for label, version in served.labels.items() if version in stays}
            served.starting = served.starting and _busy(served)
            if served.starting and self._default_label in served.model.labels:
                newest = None  # what comes without a label is not for whichever version was loaded first
            default = labels.get(self._default_label, newest)
            routes[name] = _Route(stays, labels, default, served.starting)
            self._routes = {**self._routes, name: routes[name]}
            self._retire(served, leaving | _unloaded_and_unwanted(served))
            if not self._first and not _busy(served):
                served.kept = frozenset()
            if served.gone and not served.versions:
                del self._models[name], routes[name]
        self._routes = routes
        if self.ready():
            self._memory.keep({name: (self._models[name].model, route) for name, route in routes.items()})

    def _retire(self, served: _Served, versions: set[int]) -> None:
        """Withdraw versions; their requests end in peace."""
        for version in versions:
            servable = served.versions[version]
            servable.withdraw()
            self._end(served, version)
            threading.Thread(target=self._unload, args=(servable,), daemon=True).start()

    def _unload(self, servable: Servable) -> None:
        servable.unload(patience=_DRAIN)
        log.info("%s version %d: unloaded", servable.model, servable.version)

    def _end(self, served: _Served, version: int) -> None:
        served.ended = [each for each in served.ended if each.version != version]
        served.ended = [*served.ended, served.versions.pop(version)][-_ENDED:]


def _labels(served: _Served, there: Mapping[int, Servable]) -> dict[str, int]:
    """Return where labels point: where they shall as soon as that is loaded, else where they did."""
    found = {}
    for label, version in served.model.labels.items():
        if served.gone:
            continue
        if version in there:
            found[label] = version
        elif label in served.labels:
            found[label] = served.labels[label]
    return found


def _leaving(served: _Served, there: Mapping[int, Servable]) -> set[int]:
    """Return what is loaded and not wanted any more, if something that is wanted is loaded."""
    if served.gone:
        return set(there)
    if served.wanted and not any(version in there for version in served.wanted):
        return set()
    if served.kept and _busy(served):
        return set()
    return {each for each in there if each not in served.wanted and each not in served.labels.values()}


def _busy(served: _Served) -> bool:
    """Tell whether a version is still to be loaded that is wanted, or was served before a restart."""
    versions = served.versions
    return any(
        versions[each].state in (START, LOADING) for each in served.wanted | served.kept if each in versions
    )


def _unloaded_and_unwanted(served: _Served) -> set[int]:
    """Return what failed, or is being loaded, and is not wanted."""
    return {
        version
        for version, each in served.versions.items()
        if each.state != AVAILABLE and version not in served.wanted | served.kept
    }
