"""JSON bodies of this API, read within a limit."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request

from couture_workflow.exceptions import InvalidError, TooLargeError
from couture_workflow.services.eda.document import MOST_BYTES
from couture_workflow.web.bodies import announced

JSON = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
}


async def json_body(request: Request, *, most: int = MOST_BYTES) -> dict[str, Any]:
    """Return the JSON object that was sent, or raise ``InvalidError`` or ``TooLargeError``.

    :param most: bytes.
    """
    _check(announced(request.scope), most)
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        _check(size, most)
        pieces.append(piece)
    try:
        found = json.loads(b"".join(pieces))
    except (ValueError, RecursionError) as error:
        raise InvalidError("The body is no JSON, or is nested too deeply. Send a JSON object.") from error
    if not isinstance(found, dict):
        raise InvalidError("The body must be a JSON object.")
    return found


def _check(size: int, most: int) -> None:
    if size > most:
        raise TooLargeError(f"The body has more than the {most:,} bytes that it may have. Send less.")
