"""TensorFlow Serving's gRPC interface: ``PredictionService`` and ``ModelService``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from .. import schema
from ..models.signatures import DEFAULT
from ..status import (
    FAILED_PRECONDITION,
    INTERNAL,
    OK,
    RESOURCE_EXHAUSTED,
    UNIMPLEMENTED,
    ServingError,
    invalid,
)
from ..tensors import proto_tensors as tensors
from .access import Token
from .handlers import Handlers, Spec

_PACKAGE = "tensorflow.serving"
_SIGNATURES = "signature_def"
_QUICK_BYTES, _QUICK_SECONDS = 64 << 10, 0.002
_CODES = {each.value[0]: each for each in grpc.StatusCode}
#: Calls that are answered or wait for a thread at once; more are refused.
_CALLS = 256
#: Bytes of all requests that are there at once, as a multiple of the largest one.
_REQUESTS = 8
#: Characters of an error: gRPC sends it as a header.
_ERROR = 2000


def _class(name: str) -> Any:
    return schema.message(f"{_PACKAGE}.{name}")


class Rpc:
    """The methods of both services: bytes in, bytes out."""

    def __init__(self, handlers: Handlers, token: Token, threads: ThreadPoolExecutor) -> None:
        self._handlers, self._token, self._threads = handlers, token, threads
        self._held = 0
        self._methods: dict[str, tuple[Any, Callable[[Any], Any]]] = {
            "PredictionService/Predict": (_class("PredictRequest"), self._predict),
            "PredictionService/Classify": (_class("ClassificationRequest"), self._classify),
            "PredictionService/Regress": (_class("RegressionRequest"), self._regress),
            "PredictionService/MultiInference": (_class("ModelSpec"), _unimplemented),
            "PredictionService/GetModelMetadata": (_class("GetModelMetadataRequest"), self._metadata),
            "ModelService/GetModelStatus": (_class("GetModelStatusRequest"), self._status),
            "ModelService/HandleReloadConfigRequest": (_class("ModelSpec"), _unimplemented),
        }

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what a server of gRPC is given."""
        return _Handler({f"/{_PACKAGE}.{name}": self._method(name) for name in self._methods})

    def _method(self, name: str) -> Any:
        kind, function = self._methods[name]
        api = name.partition("/")[2]

        async def answer(content: bytes, context: Any) -> bytes:
            self._held += len(content)
            try:
                self._token.demand(dict(context.invocation_metadata() or ()).get("authorization", ""))
                if self._held > _REQUESTS * self._handlers.limits.body:
                    raise ServingError(RESOURCE_EXHAUSTED, "The server is busy. Try again later.")
                return await self._run(api, kind, function, content)
            except ServingError as error:
                code = _CODES.get(error.code, grpc.StatusCode.UNKNOWN)
                await context.abort(code, error.message[:_ERROR])
                raise
            finally:
                self._held -= len(content)

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _run(self, api: str, kind: Any, function: Callable[[Any], Any], content: bytes) -> bytes:
        try:
            request = kind.FromString(content) if len(content) <= _QUICK_BYTES else None
        except DecodeError:
            raise invalid("The request is no message of this method.") from None
        if request is not None and self._is_quick(request):
            return self._answer(api, function, request)

        def slowly() -> bytes:
            try:
                return self._answer(api, function, request or kind.FromString(content))
            except DecodeError:
                raise invalid("The request is no message of this method.") from None

        return await asyncio.get_running_loop().run_in_executor(self._threads, slowly)

    def _is_quick(self, request: Any) -> bool:
        spec = _spec(getattr(request, "model_spec", None))
        found = self._handlers.manager.peek(spec.name, spec.version, spec.label)
        return found is None or found.seconds < _QUICK_SECONDS

    def _answer(self, api: str, function: Callable[[Any], Any], request: Any) -> bytes:
        name = request.model_spec.name if hasattr(request, "model_spec") else ""
        with self._handlers.counted(name, api, "GRPC"):
            return bytes(function(request).SerializeToString())

    def _predict(self, request: Any) -> Any:
        spec = _demanded(request)
        with self._handlers.chosen(spec) as servable:
            name = spec.signature or DEFAULT
            signature = servable.signature(name)
            if signature is None:
                raise ServingError(FAILED_PRECONDITION, f'Serving signature key "{name[:200]}" not found.')
            limit = self._handlers.limits.body
            feed = {each: tensors.to_array(proto, limit=limit) for each, proto in request.inputs.items()}
            found = self._handlers.run(servable, signature, feed, tuple(request.output_filter), "Predict")
            answer = _class("PredictResponse")()
            for each, array in found.items():
                tensors.fill(answer.outputs[each], array)
            _fill_spec(answer.model_spec, spec.name, servable.version, name)
            return answer

    def _classify(self, request: Any) -> Any:
        spec = _demanded(request)
        servable, rows = self._handlers.classify(spec, _examples(request))
        answer = _class("ClassificationResponse")()
        for row in rows:
            classes = answer.result.classifications.add().classes
            for label, score in row:
                classes.add(label=label.decode(errors="replace"), score=score)
        _fill_spec(answer.model_spec, spec.name, servable.version, spec.signature or DEFAULT)
        return answer

    def _regress(self, request: Any) -> Any:
        spec = _demanded(request)
        servable, values = self._handlers.regress(spec, _examples(request))
        answer = _class("RegressionResponse")()
        for value in values.tolist():
            answer.result.regressions.add(value=value)
        _fill_spec(answer.model_spec, spec.name, servable.version, spec.signature or DEFAULT)
        return answer

    def _metadata(self, request: Any) -> Any:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURES:
                raise invalid(f"Metadata field {field[:200]} is not supported")
        servable, signatures = self._handlers.metadata(_demanded(request))
        answer = _class("GetModelMetadataResponse")()
        answer.metadata[_SIGNATURES].Pack(signatures)
        _fill_spec(answer.model_spec, servable.model, servable.version, "")
        return answer

    def _status(self, request: Any) -> Any:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        spec = _spec(request.model_spec)
        answer = _class("GetModelStatusResponse")()
        for each in self._handlers.manager.statuses(spec.name, spec.version, spec.label):
            found = answer.model_version_status.add(version=each.version, state=each.state)
            found.status.error_code = each.error.code if each.error else OK
            found.status.error_message = each.error.message if each.error else ""
        return answer


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, methods: dict[str, Any]) -> None:
        self._methods = methods

    def service(self, handler_call_details: Any) -> Any:
        return self._methods.get(handler_call_details.method)


