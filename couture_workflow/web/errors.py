"""The one table from our errors to HTTP status, and how an error is told to a caller, as page or as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from couture_workflow import exceptions as errors

#: Error class -> (status, code in JSON). The first class in the error's own MRO that is listed counts.
STATUS: dict[type[Exception], tuple[int, str]] = {
    errors.InvalidNameError: (422, "invalid_name"),
    errors.GateError: (422, "gate"),
    errors.ScheduleError: (422, "schedule"),
    errors.InvalidError: (422, "invalid"),
    errors.NotAllowedError: (403, "not_allowed"),
    errors.NotFoundError: (404, "not_found"),
    errors.ConflictError: (409, "conflict"),
    errors.InUseError: (409, "in_use"),
    errors.TooLargeError: (413, "too_large"),
    errors.StorageFullError: (507, "storage_full"),
    errors.CorruptError: (500, "corrupt"),
    errors.RemoteError: (502, "remote"),
    errors.HadoopError: (502, "hadoop"),
    errors.KerberosError: (502, "kerberos"),
    errors.MailError: (502, "mail"),
    errors.EdaError: (422, "eda"),
    errors.ModelServerError: (503, "model_server"),
    errors.ModelError: (422, "model"),
    errors.JupyterError: (503, "jupyter"),
    errors.RuntimeMissingError: (500, "runtime_missing"),
    errors.SecretKeyError: (500, "secret_key"),
    errors.StorageError: (500, "storage"),
    errors.CoutureError: (500, "error"),
}

#: Status that no error of ours stands behind -> (code, title, text).
PLAIN: dict[int, tuple[str, str, str]] = {
    400: (
        "bad_request",
        "Bad request",
        "The request could not be understood. Reload the page and try again.",
    ),
    401: (
        "not_authenticated",
        "You are not logged in",
        "Your session has ended, or you have not logged in yet. Log in (in another tab if something of this "
        "page is not saved yet), then try again.",
    ),
    403: (
        "not_allowed",
        "Not allowed",
        "Your role does not include this. An administrator can change roles.",
    ),
    404: ("not_found", "Not found", "There is no such page. It may have been moved or deleted."),
    405: ("method_not_allowed", "Method not allowed", "This address does not accept that kind of request."),
    408: ("too_slow", "Too slow", "What was sent did not come in time. Send it again."),
    409: ("conflict", "Conflict", "Somebody else changed the same thing meanwhile."),
    413: (
        "too_large",
        "Too large",
        "This form accepts small texts only. Send large files through the REST API.",
    ),
    422: ("invalid", "Invalid", "Something that was typed breaks a rule."),
    429: ("too_many_requests", "Too many requests", "Wait a moment and try again."),
    500: ("server_error", "Something went wrong", "The log of the API server has the details."),
    502: ("bad_gateway", "Another server does not answer as it should", "Try again in a moment."),
    503: ("unavailable", "Not available now", "Try again in a moment."),
    507: ("storage_full", "The disk is full", "Nothing was changed. Free some space and try again."),
}


@dataclass(frozen=True)
class Report:
    """An error, ready to be shown."""

    status: int
    code: str
    title: str
    detail: str
    extra: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Return the body that a program gets."""
        return {"error": self.code, "detail": self.detail, **self.extra}


def plain(status: int, *, detail: str = "") -> Report:
    """Describe a bare HTTP status."""
    code, title, text = PLAIN.get(status, PLAIN[500 if status >= 500 else 400])
    return Report(status, code, title, detail or text)


def describe(error: errors.CoutureError) -> Report:
    """Describe an error of ours: its message as it is, and what else it knows."""
    status, code = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    extra = {
        name: list(value) if isinstance(value, tuple) else value
        for name in ("field", "member", "users", "paths", "base", "theirs", "problems", "talk")
        if (value := getattr(error, name, None))
    }
    return Report(status, code, PLAIN[status][1], str(error), extra)
