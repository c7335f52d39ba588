"""SavedModels by TensorFlow itself, in a process of another Python that has it: one for each version."""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..models import saved_model
from ..models.signatures import NUMPY, Signature
from ..status import INTERNAL, NAMES, UNAVAILABLE, ServingError, invalid
from . import wire
from .engine import Arrays

_CHILD = Path(__file__).parents[2] / "serving_child.py"
#: Requests that TensorFlow works on at once; more wait.
_CONNECTIONS = 4
#: Seconds that TensorFlow and a model may take to load, and that an answer may take.
_LOAD_SECONDS, _ANSWER_SECONDS = 300, 300


class TensorFlowEngine:
    """One process with one SavedModel."""

    name = "tensorflow"

    def __init__(self, folder: Path, python: Path, *, threads: int) -> None:
        self.signatures: Mapping[str, Signature] = saved_model.read(folder).signatures
        pairs = [socket.socketpair() for _ in range(_CONNECTIONS)]
        theirs = [their.fileno() for _, their in pairs]
        arguments = [
            str(python),
            "-I",
            str(_CHILD),
            "tensorflow",
            str(folder),
            str(threads),
            *map(str, theirs),
        ]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the Python that the operator named
                arguments, pass_fds=theirs, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=_environment()
            )
        except OSError as error:
            raise ServingError(INTERNAL, f"The Python for TensorFlow cannot be run: {python}") from error
        finally:
            for _, their in pairs:
                their.close()
        self._idle: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        for mine, _ in pairs:
            self._idle.put(mine)
        self._connections = [mine for mine, _ in pairs]
        self._wait(self._connections[0], python)

    def _wait(self, connection: socket.socket, python: Path) -> None:
        connection.settimeout(_LOAD_SECONDS)
        try:
            header, _ = wire.receive(connection)
        except (EOFError, OSError) as error:
            self.close()
            raise ServingError(
                INTERNAL,
                f"The process with TensorFlow ended while it loaded the model. Has {python} TensorFlow?",
            ) from error
        if "error" in header:
            self.close()
            raise invalid(header["error"])
        for each in self._connections:
            each.settimeout(_ANSWER_SECONDS)

    @property
    def process(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.poll() is None

    def run(self, signature: str, feed: Arrays, outputs: tuple[str, ...]) -> Arrays:
        connection = self._idle.get()
        try:
            wire.send(connection, {"signature": signature, "outputs": outputs}, feed)
            header, found = wire.receive(connection)
        except (EOFError, OSError) as error:
            self._process.kill()
            raise ServingError(
                UNAVAILABLE, "The process with TensorFlow ended; it is started again."
            ) from error
        finally:
            self._idle.put(connection)
        if "error" in header:
            raise ServingError(header["code"] if header["code"] in NAMES else INTERNAL, header["error"])
        return {name: _native(array, self.signatures[signature], name) for name, array in found.items()}

    def close(self) -> None:
        for each in self._connections:
            each.close()
        self._process.kill()
        self._process.wait()


def _native(array: np.ndarray[Any, Any], signature: Signature, name: str) -> np.ndarray[Any, Any]:
    return (
        array if array.dtype == np.object_ else array.astype(NUMPY[signature.outputs[name].dtype], copy=False)
    )


def _environment() -> dict[str, str]:
    """Return an environment in which nothing of this runtime's Python is left."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_"))}
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
