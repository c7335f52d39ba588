"""ONNX models by onnxruntime: how pipelines of scikit-learn are served."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ..models.signatures import DEFAULT, NUMBERS, STRING, Signature, Tensor
from ..status import ServingError, UnsupportedError, invalid
from .engine import Arrays

_NUMPY_NAMES = {
    "tensor(float)": "f4",
    "tensor(double)": "f8",
    "tensor(float16)": "f2",
    "tensor(int8)": "i1",
    "tensor(int16)": "i2",
    "tensor(int32)": "i4",
    "tensor(int64)": "i8",
    "tensor(uint8)": "u1",
    "tensor(uint16)": "u2",
    "tensor(uint32)": "u4",
    "tensor(uint64)": "u8",
    "tensor(bool)": "?",
    "tensor(string)": "O",
}
_UNKNOWN = re.compile(r"(?:Fatal error: )?([\w.:-]+)\(-?\d+\) is not a registered function/op")
_TOO_OLD = re.compile(r"Could not find an implementation for ([\w.:-]+)\((\d+)\) node")


class OnnxEngine:
    """One ONNX file, which has one signature.

    :param unranked: names of inputs and outputs that may have any shape.
    """

    name = "onnxruntime"

    def __init__(self, file: Path, *, unranked: Collection[str] = (), threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise _refused(error) from error
        inputs = _tensors(self._session.get_inputs(), "input", unranked)
        outputs = _tensors(self._session.get_outputs(), "output", unranked)
        self.signatures: Mapping[str, Signature] = {DEFAULT: Signature(DEFAULT, inputs, outputs)}
        self._texts = {name for name, each in inputs.items() if each.dtype == STRING}

    alive = True

    def run(self, signature: str, feed: Arrays, outputs: tuple[str, ...]) -> Arrays:
        prepared = {
            name: _decoded(name, each) if name in self._texts else each for name, each in feed.items()
        }
        try:
            found = self._session.run(list(outputs), prepared)
        except Exception as error:
            raise invalid(_sentence(error)) from error
        return {name: _encoded(np.asarray(each)) for name, each in zip(outputs, found, strict=True)}

    def close(self) -> None:
        del self._session


def _tensors(values: Any, kind: str, unranked: Collection[str]) -> dict[str, Tensor]:
    found = {}
    for each in values:
        dtype = NUMBERS.get(np.dtype(_NUMPY_NAMES[each.type])) if each.type in _NUMPY_NAMES else None
        if dtype is None and each.type.startswith("tensor("):
            raise UnsupportedError(
                f"The {kind} {each.name!r} is a {each.type}, which no request can have. Convert the model "
                "with one of another type, such as tensor(float)."
            )
        if dtype is None:
            raise UnsupportedError(
                f"The {kind} {each.name!r} is a {each.type}, and a request has tensors only. Convert the "
                "model without it (for scikit-learn: options={'zipmap': False})."
            )
        sizes = tuple(size if isinstance(size, int) else -1 for size in each.shape)
        shape = None if not sizes and each.name in unranked else sizes
        found[each.name] = Tensor(f"{each.name}:0", dtype, shape)
    return found


def _decoded(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    found = np.empty(array.size, object)
    try:
        found[:] = [each.decode() for each in array.ravel()]
    except UnicodeDecodeError:
        raise invalid(f"The input {name!r} has a text that is no UTF-8") from None
    return found.reshape(array.shape)


def _encoded(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype.kind not in "OU":
        return array
    found = np.empty(array.size, object)
    found[:] = [str(each).encode() for each in array.ravel()]
    return found.reshape(array.shape)


def _refused(error: Exception) -> ServingError:
    text = str(error)
    if match := _UNKNOWN.search(text):
        return UnsupportedError(
            f"The model uses {match[1]}, which onnxruntime does not know.", operations=(match[1],)
        )
    if match := _TOO_OLD.search(text):
        return UnsupportedError(
            f"The model uses {match[1]} in its form of opset {match[2]}, which onnxruntime cannot run. "
            "Export the model with a newer opset, or convert it with onnx.version_converter.",
            operations=(match[1],),
        )
    return UnsupportedError(f"onnxruntime cannot load the model: {_sentence(error)}")


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)[:600]
