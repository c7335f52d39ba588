"""Tensors on the wire of gRPC: TensorFlow's ``TensorProto`` to numpy and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..models.signatures import NUMBERS, NUMPY, STRING, dtype_word
from ..status import UNIMPLEMENTED, ServingError, invalid

#: TensorFlow's number of a dtype -> the field that has its values.
_FIELDS = {
    1: "float_val",
    2: "double_val",
    3: "int_val",
    4: "int_val",
    5: "int_val",
    6: "int_val",
    7: "string_val",
    9: "int64_val",
    10: "bool_val",
    17: "int_val",
    19: "half_val",
    22: "uint32_val",
    23: "uint64_val",
}
#: Dimensions that a tensor of TensorFlow may have; numpy has fewer.
_MAX_RANK = 32
#: Values that are packed as their own bytes: dtype -> the key of the field on the wire.
_PACKED = {1: b"\x2a", 2: b"\x32"}


def to_array(proto: Any, *, limit: int) -> np.ndarray[Any, Any]:
    """Return the values of a ``TensorProto``.

    :param limit: bytes that an array may take, so that a shape alone cannot ask for all memory.
    :raises ServingError: shape and values do not fit together, or the dtype is none for requests.
    """
    dtype = NUMPY.get(proto.dtype)
    if dtype is None:
        raise invalid(f"Tensors of dtype {dtype_word(proto.dtype)} cannot be sent in a request")
    shape = _shape(proto)
    count = math.prod(shape)
    if count * max(dtype.itemsize, 1) > limit:
        raise invalid(f"A tensor of shape {list(shape)} takes more than the {limit} bytes of a request")
    if proto.tensor_content and proto.dtype != STRING:
        if len(proto.tensor_content) != count * dtype.itemsize:
            raise invalid(
                f"Invalid TensorProto: tensor_content has {len(proto.tensor_content)} bytes, and a tensor of "
                f"shape {list(shape)} and dtype {dtype_word(proto.dtype)} has {count * dtype.itemsize}"
            )
        return _booleans(np.frombuffer(proto.tensor_content, dtype)).reshape(shape)
    return _from_values(getattr(proto, _FIELDS[proto.dtype]), proto.dtype, shape, count)


def _shape(proto: Any) -> tuple[int, ...]:
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise invalid("Invalid TensorProto: the shape of a tensor in a request must be known")
    if len(shape) > _MAX_RANK:
        raise invalid(f"Invalid TensorProto: {len(shape)} dimensions, and at most {_MAX_RANK} are possible")
    return shape


def _booleans(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Make every byte of booleans 0 or 1, as engines take for granted."""
    return array.view("u1") != 0 if array.dtype == np.bool_ else array


def _from_values(
    values: Sequence[Any], number: int, shape: tuple[int, ...], count: int
) -> np.ndarray[Any, Any]:
    """Make an array of the values that are there; the last one stands for all that are missing."""
    if len(values) > count:
        raise invalid(f"Invalid TensorProto: {len(values)} values for a tensor of shape {list(shape)}")
    dtype = NUMPY[number]
    filler = values[-1] if values else (b"" if number == STRING else 0)
    try:
        if number == 19:
            array = np.full(count, filler, "<u2")
            array[: len(values)] = np.array(values, "<u2")
            return array.view("<f2").reshape(shape)
        array = np.full(count, filler, dtype)
        array[: len(values)] = values
    except OverflowError:
        raise invalid(f"Invalid TensorProto: a value does not fit into {dtype_word(number)}") from None
    return array.reshape(shape)


def fill(proto: Any, array: np.ndarray[Any, Any]) -> None:
    """Write an array into a ``TensorProto``, in the field of its dtype as TensorFlow Serving does."""
    number = NUMBERS.get(array.dtype)
    if number is None:
        raise ServingError(UNIMPLEMENTED, f"The model answers with {array.dtype}, which has no TensorProto.")
    proto.dtype = number
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if number in _PACKED:
        content = array.tobytes()
        proto.MergeFromString(_PACKED[number] + _varint(len(content)) + content)
    elif number == 19:
        proto.half_val.extend(array.view("<u2").ravel().tolist())
    else:
        getattr(proto, _FIELDS[number]).extend(array.ravel().tolist())


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)
