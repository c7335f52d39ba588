"""Asks the model server, ours or the official one, what it serves, by TensorFlow Serving's REST interface."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote as percent_encode

import httpx

from couture_workflow import settings
from couture_workflow.exceptions import InvalidError, ModelServerError
from couture_workflow.services.models import readiness

#: Seconds for a question about states, and bytes of an answer that are read at most.
_QUICK, MOST_ANSWER = 5.0, 64 * 2**20
AVAILABLE, END = "AVAILABLE", "END"
HOW = (
    "Start it: couture-workflow serve-models, or the option serve_models of the embedded workbench; or set "
    "[couture_workflow] serving_url to where it is."
)


class SlowServerError(ModelServerError):
    """It did not answer in time, as one that loads a large model on a busy machine does not."""


@dataclass(frozen=True)
class Answer:
    """What the server said.

    :param json: the answer as data, None if it is no JSON.
    :param seconds: from the request to the whole answer.
    """

    status: int
    json: Any
    text: str
    seconds: float


@dataclass(frozen=True)
class Status:
    """How far the server is with one version.

    :param state: ``START``, ``LOADING``, ``AVAILABLE``, ``UNLOADING`` or ``END``.
    :param error: why it ended, "" if it did not fail.
    """

    state: str
    error: str = ""


@dataclass(frozen=True)
class Look:
    """What the server serves at the moment.

    :param error: why that is not known, "" if it is.
    :param models: name -> version -> what its monitoring says of it; the official server has none.
    """

    error: str = ""
    monitored: bool = False
    models: Mapping[str, Mapping[int, Mapping[str, Any]]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        """Tell whether it answers."""
        return not self.error


def url() -> str:
    """Return the address of its REST interface, without a slash at its end."""
    return settings.serving_url()


def ask(path: str, body: bytes | None = None, *, seconds: float = 30.0, most: int = MOST_ANSWER) -> Answer:
    """Send a request (None: GET, else POST) and return what came back, whatever its status.

    :raises ModelServerError: it does not answer.
    """
    began = time.perf_counter()
    if (own := readiness.now()) is not None and own.is_in_the_way:
        raise ModelServerError(own.said)
    try:
        with _client().stream(
            "GET" if body is None else "POST", url() + path, content=body, headers=_headers(), timeout=seconds
        ) as response:
            content = _within(response, most, time.monotonic() + seconds)
            status = response.status_code
            found = _json(response, content)
    except httpx.TimeoutException as error:
        raise SlowServerError(
            f"The model server at {url()} did not answer within {seconds:g} seconds. Try again when it has "
            "less to do."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise ModelServerError(
            f"The model server does not answer at {url()} ({_why(error)}). {own.said if own else HOW}"
        ) from error
    return Answer(status, found, content.decode(errors="replace"), time.perf_counter() - began)


@lru_cache(maxsize=1)
def _client() -> httpx.Client:
    """Return what sends requests, without a connection that is kept: a server that restarts has none."""
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def _headers() -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if (file := settings.serving_token_file()) is not None:
        try:
            headers["Authorization"] = f"Bearer {file.read_text(encoding='ascii').strip()}"
        except (OSError, UnicodeDecodeError) as error:
            raise ModelServerError(
                f"The token for the model server cannot be read from {file}. An administrator can look at "
                "[couture_workflow] serving_token_file."
            ) from error
    return headers


def _within(response: httpx.Response, most: int, until: float) -> bytes:
    pieces, size = [], 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > most:
            raise InvalidError(f"The answer of the model server has more than {most >> 20} MiB.")
        if time.monotonic() > until:
            raise httpx.ReadTimeout("too slow")
        pieces.append(piece)
    return b"".join(pieces)


def _json(response: httpx.Response, content: bytes) -> Any:
    try:
        return httpx.Response(response.status_code, content=content).json()
    except (ValueError, RecursionError):
        return None


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def status(name: str, version: int) -> Status | None:
    """Return how far the server is with a version, None if it does not know it."""
    found = _statuses(f"/v1/models/{percent_encode(name, safe='')}/versions/{version}")
    return found.get(version)


def label(name: str, label: str) -> int | None:
    """Return the version that a label names at the server, None if it names none."""
    place = f"/v1/models/{percent_encode(name, safe='')}/labels/{percent_encode(label, safe='')}"
    return next(iter(_statuses(place)), None)


def _statuses(path: str) -> dict[int, Status]:
    answer = ask(path, seconds=_QUICK, most=2**20)
    _check_token(answer)
    if answer.status != 200:
        return {}
    try:
        return {
            int(each["version"]): Status(
                str(each["state"]), str(each.get("status", {}).get("error_message", ""))
            )
            for each in answer.json["model_version_status"]
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_server() from error


def _no_server() -> ModelServerError:
    return ModelServerError(
        f"What answers at {url()} is no model server. An administrator can look at [couture_workflow] "
        "serving_url."
    )


def _check_token(answer: Answer) -> None:
    if answer.status in (401, 403):
        raise ModelServerError(
            f"The model server at {url()} wants another token than [couture_workflow] serving_token_file "
            "has. An administrator can give both the same file."
        )


def look() -> Look:
    """Return what the server serves; never raises."""
    try:
        answer = ask("/monitoring/models", seconds=_QUICK)
        _check_token(answer)
    except (ModelServerError, InvalidError) as error:
        return Look(error=str(error))
    if answer.status != 200:
        return Look()  # the official server has no such address
    try:
        models = answer.json["models"]
        return Look(
            monitored=True,
            models={each["name"]: {one["version"]: one for one in each["versions"]} for each in models},
            labels={each["name"]: each["labels"] for each in models},
        )
    except (KeyError, TypeError, AttributeError):
        return Look(error=str(_no_server()))


def shown() -> dict[str, Any]:
    """Return what pages say of the server; never raises."""
    return described(look())


def described(found: Look) -> dict[str, Any]:
    """Return what pages say of a look at the server."""
    return {
        "running": found.is_running,
        "url": settings.serving_public_url(),
        "grpc": settings.serving_grpc(),
        "needs_token": settings.serving_token_file() is not None,
        "error": found.error,
    }
