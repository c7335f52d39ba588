"""Single values of JSON: texts in base64, and what messages say of a value."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from ..status import invalid

#: Lists in lists that a tensor may have; one of numpy has at most 64 dimensions.
MAX_RANK = 32
_CHARACTERS = 256


def decoded(value: dict[str, Any]) -> bytes:
    """Return the bytes of ``{"b64": TEXT}``.

    :raises ServingError: it is something else.
    """
    if not is_base64(value):
        raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    try:
        return base64.b64decode(value["b64"] + "=" * (-len(value["b64"]) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def is_base64(value: Any) -> bool:
    """Tell whether a value is ``{"b64": TEXT}``."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def kind(value: Any) -> str:
    """Return what TensorFlow Serving calls the type of a value of JSON."""
    if isinstance(value, bool):
        return str(value)
    return {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}.get(
        type(value), "Null"
    )


def shown(value: Any) -> str:
    """Return a value as JSON, cut to what fits into a message; only its beginning is looked at."""
    text = json.dumps(_beginning(value, [_CHARACTERS], 0), ensure_ascii=False)
    return text[:_CHARACTERS]


def _beginning(value: Any, left: list[int], depth: int) -> Any:
    """Return a value without what a message has no place for."""
    if isinstance(value, str):
        value = value[: max(left[0], 0)]
        left[0] -= len(value)
        return value
    if isinstance(value, list | dict):
        left[0] -= 2
        if depth >= MAX_RANK or left[0] <= 0:
            return [] if isinstance(value, list) else {}
        if isinstance(value, list):
            kept = []
            for each in value:
                if left[0] <= 0:
                    break
                kept.append(_beginning(each, left, depth + 1))
            return kept
        found = {}
        for name, each in value.items():
            if left[0] <= 0:
                break
            left[0] -= len(name[:_CHARACTERS])
            found[name[:_CHARACTERS]] = _beginning(each, left, depth + 1)
        return found
    left[0] -= 4
    return value
