"""Tensors in JSON: TensorFlow Serving's row and column format, with the words of its errors.

The quick way takes what is right; what it refuses goes the slow way, which finds the first fault and says it.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
import orjson

from ..models.signatures import NUMPY, STRING, Signature, Tensor, check_rows, dtype_word
from ..status import UNIMPLEMENTED, ServingError, invalid
from .json_values import MAX_RANK, decoded, is_base64, kind, shown

_FLOATS = {1, 2, 19}
_REALS: set[type] = {int, float}
_WHOLES: set[type] = {int}
_FLAGS: set[type] = {bool}
_TEXTS: set[type] = {str}
_EXPECTED_KINDS: dict[int, set[type]] = {number: _WHOLES for number in NUMPY} | {
    **{number: _REALS for number in _FLOATS},
    10: _FLAGS,
    STRING: _TEXTS,
}
_ROW, _COLUMN = "instances", "inputs"


class _NotPlainError(ValueError):
    """The quick way does not know this value."""


def parse(body: bytes) -> dict[str, Any]:
    """Return the object that a request consists of.

    :raises ServingError: it is no JSON, or no object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        found = _parse_unusual(body, error)
    if not isinstance(found, dict):
        raise invalid(f"JSON Value: {shown(found)} Is not object")
    return found


def _parse_unusual(body: bytes, error: orjson.JSONDecodeError) -> Any:
    """Read NaN and Infinity, which TensorFlow Serving takes and JSON does not have."""
    if b"NaN" in body or b"Infinity" in body:
        try:
            found = json.loads(body)
            if b"\\u" in body:
                # What orjson refuses, Python's own reader takes: halves of characters.
                json.dumps(found, ensure_ascii=False).encode()
            return found
        except (ValueError, RecursionError):
            pass
    raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None


def read_inputs(
    body: Mapping[str, Any], signature: Signature, *, most: int = sys.maxsize
) -> tuple[dict[str, np.ndarray[Any, Any]], bool]:
    """Return the inputs of a ``:predict`` request, and whether it is in row format.

    :param most: rows that a request may have; with more it is refused before they are looked at.
    :raises ServingError: a value is not what the signature says.
    """
    if _ROW in body:
        rows = body[_ROW]
        if _COLUMN in body:
            raise invalid(
                f"JSON Value: {shown(body)} Not formatted correctly expecting only one of 'inputs' or "
                "'instances' keys to exist "
            )
        if not isinstance(rows, list):
            raise invalid(f"JSON Value: {shown(body)} Expecting 'instances' to be an list/array")
        if not rows:
            raise invalid(f"JSON Value: {shown(body)} No values in 'instances' array")
        check_rows("The request", len(rows), most)
        return _rows(rows, signature.inputs), True
    if _COLUMN in body:
        return _columns(body[_COLUMN], signature.inputs, most), False
    raise invalid("Missing 'inputs' or 'instances' key")


def _rows(rows: list[Any], wanted: Mapping[str, Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    if not _is_object(rows[0]) and len(wanted) != 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as "
            "per tensorinfo_map"
        )
    if not _is_object(rows[0]):
        ((name, tensor),) = wanted.items()
        try:
            return {name: _quick(rows, tensor.dtype)}
        except _NotPlainError:
            _explain_plain_rows(rows, tensor.dtype)
            return {name: _slow(rows, tensor.dtype)}
    try:
        if all(type(row) is dict and row.keys() == wanted.keys() for row in rows):
            return {name: _quick([row[name] for row in rows], each.dtype) for name, each in wanted.items()}
    except _NotPlainError:
        pass
    _explain_object_rows(rows, wanted)
    return {name: _slow([row[name] for row in rows], each.dtype) for name, each in wanted.items()}


def _columns(value: Any, wanted: Mapping[str, Tensor], most: int) -> dict[str, np.ndarray[Any, Any]]:
    if not _is_object(value):
        if len(wanted) != 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as "
                "per tensorinfo_map"
            )
        ((name, tensor),) = wanted.items()
        return {name: _either(name, value, tensor.dtype, most)}
    for name in wanted:
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: _either(name, value[name], each.dtype, most) for name, each in wanted.items()}


