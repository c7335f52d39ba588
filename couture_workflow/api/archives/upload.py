"""An archive as it arrives, as the body or in a form; it is whole before anybody looks into it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from fastapi import Request
from python_multipart.multipart import parse_options_header

from couture_workflow.api.files.upload import FIELD, Form, announced_size, receive
from couture_workflow.exceptions import InvalidError
from couture_workflow.services.archives.uploads import ArchiveUpload
from couture_workflow.web.state import store

Result = TypeVar("Result")

#: What is done with the archive once it is whole; it runs in a thread, and the file is gone afterwards.
Work = Callable[[ArchiveUpload], Result]


async def receive_archive(request: Request, work: Work[Result]) -> Result:
    """Write the archive that a request brings to a temporary file, and do some work with it."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        return await receive(request, _Body(work, announced_size(request)))
    if not options.get(b"boundary"):
        raise InvalidError(
            f"The form has no boundary. Send it as curl -F {FIELD}=@x.tar.gz does.", field=FIELD
        )
    return await receive(request, _Form(work, options[b"boundary"]))


class _Body(Generic[Result]):
    """Takes the body as the archive."""

    def __init__(self, work: Work[Result], announced: int | None = None) -> None:
        self._work = work
        self.upload = ArchiveUpload(store(), announced=announced)

    def __enter__(self) -> Self:
        self.upload.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.upload.__exit__(kind, error, trace)

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        self.upload.write(chunk)

    def finish(self) -> Result:
        """Do the work."""
        return self._work(self.upload)


class _Form(_Body[Result]):
    """Takes the archive out of a form."""

    def __init__(self, work: Work[Result], boundary: bytes) -> None:
        super().__init__(work)
        self._part: _Part | None = None
        self._form = Form(boundary, self._begin)

    def _begin(self, name: str) -> Any:
        if self._part is not None:
            raise InvalidError(
                f"The form has several files. Send one archive in the field {FIELD}.", field=FIELD
            )
        self.upload.name = name
        self._part = _Part(self.upload)
        return self._part

    def write(self, chunk: bytes) -> None:
        """Parse bytes of the form."""
        self._form.write(chunk)
        if errors := self._form.errors:
            raise errors[0]

    def finish(self) -> Result:
        """Do the work when the form is whole."""
        self._form.finish()
        return super().finish()


class _Part:
    """The part of a form that is the archive; it ends before the form does."""

    def __init__(self, upload: ArchiveUpload) -> None:
        self._upload = upload

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def write(self, chunk: bytes) -> None:
        self._upload.write(chunk)

    def finish(self) -> None:
        return
