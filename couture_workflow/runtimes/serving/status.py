"""The error of the model server: a code of gRPC's, which has a number, a status of HTTP, and a sentence."""

from __future__ import annotations

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND = range(6)
PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION = 7, 8, 9
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 12, 13, 14, 16

NAMES = {
    OK: "OK",
    CANCELLED: "CANCELLED",
    UNKNOWN: "UNKNOWN",
    INVALID_ARGUMENT: "INVALID_ARGUMENT",
    DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    NOT_FOUND: "NOT_FOUND",
    PERMISSION_DENIED: "PERMISSION_DENIED",
    RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
    FAILED_PRECONDITION: "FAILED_PRECONDITION",
    UNIMPLEMENTED: "UNIMPLEMENTED",
    INTERNAL: "INTERNAL",
    UNAVAILABLE: "UNAVAILABLE",
    UNAUTHENTICATED: "UNAUTHENTICATED",
}
#: As in TensorFlow Serving's http_server.cc.
HTTP = {
    OK: 200,
    CANCELLED: 499,
    UNKNOWN: 500,
    INVALID_ARGUMENT: 400,
    DEADLINE_EXCEEDED: 504,
    NOT_FOUND: 404,
    PERMISSION_DENIED: 403,
    RESOURCE_EXHAUSTED: 429,
    FAILED_PRECONDITION: 400,
    UNIMPLEMENTED: 501,
    INTERNAL: 500,
    UNAVAILABLE: 503,
    UNAUTHENTICATED: 401,
}


class ServingError(Exception):
    """Why a request, a model or a configuration is refused.

    :param code: one of the numbers of this module.
    :param http: the status of HTTP where it is not the one of the code.
    """

    def __init__(self, code: int, message: str, *, http: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http = http or HTTP[code]

    def __str__(self) -> str:
        return self.message

    @property
    def named(self) -> str:
        """Return what TensorFlow writes where an error stands in another: ``INVALID_ARGUMENT: ...``."""
        return f"{NAMES[self.code]}: {self.message}"


def invalid(message: str) -> ServingError:
    """Return the error of a request that can never succeed."""
    return ServingError(INVALID_ARGUMENT, message)


class UnsupportedError(ServingError):
    """A model that this engine cannot run, and TensorFlow itself perhaps can."""

    def __init__(self, message: str, *, operations: tuple[str, ...] = ()) -> None:
        super().__init__(UNIMPLEMENTED, message)
        self.operations = operations