def _either(name: str, value: Any, dtype: int, most: int) -> np.ndarray[Any, Any]:
    check_rows(f"The input {name!r}", len(value) if isinstance(value, list) else 1, most)
    try:
        return _quick(value, dtype)
    except _NotPlainError:
        return _slow(value, dtype)


def _quick(value: Any, dtype: int) -> np.ndarray[Any, Any]:
    """Return an array of even lists of plain values of the right kind.

    :raises _NotPlainError: it is something else, right or wrong.
    """
    shape: list[int] = []
    level = [value]
    while type(level[0]) is list:
        size = len(level[0])
        if len(shape) >= MAX_RANK or not all(type(each) is list and len(each) == size for each in level):
            raise _NotPlainError
        shape.append(size)
        if not size:
            return np.zeros(shape, NUMPY[dtype])
        level = level[0] if len(level) == 1 else list(chain.from_iterable(level))
    if not set(map(type, level)) <= _EXPECTED_KINDS[dtype]:
        raise _NotPlainError
    return _array(level, dtype).reshape(shape)


def _array(values: list[Any], dtype: int) -> np.ndarray[Any, Any]:
    if dtype == STRING:
        found = np.empty(len(values), object)
        found[:] = [each.encode() for each in values]
        return found
    try:
        with np.errstate(over="ignore"):
            return np.array(values, NUMPY[dtype])
    except OverflowError:
        raise _NotPlainError from None


def _slow(value: Any, dtype: int) -> np.ndarray[Any, Any]:
    """Return the array of a value, texts in base64 among the others; say the first thing that is wrong."""
    shape = _shape(value)
    values: list[Any] = []
    _collect(value, 0, shape, dtype, values)
    if dtype == STRING:
        found = np.empty(len(values), object)
        found[:] = values
        return found.reshape(shape)
    try:
        return _array(values, dtype).reshape(shape)
    except _NotPlainError:
        raise invalid(f"A value does not fit into {dtype_word(dtype)}") from None


def _shape(value: Any) -> list[int]:
    shape: list[int] = []
    while isinstance(value, list):
        if len(shape) >= MAX_RANK:
            raise invalid(f"More than {MAX_RANK} lists stand in each other")
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _collect(value: Any, level: int, shape: list[int], dtype: int, values: list[Any]) -> None:
    """Add all values to the list, in the order and with the errors of TensorFlow Serving."""
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected "
                f"at level: {len(shape)}"
            )
        values.append(_leaf(value, dtype))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: "
            f"{shape[level]}"
        )
    for each in value:
        _collect(each, level + 1, shape, dtype, values)


def _leaf(value: Any, dtype: int) -> Any:
    if dtype == STRING and isinstance(value, dict):
        return decoded(value)
    kinds = _EXPECTED_KINDS[dtype]
    if type(value) not in kinds:
        raise invalid(
            f"JSON Value: {shown(value)} Type: {kind(value)} is not of expected type: {dtype_word(dtype)}"
        )
    if kinds is _WHOLES:
        limits = np.iinfo(NUMPY[dtype])
        if not limits.min <= value <= limits.max:
            raise invalid(
                f"JSON Value: {shown(value)} Type: Number is not of expected type: {dtype_word(dtype)}"
            )
    return value.encode() if dtype == STRING else value


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _explain_plain_rows(rows: list[Any], dtype: int) -> None:
    """Raise the error of the first row that is wrong, if one is."""
    first: list[int] | None = None
    for number, row in enumerate(rows):
        if _is_object(row):
            raise invalid(f"Expecting value/list but got object at item {number} of input list")
        where = f"Failed to process element: {number} of 'instances' list. Error: "
        first = _explain(row, dtype, first, where)


