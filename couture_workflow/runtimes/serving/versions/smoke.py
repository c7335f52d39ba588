"""The smoke request: the smallest one that a signature allows, or the one that came with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..engines.engine import Engine
from ..models.signatures import NUMPY, STRING, Signature, Tensor
from ..status import INVALID_ARGUMENT, ServingError, invalid
from ..tensors import json_tensors

#: In a version's folder: a REST request as JSON that is sent instead of zeros.
FILE = Path("assets.extra") / "smoke_request.json"
_MAX_BYTES = 16 << 20
#: What sizes that may be anything are tried with, but for the first one, which is one row.
_SIZES = (1, 32, 224)


def run(engine: Engine, folder: Path) -> dict[str, dict[str, Any]]:
    """Send one request to each signature and return what came back: dtype and shape of each output.

    :raises ServingError: a signature does not answer.
    """
    return {name: _ask(engine, each, folder) for name, each in engine.signatures.items()}


def _ask(engine: Engine, signature: Signature, folder: Path) -> dict[str, Any]:
    given = _given(folder, signature)
    errors: list[ServingError] = []
    for feed in [given] if given is not None else [_zeros(signature, size) for size in _SIZES]:
        try:
            found = engine.run(signature.name, feed, tuple(signature.outputs))
        except ServingError as error:
            errors.append(error)
            continue
        return {name: [each.dtype.name, list(each.shape)] for name, each in found.items()}
    if given is None and _reads_text(signature) and errors[0].code == INVALID_ARGUMENT:
        # Empty text is no example, no image and no number: that the model says so is an answer.
        return {}
    raise ServingError(
        errors[0].code,
        f"The signature {signature.name!r} did not answer a request of "
        f"{'its own file ' + str(FILE) if given is not None else 'zeros'}: {errors[0].message}",
    )


def _reads_text(signature: Signature) -> bool:
    return any(each.dtype == STRING for each in signature.inputs.values())


def _given(folder: Path, signature: Signature) -> dict[str, np.ndarray[Any, Any]] | None:
    file = folder / FILE
    if not file.is_file():
        return None
    if file.stat().st_size > _MAX_BYTES:
        raise invalid(f"{FILE} is larger than {_MAX_BYTES >> 20} MiB.")
    body = json_tensors.parse(file.read_bytes())
    if body.get("signature_name", "serving_default") != signature.name:
        return None
    feed, _ = json_tensors.read_inputs(body, signature)
    signature.check(feed)
    return feed


def _zeros(signature: Signature, size: int) -> dict[str, np.ndarray[Any, Any]]:
    return {name: _zero(each, size) for name, each in signature.inputs.items()}


def _zero(tensor: Tensor, size: int) -> np.ndarray[Any, Any]:
    shape = (1,) if tensor.shape is None else tensor.shape
    sizes = [(1 if number == 0 else size) if each < 0 else each for number, each in enumerate(shape)]
    return np.full(sizes, b"" if tensor.dtype == STRING else 0, NUMPY[tensor.dtype])
