"""JSON bodies of this API, read within a limit."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request

from couture_workflow.api.openapi import OBJECT_CONTENT, body_of
from couture_workflow.exceptions import InvalidError
from couture_workflow.services.eda.document import MOST_BYTES
from couture_workflow.web import bodies

JSON = body_of(OBJECT_CONTENT)


async def json_body(request: Request, *, most: int = MOST_BYTES) -> dict[str, Any]:
    """Return the JSON object that was sent, or raise ``InvalidError`` or ``TooLargeError``.

    :param most: bytes.
    """
    refusal = f"The body has more than the {most:,} bytes that it may have. Send less."
    content = await bodies.read(request, most=most, refusal=refusal)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidError("The body is no JSON, or is nested too deeply. Send a JSON object.") from error
    if not isinstance(found, dict):
        raise InvalidError("The body must be a JSON object.")
    return found