def _spec(message: Any) -> Spec:
    if message is None:
        return Spec("")
    choice = message.WhichOneof("version_choice")
    return Spec(
        message.name,
        message.version.value if choice == "version" else None,
        message.version_label if choice == "version_label" else None,
        message.signature_name,
    )


def _demanded(request: Any) -> Spec:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    spec = _spec(request.model_spec)
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    return spec


def _fill_spec(spec: Any, name: str, version: int, signature: str) -> None:
    spec.name, spec.signature_name, spec.version.value = name, signature, version


def _examples(request: Any) -> list[bytes]:
    """Return serialized examples; a context stands before each."""
    kind = request.input.WhichOneof("kind")
    if kind is None:
        raise invalid("Input is empty.")
    found = getattr(request.input, kind)
    context = found.context.SerializeToString() if kind == "example_list_with_context" else b""
    return [context + each.SerializeToString() for each in found.examples]


def _unimplemented(request: Any) -> Any:
    raise ServingError(UNIMPLEMENTED, "This server does not have this method; tensorflow/serving does.")


async def start(handler: grpc.GenericRpcHandler, host: str, port: int, *, body_limit: int) -> tuple[Any, int]:
    """Listen and return the server and its port.

    :raises ServingError: the port is taken.
    """
    size = body_limit + (1 << 20)
    server = grpc.aio.server(
        handlers=[handler],
        maximum_concurrent_rpcs=_CALLS,
        options=[
            ("grpc.max_receive_message_length", size),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
    )
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as error:
        raise ServingError(
            INTERNAL, f"The port {port} for gRPC is taken or not allowed on {host}."
        ) from error
    await server.start()
    return server, bound
