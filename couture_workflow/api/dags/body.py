"""The JSON of a DAG file that is sent: up to 32 MiB, of which nothing but a few texts is ever made.

A parser of any JSON takes seconds for as many bytes of brackets, in which nobody else is answered.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Literal

from anyio import to_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.dags.uploads import MOST_SENT
from couture_workflow.web import bodies

_TOO_LARGE = f"A body for this address has at most {MOST_SENT} bytes. Send less at once."
_WRONG = (
    "The body must be a JSON object of texts: the field content, and if you like encoding and message. Send "
    "that as UTF-8."
)
_MOST_FIELDS = 10
_BLANK = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder()


class DagWrite(BaseModel):
    """What to save."""

    content: str = Field(description="The whole new content.")
    encoding: Literal["utf-8", "base64"] = Field("utf-8", description="How the content is written.")
    message: str = Field("", max_length=2000, description="Why; for the history.")


async def dag_write(request: Request) -> DagWrite:
    """Return what was sent, or raise ``TooLargeError``, ``InvalidError`` or ``RequestValidationError``."""
    content = await bodies.read(request, most=MOST_SENT, refusal=_TOO_LARGE)
    return await to_thread.run_sync(partial(_written, content))


def _written(content: bytes) -> DagWrite:
    try:
        found = texts(content.decode("utf-8-sig"))
    except ValueError as error:
        raise InvalidError(_WRONG) from error
    try:
        return DagWrite.model_validate(found)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in problems]
        ) from error


def texts(text: str) -> dict[str, str]:
    """Read a JSON object whose values are texts, or raise ``ValueError`` at what is something else."""
    found: dict[str, str] = {}
    mark, at = _mark(text, 0, "{")
    if text[at : at + 1] == "}":
        mark, at = _mark(text, at, "}")
    while mark != "}":
        if len(found) == _MOST_FIELDS:
            raise ValueError(at)
        name, at = _text(text, at)
        _, at = _mark(text, at, ":")
        value, at = _text(text, at)
        if name in found:
            raise ValueError(name)
        found[name] = value
        mark, at = _mark(text, at, ",}")
    if at != len(text):
        raise ValueError(at)
    return found


def _text(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        raise ValueError(at)
    value, at = _decoder.raw_decode(text, at)
    return value, at


def _mark(text: str, at: int, marks: str) -> tuple[str, int]:
    """Return the mark that is next, and where what follows it begins."""
    at = _after_blanks(text, at)
    mark = text[at : at + 1]
    if not mark or mark not in marks:
        raise ValueError(at)
    return mark, _after_blanks(text, at + 1)


def _after_blanks(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at
