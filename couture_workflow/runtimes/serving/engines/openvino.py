"""SavedModels by OpenVINO, with openvino-tokenizers for text and tables; numbers as exact as TensorFlow's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
import openvino_tokenizers  # noqa: F401 - adds the operations for text to OpenVINO

from ..models import saved_model
from ..models.signatures import NUMPY, STRING, Signature
from ..status import INTERNAL, ServingError, UnsupportedError, invalid
from .engine import Arrays

#: TensorFlow's number of a dtype -> OpenVINO's.
_TYPES = {
    1: openvino.Type.f32,
    2: openvino.Type.f64,
    3: openvino.Type.i32,
    4: openvino.Type.u8,
    5: openvino.Type.i16,
    6: openvino.Type.i8,
    7: openvino.Type.string,
    9: openvino.Type.i64,
    10: openvino.Type.boolean,
    17: openvino.Type.u16,
    19: openvino.Type.f16,
    22: openvino.Type.u32,
    23: openvino.Type.u64,
}
_UNKNOWN = re.compile(r"No conversion rule found for operations?: ([^\n]+)")
#: Bytes that texts of one request take; each takes as many as the longest.
_MAX_TEXT_BYTES = 256 << 20
_CORE = openvino.Core()


class OpenVinoEngine:
    """A SavedModel with one compiled model for each of its functions."""

    name = "openvino"

    def __init__(self, model: saved_model.SavedModel, *, threads: int) -> None:
        self.signatures: Mapping[str, Signature] = model.signatures
        compiled = {name: _Function(model, name, threads) for name in model.distinct}
        self._functions = {name: compiled[first] for name, first in model.same.items()}

    alive = True

    def run(self, signature: str, feed: Arrays, outputs: tuple[str, ...]) -> Arrays:
        return self._functions[signature].run(feed, outputs)

    def close(self) -> None:
        self._functions.clear()


class _Function:
    """One compiled function, and requests of OpenVINO that are not in use."""

    def __init__(self, model: saved_model.SavedModel, name: str, threads: int) -> None:
        signature = model.signatures[name]
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            with saved_model.alone(model, name) as folder:
                self._compiled = _CORE.compile_model(_CORE.read_model(folder), "CPU", settings)
        except RuntimeError as error:
            raise _refused(error) from error
        self._inputs = _ports(self._compiled.inputs, signature, signature.inputs, "input")
        self._outputs = _ports(self._compiled.outputs, signature, signature.outputs, "output")
        self._strings = {name for name, each in signature.inputs.items() if each.dtype == STRING}
        self._dtypes = {name: NUMPY[each.dtype] for name, each in signature.outputs.items()}
        self._idle: list[Any] = []

    def run(self, feed: Arrays, outputs: tuple[str, ...]) -> Arrays:
        for name, array in feed.items():
            if not array.size:
                # Its operations for text end the process with a tensor that has nothing in it.
                raise invalid(f"The input '{name}' has no values: its shape is {list(array.shape)}")
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            # OpenVINO points to their memory and does not keep it: they must live until the answer is copied.
            held = {
                name: _text(feed[name]) if name in self._strings else _tensor(feed[name])
                for name in self._inputs
            }
            for name, tensor in held.items():
                request.set_tensor(self._inputs[name], tensor)
            request.infer()
            return {name: self._result(request, name) for name in outputs}
        except RuntimeError as error:
            raise _failed(error) from error
        finally:
            self._idle.append(request)

    def _result(self, request: Any, name: str) -> np.ndarray[Any, Any]:
        tensor, dtype = request.get_tensor(self._outputs[name]), self._dtypes[name]
        if dtype == np.object_:
            return np.array(tensor.bytes_data).astype(object)
        return np.array(tensor.data, dtype)


def _tensor(array: np.ndarray[Any, Any]) -> Any:
    return openvino.Tensor(np.require(array, requirements=["C", "W", "A"]), shared_memory=True)


def _text(array: np.ndarray[Any, Any]) -> Any:
    """Return a tensor of texts; OpenVINO takes them from an array in which all are as long as the longest."""
    if any(each.endswith(b"\0") for each in array.ravel()):
        raise invalid("A text ends with a zero byte, which this server would lose")
    longest = max(map(len, array.ravel()), default=0) or 1
    if longest * array.size > _MAX_TEXT_BYTES:
        raise invalid(
            f"{array.size} texts of up to {longest} bytes are more than this server takes in one request"
        )
    tensor = openvino.Tensor(openvino.Type.string, openvino.Shape(array.shape))
    tensor.bytes_data = array.astype(f"S{longest}")
    return tensor


def _ports(ports: Any, signature: Signature, wanted: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return OpenVINO's inputs or outputs by the names of the signature.

    :raises UnsupportedError: OpenVINO left one out or made it another type.
    """
    found = {}
    for name, tensor in wanted.items():
        names = {name, tensor.tensor, tensor.tensor.partition(":")[0]}
        port = next((each for each in ports if names & each.names), None)
        if port is None or port.element_type != _TYPES[tensor.dtype]:
            raise UnsupportedError(
                f"OpenVINO does not give the {kind} {name!r} of the signature {signature.name!r} as the "
                "model says it. TensorFlow itself does: give a Python that has it (--tensorflow-python), or "
                "serve the model with tensorflow/serving."
            )
        found[name] = port
    return found


def _refused(error: RuntimeError) -> ServingError:
    """Return why OpenVINO does not take a model, with the operations that it does not know."""
    text = str(error)
    if match := _UNKNOWN.search(text):
        return saved_model.unsupported(tuple(sorted(set(match[1].replace(",", " ").split()))))
    return UnsupportedError(f"OpenVINO cannot load the model: {_sentence(text)}")


def _failed(error: RuntimeError) -> ServingError:
    text = _sentence(str(error))
    return ServingError(INTERNAL, text) if "memory" in text else invalid(text)


def _sentence(text: str) -> str:
    """Return what an error of OpenVINO says without where in its code it was raised."""
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and not line.startswith(("Exception from", "FrontEnd API"))]
    kept = [re.sub(r"^Check '.*' failed at .*:$", "", line) for line in kept]
    return " ".join(" ".join(kept).split())[:600] or "unknown error"
