"""The process that has TensorFlow: loads one SavedModel and answers what the server sends.

``python serving_child.py tensorflow FOLDER THREADS SOCKET ...``, where sockets are numbers of open files;
each is served by a thread of its own. It ends when the server does, because its sockets do.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
from typing import Any

import numpy as np

from . import wire

_UNKNOWN = 2


def main(arguments: list[str]) -> int:
    """Load the model, say so on every socket, and serve until they close."""
    folder, threads, *numbers = arguments
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    connections = [socket.socket(fileno=int(number)) for number in numbers]
    try:
        functions = load(folder, int(threads))
    except Exception as error:  # noqa: BLE001 - TensorFlow raises anything for a model that is none
        wire.send(connections[0], {"error": f"TensorFlow cannot load the model: {_short(error)}"}, {})
        return 1
    wire.send(connections[0], {"version": _version()}, {})
    workers = [threading.Thread(target=_serve, args=(each, functions), daemon=True) for each in connections]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return 0


def load(folder: str, threads: int) -> dict[str, Any]:
    """Return the functions of a SavedModel by the names of their signatures."""
    import tensorflow

    if threads:
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    loaded = tensorflow.saved_model.load(folder)
    # The model must live as long as its functions, which refer to it weakly.
    load.keep = loaded  # type: ignore[attr-defined]
    return dict(loaded.signatures)


def _version() -> str:
    return str(sys.modules["tensorflow"].__version__)


def _serve(connection: socket.socket, functions: dict[str, Any]) -> None:
    try:
        while True:
            header, feed = wire.receive(connection)
            try:
                answer = run(functions[header["signature"]], feed, header["outputs"])
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this one request
                code = getattr(error, "error_code", _UNKNOWN)
                wire.send(connection, {"error": _short(error), "code": code}, {})
            else:
                wire.send(connection, {}, answer)
    except (EOFError, OSError):
        return


def run(function: Any, feed: dict[str, Any], outputs: list[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Call a function of TensorFlow's with arrays."""
    import tensorflow

    found = function(
        **{
            name: tensorflow.constant(array.tolist(), tensorflow.string, shape=array.shape)
            if array.dtype == np.object_
            else tensorflow.constant(array)
            for name, array in feed.items()
        }
    )
    return {name: np.asarray(found[name].numpy()) for name in outputs}


def _short(error: Exception) -> str:
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    # What TensorFlow Serving says begins after where in the Python of the export the operation stood.
    text = str(message).rpartition("<stack traces unavailable>\n")[2]
    return re.sub(r" \[Op:\w+\]$", "", text.strip())[:1000]
