"""What a model takes and gives: signatures with their tensors, in TensorFlow's terms, whatever the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import schema
from ..status import UnsupportedError, invalid

DEFAULT = "serving_default"
PREDICT = "tensorflow/serving/predict"

DTYPE_NAMES = schema.enum_names("tensorflow.DataType")
#: TensorFlow's number -> how numpy calls it; text is an array of bytes objects.
NUMPY: dict[int, np.dtype[Any]] = {
    number: np.dtype(name)
    for number, name in {
        1: "<f4",
        2: "<f8",
        3: "<i4",
        4: "u1",
        5: "<i2",
        6: "i1",
        7: "O",
        9: "<i8",
        10: "?",
        17: "<u2",
        19: "<f2",
        22: "<u4",
        23: "<u8",
    }.items()
}
NUMBERS = {dtype: number for number, dtype in NUMPY.items()}
STRING = 7


def dtype_word(number: int) -> str:
    """Return what TensorFlow calls a dtype in its messages: ``float``, ``int64``, ``string``."""
    return DTYPE_NAMES.get(number, str(number)).removeprefix("DT_").lower()


def check_rows(what: str, rows: int, most: int) -> None:
    """Refuse a request with more rows than one may have.

    :param what: "The request" or the input that has the rows.
    :raises ServingError: there are too many.
    """
    if rows > most:
        raise invalid(f"{what} has {rows} rows, and a request has at most {most}. Send several requests.")


@dataclass(frozen=True)
class Tensor:
    """One input or output.

    :param tensor: its name in the graph, such as ``serving_default_x:0``.
    :param dtype: TensorFlow's number.
    :param shape: sizes, where -1 may be any; None: of any rank.
    """

    tensor: str
    dtype: int
    shape: tuple[int, ...] | None

    def shape_text(self) -> str:
        """Return the shape as TensorFlow writes it, ``[?,20]``."""
        if self.shape is None:
            return "<unknown>"
        return "[" + ",".join("?" if size < 0 else str(size) for size in self.shape) + "]"

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Tell whether a tensor of this shape fits."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            wanted in (-1, size) for wanted, size in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class Signature:
    """One function of a model."""

    name: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    method: str = PREDICT

    def check(self, feed: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Refuse inputs that do not fit, in TensorFlow's words.

        :raises ServingError: a name, a dtype or a shape is another.
        """
        if feed.keys() != self.inputs.keys():
            raise invalid(self._names_text(feed))
        for number, (name, wanted) in enumerate(self.inputs.items()):
            array = feed[name]
            got = NUMBERS.get(array.dtype)
            if got != wanted.dtype:
                said = dtype_word(got or 0)
                raise invalid(
                    f"Expects arg[{number}] to be {dtype_word(wanted.dtype)} but {said} is provided"
                )
            if not wanted.takes(array.shape):
                shape = "[" + ",".join(map(str, array.shape)) + "]"
                raise invalid(
                    f"Cannot feed value of shape {shape} for input '{name}', which has shape "
                    f"{wanted.shape_text()}"
                )

    def _names_text(self, feed: Mapping[str, Any]) -> str:
        sent, wanted = sorted(feed), sorted(self.inputs)
        extra = ",".join(sorted(set(sent) - set(wanted)))
        missing = ",".join(sorted(set(wanted) - set(sent)))
        return (
            f"input size does not match signature: {len(sent)}!={len(wanted)} len({{{_short(sent)}}}) != "
            f"len({{{','.join(wanted)}}}). Sent extra: {{{extra[:500]}}}. Missing but required: "
            f"{{{missing}}}."
        )

    def filtered(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the outputs that a request asks for; none asks for all.

        :raises ServingError: there is no such output, or it is asked for twice.
        """
        for number, name in enumerate(names):
            if name not in self.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {name[:200]} Outputs expected to be in the "
                    f"set {{{','.join(sorted(self.outputs))}}}."
                )
            if name in names[:number]:
                raise invalid(f"duplicate output tensor alias: {name}")
        return names or tuple(self.outputs)

    def as_json(self) -> dict[str, Any]:
        """Return it for people and pages."""
        return {
            "method": self.method,
            "inputs": {name: _tensor_json(each) for name, each in self.inputs.items()},
            "outputs": {name: _tensor_json(each) for name, each in self.outputs.items()},
        }


def _short(names: list[str]) -> str:
    text = ",".join(names)
    return text if len(text) <= 500 else text[:500] + "..."


def _tensor_json(tensor: Tensor) -> dict[str, Any]:
    shape = None if tensor.shape is None else list(tensor.shape)
    return {"dtype": DTYPE_NAMES.get(tensor.dtype, str(tensor.dtype)), "shape": shape}


def as_message(signature: Signature) -> Any:
    """Return TensorFlow's own message of a signature."""
    found = schema.message("tensorflow.SignatureDef")(method_name=signature.method)
    for mine, theirs in ((signature.inputs, found.inputs), (signature.outputs, found.outputs)):
        for name, tensor in mine.items():
            info = theirs[name]
            info.name, info.dtype = tensor.tensor, tensor.dtype
            if tensor.shape is None:
                info.tensor_shape.unknown_rank = True
            else:
                info.tensor_shape.SetInParent()  # a single value has a shape too, without sizes
                for size in tensor.shape:
                    info.tensor_shape.dim.add(size=size)
    return found


def from_message(name: str, message: Any) -> Signature:
    """Return what a message of TensorFlow's says.

    :raises UnsupportedError: a dtype that no request can have.
    """
    return Signature(
        name, _tensors(name, message.inputs), _tensors(name, message.outputs), message.method_name or PREDICT
    )


def _tensors(signature: str, infos: Any) -> dict[str, Tensor]:
    found = {}
    for name in sorted(infos):
        info = infos[name]
        if info.dtype not in NUMPY:
            raise UnsupportedError(
                f"The signature {signature!r} has {name!r} of dtype {dtype_word(info.dtype)}, which this "
                "server cannot take or give. Serve the model with tensorflow/serving."
            )
        shape = info.tensor_shape
        sizes = None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)
        found[name] = Tensor(info.name, info.dtype, sizes)
    return found
