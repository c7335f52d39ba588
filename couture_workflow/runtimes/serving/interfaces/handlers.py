"""What a request does, whichever way it came in: predict, classify, regress, metadata and status."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import schema
from ..engines.engine import Arrays
from ..metrics import Metrics
from ..models.signatures import DEFAULT, STRING, Signature, as_message, check_rows, dtype_word
from ..status import INTERNAL, OK, ServingError, invalid
from ..versions.manager import Manager
from ..versions.servable import Servable

log = logging.getLogger(__name__)

#: What requests for models that are not served are counted under: names come from outside.
_OTHER = ""
_DIGITS = {np.dtype("<f4")}


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    :param body: bytes.
    :param rows: the first dimension of each input.
    """

    body: int = 64 << 20
    rows: int = 10_000


@dataclass(frozen=True)
class Spec:
    """Which model a request is for."""

    name: str
    version: int | None = None
    label: str | None = None
    signature: str = ""


class Handlers:
    """All that requests can do."""

    def __init__(self, manager: Manager, limits: Limits) -> None:
        self.manager = manager
        self.limits = limits
        self.metrics = Metrics()

    @contextmanager
    def counted(self, name: str, api: str, entrypoint: str) -> Iterator[None]:
        """Count a request with its time and how it ended."""
        began, code = time.perf_counter(), OK
        try:
            yield
        except ServingError as error:
            code = error.code
            raise
        except Exception as error:
            code = INTERNAL
            log.exception("A request for %s failed", name[:200])
            raise ServingError(INTERNAL, f"The server failed: {type(error).__name__}.") from error
        finally:
            model = name if self.manager.known(name) else _OTHER
            self.metrics.request(model, api, entrypoint, code=code, seconds=time.perf_counter() - began)

    @contextmanager
    def chosen(self, spec: Spec) -> Iterator[Servable]:
        """Give the version that a request is for, which stays loaded until its end."""
        found = self.manager.acquire(spec.name, spec.version, spec.label)
        began, failed = time.perf_counter(), True
        try:
            yield found
            failed = False
        finally:
            found.leave(time.perf_counter() - began, failed=failed)

    def run(
        self, servable: Servable, signature: Signature, feed: Arrays, outputs: tuple[str, ...], api: str
    ) -> Arrays:
        """Ask a version.

        :raises ServingError: the inputs do not fit, or the model fails.
        """
        signature.check(feed)
        for name, array in feed.items():
            check_rows(f"The input {name!r}", array.shape[0] if array.ndim else 1, self.limits.rows)
        chosen = signature.filtered(outputs)
        began = time.perf_counter()
        found = servable.engine.run(signature.name, feed, chosen)
        self.metrics.runtime(servable.model, api, servable.engine.name, time.perf_counter() - began)
        return found

    def classify(self, spec: Spec, examples: list[bytes]) -> tuple[Servable, list[list[tuple[bytes, float]]]]:
        """Return label and score of each class for each example."""
        with self.chosen(spec) as servable:
            signature = _classification(servable, spec.signature)
            found = self._examples(servable, signature, examples, "Classify")
            _check_classes(found, len(examples))
            classes, scores = found.get("classes"), found.get("scores")
            width = next(iter(found.values())).shape[1]
            return servable, [
                [
                    (
                        classes[row, column] if classes is not None else b"",
                        scores[row, column] if scores is not None else 0.0,
                    )
                    for column in range(width)
                ]
                for row in range(len(examples))
            ]

    def regress(self, spec: Spec, examples: list[bytes]) -> tuple[Servable, np.ndarray[Any, Any]]:
        """Return the value of each example."""
        with self.chosen(spec) as servable:
            signature = _regression(servable, spec.signature)
            value = self._examples(servable, signature, examples, "Regress")["outputs"]
            if value.ndim != 1 and not (value.ndim == 2 and value.shape[1] == 1):
                raise invalid(
                    "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
                    f"{list(value.shape)}"
                )
            if value.shape[0] != len(examples):
                raise invalid(
                    f"Input batch size did not match output batch size: {len(examples)} vs. {value.shape[0]}"
                )
            if value.dtype not in _DIGITS:
                raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {value.dtype}")
            return servable, value.ravel()

    def _examples(self, servable: Servable, signature: Signature, examples: list[bytes], api: str) -> Arrays:
        if not examples:
            raise invalid("Input is empty.")
        array = np.empty(len(examples), object)
        array[:] = examples
        return self.run(servable, signature, {"inputs": array}, (), api)

    def metadata(self, spec: Spec) -> tuple[Servable, Any]:
        """Return the version that was found and TensorFlow's map of its signatures."""
        with self.chosen(spec) as servable:
            found = schema.message("tensorflow.serving.SignatureDefMap")()
            for name, signature in servable.engine.signatures.items():
                found.signature_def[name].CopyFrom(as_message(signature))
            return servable, found


def _named(servable: Servable, name: str) -> Signature:
    signature = servable.signature(name)
    if signature is None:
        raise invalid(f"No signature was found with the name: {(name or DEFAULT)[:200]}")
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    return signature


def _check_input(signature: Signature, kind: str) -> None:
    if "inputs" not in signature.inputs:
        raise invalid(f"No {kind} inputs found in SignatureDef: {_text(signature)}")
    if signature.inputs["inputs"].dtype != STRING:
        wanted = dtype_word(signature.inputs["inputs"].dtype)
        raise invalid(f"Expects arg[0] to be {wanted} but string is provided")


def _classification(servable: Servable, name: str) -> Signature:
    signature = _named(servable, name)
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    _check_input(signature, "classification")
    if not signature.outputs.keys() & {"classes", "scores"}:
        raise invalid(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {_text(signature)}"
        )
    return signature


def _regression(servable: Servable, name: str) -> Signature:
    signature = _named(servable, name)
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    _check_input(signature, "regression")
    if "outputs" not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {_text(signature)}")
    return signature


def _check_classes(found: Mapping[str, np.ndarray[Any, Any]], count: int) -> None:
    widths = set()
    for name, kind in (("classes", np.dtype("O")), ("scores", np.dtype("<f4"))):
        if (array := found.get(name)) is None:
            continue
        if array.ndim != 2:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {list(array.shape)}")
        if array.dtype != kind:
            wanted = "DT_STRING" if name == "classes" else "DT_FLOAT"
            raise invalid(f"Expected {name} Tensor of {wanted}. Got: {array.dtype}")
        if array.shape[0] != count:
            raise invalid(f"Expected {name} output batch size of {count}. Got: {array.shape[0]}")
        widths.add(array.shape[1])
    if len(widths) > 1:
        raise invalid("Tensors class and score should match in dim_size(1).")


def _text(signature: Signature) -> str:
    return str(as_message(signature)).replace("\n", " ")[:500]