def _explain_object_rows(rows: list[Any], wanted: Mapping[str, Tensor]) -> None:
    first: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        if not _is_object(row):
            raise invalid(f"Expecting object but got list at item {number} of input list")
        for name, value in row.items():
            where = f"Failed to process element: {number} key: {name[:200]} of 'instances' list. Error: "
            if name not in wanted:
                error = invalid(f"JSON object: does not have named input: {name[:200]}")
                raise invalid(where + error.named)
            first[name] = _explain(value, wanted[name].dtype, first.get(name), where)
        if row.keys() != wanted.keys():
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: {shown(row)} keys "
                f"must be equal to: {','.join(sorted(wanted))}"
            )


def _explain(value: Any, dtype: int, first: list[int] | None, where: str) -> list[int]:
    """Return the shape of one row's value; raise if it is wrong or has another shape than the first one's."""
    try:
        shape = _shape(value)
        values: list[Any] = []
        _collect(value, 0, shape, dtype, values)
        size = int(np.prod(first)) if first is not None else len(values)
        if size != len(values):
            raise invalid(f"Expecting tensor size: {size} but got: {len(values)}")
        if first is not None and first != shape:
            raise invalid(f"Expecting shape {_list(first)} but got: {_list(shape)}")
    except ServingError as error:
        raise invalid(where + error.named) from None
    return shape


def _list(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def write_outputs(outputs: Mapping[str, np.ndarray[Any, Any]], *, rows: bool) -> bytes:
    """Return the answer to a ``:predict`` request.

    :raises ServingError: outputs have no rows, or not the same number of them.
    """
    if rows:
        return _dump({"predictions": _as_rows(outputs)}, outputs)
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        return _dump({"outputs": _plain(name, array)}, outputs)
    return _dump({"outputs": {name: _plain(name, array) for name, array in outputs.items()}}, outputs)


def _as_rows(outputs: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    size: int | None = None
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if size is not None and array.shape[0] != size:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {array.shape[0]} expecting: {size}"
            )
        size = array.shape[0]
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        return _plain(name, array)
    columns = {name: _plain(name, array) for name, array in outputs.items()}
    return [{name: column[row] for name, column in columns.items()} for row in range(size or 0)]


def _plain(name: str, array: np.ndarray[Any, Any]) -> Any:
    """Return what orjson can write: numbers stay an array, texts become strings, bytes base64."""
    if array.dtype != np.object_:
        if array.dtype.kind not in "fiub":
            raise ServingError(UNIMPLEMENTED, f"The model answers with {array.dtype}, which JSON has not.")
        widened = array.astype("<f4") if array.dtype == np.float16 else array
        # One value, or one row of an array, is nothing that orjson takes as an array.
        return np.ascontiguousarray(widened) if array.ndim else widened.item()
    convert = _base64 if name.endswith("_bytes") else _text
    if not array.ndim:
        return convert(array.item())
    found = np.empty(array.size, object)
    found[:] = [convert(each) for each in array.ravel()]
    return found.reshape(array.shape).tolist()


def _base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _dump(answer: Any, outputs: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Write JSON, with NaN and Infinity as words where there are some, as TensorFlow Serving does."""
    if all(each.dtype.kind != "f" or bool(np.isfinite(each).all()) for each in outputs.values()):
        return bytes(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY, default=_scalar))
    return json.dumps(answer, default=_listed).encode()


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(type(value).__name__)


def _listed(value: Any) -> Any:
    """Return numbers for Python's own writer, singles with the digits that they have."""
    if isinstance(value, np.float32):
        return float(str(value))
    if isinstance(value, np.ndarray):
        if value.dtype == np.float32:
            return np.array([float(str(each)) for each in value.ravel()]).reshape(value.shape).tolist()
        return value.tolist()
    return _scalar(value)
