"""How the server and its TensorFlow process talk: a header in JSON and the bytes of arrays, over a socket."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

_LENGTH = struct.Struct("<Q")
Arrays = Mapping[str, np.ndarray[Any, Any]]


def send(connection: socket.socket, header: Mapping[str, Any], arrays: Arrays) -> None:
    """Send one message."""
    described, parts = [], []
    for name, array in arrays.items():
        content, kind, lengths = _packed(array)
        described.append([name, kind, list(array.shape), lengths, len(content)])
        parts.append(content)
    text = json.dumps({**header, "arrays": described}).encode()
    connection.sendall(b"".join([_LENGTH.pack(len(text)), text, *parts]))


def receive(connection: socket.socket) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Return the next message.

    :raises EOFError: the other side is gone.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    header = json.loads(_exactly(connection, length))
    arrays = {}
    for name, kind, shape, lengths, size in header.pop("arrays"):
        arrays[name] = _unpacked(_exactly(connection, size), kind, shape, lengths)
    return header, arrays


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = bytearray(count)
    view, done = memoryview(found), 0
    while done < count:
        got = connection.recv_into(view[done:])
        if not got:
            raise EOFError
        done += got
    return bytes(found)


def _packed(array: np.ndarray[Any, Any]) -> tuple[bytes, str, list[int]]:
    if array.dtype != np.object_:
        return array.tobytes(), array.dtype.str, []
    texts = [bytes(each) for each in array.ravel()]
    return b"".join(texts), "O", [len(each) for each in texts]


def _unpacked(content: bytes, kind: str, shape: list[int], lengths: list[int]) -> np.ndarray[Any, Any]:
    if kind != "O":
        return np.frombuffer(content, kind).reshape(shape)
    found, start = np.empty(len(lengths), object), 0
    for number, length in enumerate(lengths):
        found[number] = content[start : start + length]
        start += length
    return found.reshape(shape)
