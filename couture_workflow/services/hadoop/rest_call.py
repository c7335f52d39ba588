"""One request over HTTP as a program of its own, so that it can be killed: JSON comes in, JSON goes out.

It needs nothing but Python's own library. With SPNEGO, the ticket cache is the one that KRB5CCNAME names, and
the system's libgssapi_krb5 makes the token: it reads such variables once in each process.
"""

from __future__ import annotations

import base64
import ctypes
import http.client
import json
import socket
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

#: Bytes of an answer that are read.
MOST = 8 * 2**20

LIBRARY = "libgssapi_krb5.so.2"

_SPNEGO = b"\x2b\x06\x01\x05\x05\x02"
_HOST_BASED_SERVICE = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04"
_ERRORS = 0xFFFF0000
_PARENT_DIED, _KILL = 1, 9


class GssError(Exception):
    """The library of Kerberos made no token."""


class _Buffer(ctypes.Structure):
    _fields_ = (("length", ctypes.c_size_t), ("value", ctypes.c_void_p))


class _Oid(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint32), ("elements", ctypes.c_void_p))


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: a token is for the server that was asked for."""

    def redirect_request(self, *_: Any) -> None:
        return None


def negotiation(host: str) -> str:
    """Return the value of the header ``Authorization`` for a host."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise GssError(f"{LIBRARY} is missing") from error
    words = (f"HTTP@{host}".encode(), _HOST_BASED_SERVICE, _SPNEGO)
    kept = [ctypes.create_string_buffer(each, len(each)) for each in words]
    addresses = [ctypes.cast(each, ctypes.c_void_p) for each in kept]
    minor, name, context, token = ctypes.c_uint32(), ctypes.c_void_p(), ctypes.c_void_p(), _Buffer()
    text = _Buffer(len(words[0]), addresses[0])
    kind, mechanism = _Oid(len(words[1]), addresses[1]), _Oid(len(words[2]), addresses[2])
    refer = ctypes.byref
    _check(library, library.gss_import_name(refer(minor), refer(text), refer(kind), refer(name)), minor)
    made = library.gss_init_sec_context(
        *(refer(minor), None, refer(context), name, refer(mechanism)),
        *(ctypes.c_uint32(0), ctypes.c_uint32(0), None, None, None, refer(token), None, None),
    )
    _check(library, made, minor)
    return "Negotiate " + base64.b64encode(ctypes.string_at(token.value or 0, token.length)).decode()


def _check(library: Any, major: int, minor: ctypes.c_uint32) -> None:
    if major & _ERRORS:
        said = (_said(library, major, 1), _said(library, minor.value, 2))
        raise GssError("; ".join(text for text in said if text))


def _said(library: Any, code: int, kind: int) -> str:
    minor, more, message = ctypes.c_uint32(), ctypes.c_uint32(), _Buffer()
    refer = ctypes.byref
    library.gss_display_status(
        refer(minor), ctypes.c_uint32(code & 0xFFFFFFFF), kind, None, refer(more), refer(message)
    )
    return ctypes.string_at(message.value, message.length).decode(errors="replace") if message.value else ""


def call(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request and return its answer.

    :param asked: ``method``, ``url``, ``body`` (text or None), ``spnego``, and ``seconds`` without a byte.
    """
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if asked["spnego"]:
        headers["Authorization"] = negotiation(urllib.parse.urlsplit(asked["url"]).hostname or "")
    body = asked["body"].encode() if asked["body"] is not None else None
    request = urllib.request.Request(asked["url"], body, headers, method=asked["method"])  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)
    try:
        with opener.open(request, timeout=asked["seconds"]) as answer:
            return {"status": answer.status, "body": answer.read(MOST).decode("utf-8", "replace")}
    except urllib.error.HTTPError as error:
        return {
            "status": error.code,
            "body": error.read(MOST).decode("utf-8", "replace"),
            "location": error.headers.get("Location", ""),
        }


def failure(error: BaseException) -> dict[str, str]:
    """Return what kept a request from being answered: a word for the kind, and what was said."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (GssError, "ticket"),
        (ssl.SSLCertVerificationError, "certificate"),
        (ssl.SSLError, "tls"),
        (socket.gaierror, "name"),
        (TimeoutError, "time"),
        (ConnectionRefusedError, "refused"),
        (OSError, "network"),
        (http.client.HTTPException, "answer"),
    )
    kind = next((word for known, word in kinds if isinstance(error, known)), "answer")
    return {"failed": kind, "said": str(getattr(error, "strerror", None) or error)}


def main() -> None:
    """Answer the request of the standard input."""
    ctypes.CDLL(None).prctl(_PARENT_DIED, _KILL, 0, 0, 0)
    asked = json.load(sys.stdin)
    try:
        answer = call(asked)
    except (GssError, OSError, ValueError, http.client.HTTPException) as error:
        answer = failure(error)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
