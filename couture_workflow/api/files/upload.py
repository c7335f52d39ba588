"""Uploads as they arrive: the body goes to the store in pieces; memory and the event loop stay free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from anyio import CancelScope, to_thread
from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from couture_workflow.exceptions import CoutureError, InvalidError
from couture_workflow.services.files.kinds import Received, Reception
from couture_workflow.web.errors import describe

#: Bytes that are handed to a thread at once; two such pieces are in memory: one arrives, one is written.
PIECE = 2**20
#: Form field of the files in a multipart body.
FIELD = "sources"
#: Bytes of the headers of one part.
_HEADER_BYTES = 16 * 2**10
#: Refused files of a form that are told, each with its sentence; a form can have a hundred thousand.
_MOST_TOLD = 100

Result = TypeVar("Result", covariant=True)

#: Make a reception from the name of a file.
Begin = Callable[..., Reception]


class Sink(Protocol[Result]):
    """What an upload is written to."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was not finished."""

    def write(self, chunk: bytes) -> None:
        """Add bytes."""

    def finish(self) -> Result:
        """Keep it."""


async def receive_body(request: Request, begin: Begin, name: str) -> Received:
    """Store the body of a request as one file."""
    reception = await to_thread.run_sync(partial(begin, name, announced=announced_size(request)))
    return await receive(request, reception)


def announced_size(request: Request) -> int | None:
    """Return the bytes that the caller says it will send, None if it does not."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


async def receive_form(request: Request, begin: Begin) -> FormResult:
    """Store every file of a multipart body; one that is refused does not keep the others out."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidError(
            f"Send a form (multipart/form-data) with one or more files in the field {FIELD}, as "
            f"curl -F {FIELD}=@file does.",
            field=FIELD,
        )
    return await receive(request, Form(options[b"boundary"], begin))


async def receive(request: Request, sink: Sink[Result]) -> Result:
    """Stream the body into the sink, which is left only when no thread writes to it any more."""
    await to_thread.run_sync(sink.__enter__)
    try:
        await _pump(request, sink.write)
        return await to_thread.run_sync(sink.finish)
    except ClientDisconnect:
        raise InvalidError(
            "The upload broke off before its end. Nothing was stored; send it again."
        ) from None
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(sink.__exit__, None, None, None)


async def _pump(request: Request, write: Callable[[bytes], None]) -> None:
    """Write one piece in a thread while the next one arrives."""
    pending: asyncio.Task[None] | None = None
    try:
        async for piece in _pieces(request):
            if pending is not None:
                await pending
            pending = asyncio.create_task(to_thread.run_sync(write, piece))
        if pending is not None:
            await pending
    finally:
        if pending is not None:
            with CancelScope(shield=True):
                await asyncio.wait({pending})


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size >= PIECE:
            yield b"".join(chunks)
            chunks, size = [], 0
    if size:
        yield b"".join(chunks)


@dataclass
class FormResult:
    """What became of the files of a form."""

    received: list[Received] = field(default_factory=list)
    errors: list[tuple[str, CoutureError]] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The HTTP status: that of the first error, 201 if a file is new, else 200."""
        if self.errors:
            return describe(self.errors[0][1]).status
        return 201 if any(received.outcome == "created" for received in self.received) else 200

    @property
    def problem(self) -> dict[str, Any]:
        """The first error as every answer has it, and the first hundred by name of the file."""
        if not self.errors:
            return {}
        reports = [{"name": name, **describe(error).json()} for name, error in self.errors[:_MOST_TOLD]]
        return {**describe(self.errors[0][1]).json(), "errors": reports}


class Form:
    """Takes the files out of a multipart body while it arrives, each into a reception of its own."""

    def __init__(self, boundary: bytes, begin: Begin) -> None:
        self._begin = begin
        self._result = FormResult()
        self._reception: Reception | None = None
        self._in_part = False
        self._filename: str | None = None
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._header_bytes = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()

    @property
    def errors(self) -> list[CoutureError]:
        """Why files were refused so far."""
        return [error for _, error in self._result.errors]

    def write(self, chunk: bytes) -> None:
        """Parse bytes of the body."""
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise InvalidError(f"The form cannot be read: {error}.", field=FIELD) from error

    def finish(self) -> FormResult:
        """Return what became of the files."""
        if self._in_part:
            raise InvalidError("The form breaks off before its end. Send it again.", field=FIELD)
        if not (self._result.received or self._result.errors):
            raise InvalidError(f"The form has no file in the field {FIELD}.", field=FIELD)
        return self._result

    def _part_begin(self) -> None:
        self._in_part, self._filename, self._headers, self._header_bytes = True, None, {}, 0

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._limit(end - start)
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._limit(end - start)
        self._value += data[start:end]

    def _limit(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _HEADER_BYTES:
            raise InvalidError(
                f"The form cannot be read: the headers of one of its parts have more than {_HEADER_BYTES:,} "
                "bytes. Send the file with a shorter name.",
                field=FIELD,
            )

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name") != FIELD.encode() or not options.get(b"filename"):
            return
        name = options[b"filename"].decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
        self._filename = name
        try:
            self._reception = self._begin(name)
            self._reception.__enter__()
        except CoutureError as error:
            self._refuse(error)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._reception is not None:
            try:
                self._reception.write(data[start:end])
            except CoutureError as error:
                self._refuse(error)

    def _part_end(self) -> None:
        self._in_part = False
        if self._reception is not None:
            try:
                self._result.received.append(self._reception.finish())
            except CoutureError as error:
                self._refuse(error)
        self._drop()

    def _refuse(self, error: CoutureError) -> None:
        self._result.errors.append((self._filename or "", error))
        self._drop()

    def _drop(self) -> None:
        reception, self._reception = self._reception, None
        if reception is not None:
            reception.__exit__(None, None, None)
