"""If-Match: the version that a caller has read, and 412 where it is not the present one any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Header
from fastapi.responses import Response

from couture_workflow.exceptions import ConflictError
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.errors import describe

IfMatch = Annotated[str | None, Header(description="ETag of the version that was edited.")]

#: ETag of what was never saved.
_NEVER = "none"


def tag_of(if_match: str | None) -> str:
    """Return what stands between the quotes of an ETag, "" for none."""
    return (if_match or "").strip().removeprefix("W/").strip('"')


def base_of(if_match: str | None) -> str | None:
    """Return the version that If-Match names, None if it names none."""
    tag = tag_of(if_match)
    return tag if tag not in ("", "*") else None


def edited(present: str | None, if_match: str | None) -> str | None:
    """Return the version that was edited: the present one unless If-Match names one; None: none was saved."""
    if if_match is None or if_match.strip() == "*":
        return present
    tag = tag_of(if_match)
    return None if tag == _NEVER else tag


def conflict(error: ConflictError, named: str | None) -> JSONResponse:
    """Answer a conflict: 412 where the caller has named a version, else 409."""
    return JSONResponse(describe(error).json(), status_code=412 if named else 409)


def or_conflict(work: Callable[[], Response], named: str | None) -> Response:
    """Answer, or tell the conflict; see ``conflict``."""
    try:
        return work()
    except ConflictError as error:
        return conflict(error, named)
