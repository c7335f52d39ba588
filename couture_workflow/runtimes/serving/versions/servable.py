"""One version of a model: its state, its engine while it is loaded, and the requests that it is busy with."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import memory
from ..engines.engine import Engine
from ..metrics import Recent
from ..models.signatures import DEFAULT, Signature
from ..status import ServingError

START, LOADING, AVAILABLE, UNLOADING, END = 10, 20, 30, 40, 50
STATES = {START: "START", LOADING: "LOADING", AVAILABLE: "AVAILABLE", UNLOADING: "UNLOADING", END: "END"}


class Servable:
    """A version from the moment that it is wanted until its end."""

    def __init__(self, model: str, version: int, folder: Path) -> None:
        self.model = model
        self.version = version
        self.folder = folder
        self.state = START
        self.error: ServingError | None = None
        self.ended = 0.0
        self.fingerprint: object = None
        self.recent = Recent()
        self.loaded: datetime | None = None
        #: Seconds that requests took of late at most; what takes long is not answered in the event loop.
        self.seconds = 0.0
        self._memory = 0
        self._engine: Engine | None = None
        self._busy = 0
        self._changed = threading.Condition()

    def begin(self) -> bool:
        """Begin to load; False if nobody wants it any more."""
        with self._changed:
            if self.state != START:
                return False
            self.state = LOADING
            return True

    def open(self, engine: Engine, *, memory_bytes: int, seconds: float) -> None:
        """Begin to take requests."""
        with self._changed:
            self._engine, self._memory, self.seconds = engine, memory_bytes, seconds
            self.loaded, self.state, self.error = datetime.now(UTC), AVAILABLE, None
            self._changed.notify_all()

    def fail(self, error: ServingError) -> None:
        """End with an error."""
        with self._changed:
            self.state, self.error, self.ended = END, error, time.monotonic()
            self._changed.notify_all()

    def enter(self) -> bool:
        """Begin a request; False if the version takes none any more."""
        with self._changed:
            if self.state != AVAILABLE:
                return False
            self._busy += 1
            return True

    def leave(self, seconds: float, *, failed: bool) -> None:
        """End a request."""
        with self._changed:
            self._busy -= 1
            self.seconds = max(seconds, self.seconds * 0.98)
            self.recent.add(seconds, failed=failed)
            if not self._busy:
                self._changed.notify_all()

    def withdraw(self) -> None:
        """Take no request any more."""
        with self._changed:
            if self.state == AVAILABLE:
                self.state = UNLOADING

    def unload(self, *, patience: float) -> None:
        """Wait for the requests that it is busy with, then give the memory back; what loads is let finish."""
        with self._changed:
            self._changed.wait_for(lambda: self.state != LOADING)
            if self.state == AVAILABLE:
                self.state = UNLOADING
            self._changed.wait_for(lambda: not self._busy, timeout=patience)
            engine, self._engine = self._engine, None
            self.state, self.ended = END, time.monotonic()
        if engine is not None:
            engine.close()

    @property
    def alive(self) -> bool:
        """Tell whether the engine still runs."""
        engine = self._engine
        return engine is None or engine.alive

    @property
    def engine(self) -> Engine:
        """Return the engine.

        :raises RuntimeError: it is not loaded; only who entered may ask.
        """
        if self._engine is None:
            raise RuntimeError(f"{self.model} {self.version} is not loaded")
        return self._engine

    def signature(self, name: str) -> Signature | None:
        """Return a signature; no name is the default one."""
        return self.engine.signatures.get(name or DEFAULT)

    def as_json(self) -> dict[str, Any]:
        """Return what a page shows of it."""
        engine = self._engine
        process = getattr(engine, "process", None)
        return {
            "version": self.version,
            "state": STATES[self.state],
            "error": self.error.message if self.error else "",
            "engine": engine.name if engine is not None else None,
            "loaded": self.loaded.isoformat(timespec="seconds") if self.loaded and engine else None,
            "memory_bytes": (memory.resident(process) if process else self._memory) if engine else 0,
            "signatures": {name: each.as_json() for name, each in engine.signatures.items()}
            if engine
            else {},
            "busy": self._busy,
            **self.recent.as_json(),
        }
