"""TensorFlow Serving's REST interface: paths, JSON and errors."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from google.protobuf import json_format

from .. import schema
from ..models.signatures import DEFAULT, check_rows
from ..status import INTERNAL, NAMES, OK, RESOURCE_EXHAUSTED, UNAUTHENTICATED, ServingError, invalid
from ..tensors import json_tensors, json_values
from ..versions.servable import STATES, Servable
from .access import Token
from .handlers import Handlers, Spec
from .http import Answer, Request

log = logging.getLogger(__name__)

_WHERE = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
_PREDICTION = re.compile(rf"(?i){_WHERE}:(classify|regress|predict)")
_STATUS = re.compile(rf"(?i)(?:{_WHERE}|/v1/models)(/metadata)?")
_PROMETHEUS, _OWN = "/monitoring/prometheus/metrics", "/monitoring/models"
#: What is answered in the event loop itself: small requests to versions that are quick.
_QUICK_BYTES, _QUICK_SECONDS = 64 << 10, 0.002
_LARGE_BYTES = 4 << 20
#: Requests that wait for a thread; more are refused.
_WAITING = 512
_MAX_VERSION = (1 << 63) - 1
_SUFFIXES = {"predict": "Predict", "classify": "Classify", "regress": "Regress"}


@dataclass(frozen=True)
class _Call:
    method: str
    spec: Spec


class Rest:
    """Answers requests; ``respond`` and ``refuse`` are what the HTTP server calls."""

    def __init__(self, handlers: Handlers, token: Token, threads: ThreadPoolExecutor) -> None:
        self._handlers, self._token, self._threads = handlers, token, threads
        self._waiting = 0
        self._large = threading.Lock()

    def refuse(self, status: int, sentence: str) -> Answer:
        """Return the answer to what is no request."""
        return Answer(status, orjson.dumps({"error": sentence}))

    def respond(self, request: Request) -> Answer | Awaitable[Answer]:
        """Answer a request, at once if it is quick."""
        try:
            self._token.demand(request.headers.get("authorization", ""))
            if request.method == "POST" and (match := _PREDICTION.fullmatch(request.path)):
                return self._prediction(_Call(match[4].lower(), _spec(match)), request.body)
            if request.method == "GET":
                return self._read(request)
            raise _malformed(request)
        except ServingError as error:
            return _error(error)
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path[:200])
            return _error(ServingError(INTERNAL, f"The server failed: {type(error).__name__}."))

    def _prediction(self, call: _Call, body: bytes) -> Answer | Awaitable[Answer]:
        if len(body) <= _QUICK_BYTES and self._is_quick(call.spec):
            return self._answer(call, body)
        if self._waiting >= _WAITING:
            raise ServingError(RESOURCE_EXHAUSTED, f"{_WAITING} requests wait already. Try again later.")
        return self._in_thread(call, body)

    def _is_quick(self, spec: Spec) -> bool:
        """Tell whether the version is one that answers before a thread would be there."""
        found = self._handlers.manager.peek(spec.name, spec.version, spec.label)
        return found is None or found.seconds < _QUICK_SECONDS

    async def _in_thread(self, call: _Call, body: bytes) -> Answer:
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, call, body)
        finally:
            self._waiting -= 1

    def _answer(self, call: _Call, body: bytes) -> Answer:
        # What a large body becomes takes many times its size, so there is one of them at a time.
        with self._large if len(body) > _LARGE_BYTES else nullcontext():
            return self._answered(call, body)

    def _answered(self, call: _Call, body: bytes) -> Answer:
        try:
            with self._handlers.counted(call.spec.name, _SUFFIXES[call.method], "REST"):
                return Answer(200, getattr(self, f"_{call.method}")(call.spec, body))
        except ServingError as error:
            return _error(error)

    def _predict(self, spec: Spec, body: bytes) -> bytes:
        found = json_tensors.parse(body)
        name = _signature_name(found)
        with self._handlers.chosen(spec) as servable:
            signature = servable.signature(name)
            if signature is None:
                raise invalid(f'Serving signature name: "{name[:200]}" not found in signature def')
            feed, rows = json_tensors.read_inputs(found, signature, most=self._handlers.limits.rows)
            outputs = self._handlers.run(servable, signature, feed, (), "Predict")
            return json_tensors.write_outputs(outputs, rows=rows)

    def _classify(self, spec: Spec, body: bytes) -> bytes:
        spec, examples = _examples(spec, body, self._handlers.limits.rows)
        _, rows = self._handlers.classify(spec, examples)
        return _results([[[label.decode(errors="replace"), score] for label, score in row] for row in rows])

    def _regress(self, spec: Spec, body: bytes) -> bytes:
        spec, examples = _examples(spec, body, self._handlers.limits.rows)
        _, values = self._handlers.regress(spec, examples)
        return _results(list(values))

    def _read(self, request: Request) -> Answer:
        if request.path == _PROMETHEUS:
            return Answer(200, self._handlers.metrics.prometheus().encode(), "text/plain")
        if request.path == _OWN:
            return Answer(200, orjson.dumps(self._handlers.manager.as_json()))
        match = _STATUS.fullmatch(request.path)
        if match is None:
            raise _malformed(request)
        if not match[1]:
            raise invalid("Missing model name in request.")
        spec = _spec(match)
        return self._metadata(spec) if match[4] else self._status(spec)

    def _status(self, spec: Spec) -> Answer:
        found = self._handlers.manager.statuses(spec.name, spec.version, spec.label)
        body = {"model_version_status": [_status_json(each) for each in found]}
        return Answer(200, orjson.dumps(body, option=orjson.OPT_INDENT_2))

    def _metadata(self, spec: Spec) -> Answer:
        servable, signatures = self._handlers.metadata(spec)
        described = json_format.MessageToDict(
            signatures,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            descriptor_pool=schema.POOL,
        )
        body = {
            "model_spec": {
                "name": servable.model,
                "signature_name": "",
                "version": str(servable.version),
            },
            "metadata": {"signature_def": described},
        }
        return Answer(200, orjson.dumps(body, option=orjson.OPT_INDENT_2))


def _spec(match: re.Match[str]) -> Spec:
    version = int(match[2]) if match[2] and len(match[2]) < 20 else None
    if match[2] and (version is None or version > _MAX_VERSION):
        raise invalid(f"Failed to convert version: {match[2][:100]} to numeric.")
    return Spec(_decoded(match[1]), version, _decoded(match[3]) if match[3] else None)


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.encode("latin-1")).decode(errors="replace")


def _malformed(request: Request) -> ServingError:
    error = invalid(f"Malformed request: {request.method} {request.path[:500]}")
    return error if request.path.lower().startswith("/v1/") else ServingError(5, error.message)


def _error(error: ServingError) -> Answer:
    headers = (("WWW-Authenticate", "Bearer"),) if error.code == UNAUTHENTICATED else ()
    return Answer(error.http, orjson.dumps({"error": _clean(error.message)}), headers=headers)


def _clean(text: str) -> str:
    """Return a text without what no JSON can have: halves of characters."""
    return text.encode(errors="replace").decode()


def _status_json(servable: Servable) -> dict[str, Any]:
    error = servable.error
    return {
        "version": str(servable.version),
        "state": STATES[servable.state],
        "status": {
            "error_code": NAMES[error.code if error else OK],
            "error_message": error.message if error else "",
        },
    }


def _signature_name(body: dict[str, Any]) -> str:
    name = body.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid("JSON Value: not formatted correctly. 'signature_name' key must be a string value.")
    return name or DEFAULT


def _results(values: Any) -> bytes:
    return bytes(orjson.dumps({"results": values}, option=orjson.OPT_SERIALIZE_NUMPY, default=float))


def _examples(spec: Spec, body: bytes, most: int) -> tuple[Spec, list[bytes]]:
    """Return serialized examples, as models for ``:classify`` and ``:regress`` take them."""
    found = json_tensors.parse(body)
    name = _signature_name(found)
    examples = found.get("examples")
    if examples is None:
        raise invalid("JSON Value: {} When method is classify, key 'examples' is expected and was not found")
    if not isinstance(examples, list):
        raise invalid("JSON Value: {} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid("JSON Value: {} 'examples' value is an empty array")
    check_rows("The request", len(examples), most)
    # A context stands before each example: what both have, the example says.
    context = _example(found["context"]) if "context" in found else b""
    return Spec(spec.name, spec.version, spec.label, name), [context + _example(each) for each in examples]


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid("Example must be JSON object but got JSON " + json_values.kind(value))
    found = schema.message("tensorflow.Example")()
    for name, content in value.items():
        feature = found.features.feature[name]
        for each in content if isinstance(content, list) else [content]:
            _add_to_feature(feature, name, each)
    return bytes(found.SerializeToString())


def _add_to_feature(feature: Any, name: str, value: Any) -> None:
    plain: Any
    if isinstance(value, bool | int):
        kind, plain = "int64_list", int(value)
    elif isinstance(value, float):
        kind, plain = "float_list", value
    elif isinstance(value, str):
        kind, plain = "bytes_list", value.encode()
    elif json_values.is_base64(value):
        kind, plain = "bytes_list", json_values.decoded(value)
    else:
        raise invalid(
            f"Feature: {name[:200]} has element with unexpected JSON type: {json_values.kind(value)}"
        )
    there = feature.WhichOneof("kind")
    if there not in (None, kind):
        raise invalid(
            f"Unexpected element type in feature: {name[:200]} expecting type: {there.removesuffix('_list')}"
        )
    try:
        getattr(feature, kind).value.append(plain)
    except ValueError:
        raise invalid(f"Feature: {name[:200]} has uint64_t element. Only int64_t is supported.") from None
