"""REST API of export and import: ``GET`` and ``POST`` on the address of a noun."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from couture_workflow.api.archives.upload import receive_archive
from couture_workflow.api.auth import User, requires
from couture_workflow.api.openapi import BINARY, body_of
from couture_workflow.exceptions import ConflictError, CoutureError, GateError, InvalidError
from couture_workflow.services.archives import import_export as service
from couture_workflow.services.archives import uploads as archive_uploads
from couture_workflow.services.archives.import_export import Noun
from couture_workflow.services.archives.plans import OnConflict, Prepared
from couture_workflow.services.archives.uploads import ArchiveUpload
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.archives import import_export as account_archives
from couture_workflow.web.archives.import_export import EXPORTS, IMPORTS, Choices
from couture_workflow.web.errors import describe
from couture_workflow.web.state import store

_PIECE = 2**18

#: For OpenAPI: the routes read the body themselves, so that it is streamed.
BODY = body_of(
    {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["sources"],
                "properties": {"sources": {**BINARY, "description": "A gzip tar."}},
            }
        },
        "application/gzip": {"schema": BINARY},
    },
    description="The archive, as a form (curl --form sources=@x.tar.gz) or as the body itself.",
)
_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {"description": "A gzip tar.", "content": {"application/gzip": {"schema": BINARY}}},
    304: {"description": "Nothing changed since the version that If-None-Match names."},
}


class ItemModel(BaseModel):
    """One file of the archive and what becomes of it."""

    path: str = Field(description="Where it goes.")
    action: str = Field(description="create, update, same, skip or conflict.")
    size: int = Field(description="Size in bytes.")
    resource: str = Field(description="The resource whose permissions guard it.")
    before: str = Field("", description="What is there now: id of the content or number of the version.")
    note: str = Field("", description="Something worth knowing.")


class MissingModel(BaseModel):
    """Something that a file names, and that is neither here nor in the archive."""

    path: str = Field(description="The file that names it.")
    reference: str = Field(description="What it names.")
    message: str = Field(description="What is missing and what to do.")
    blocks: bool = Field(description="Whether the import is refused for it.")


class ImportModel(BaseModel):
    """What an import did, or would do."""

    noun: str = Field(description="configs, dependencies or dags.")
    on_conflict: str = Field(description="What was chosen for files that are here with another content.")
    counts: dict[str, int] = Field(description="Number of files of each action.")
    items: list[ItemModel] = Field(description="The files.")
    missing: list[MissingModel] = Field(description="What files name and what is nowhere.")
    ignored: list[str] = Field(description="Leftovers of other programs in the archive.")
    notes: list[str] = Field(description="What else is worth knowing, such as secrets to be entered.")
    gate: dict[str, Any] | None = Field(description="What the save gate says; of a dry run of DAGs.")
    upgraded: dict[str, Any] = Field(description="What an upgrade rewrote, by file.")
    token: str = Field(description="The same as long as the import would do the same.")
    applied: bool = Field(description="Whether it was done; false for a dry run.")
    commit: str = Field(description="Id of the commit, empty if there is none.")
    kept: str = Field("", description="Id under which the archive is kept, for the page Import/Export.")


def archive_router(noun: Noun) -> APIRouter:
    """Return the routes for export and import of a noun."""
    router = APIRouter()
    _add_export(router, noun)
    _add_import(router, noun)
    return router


def _add_export(router: APIRouter, noun: Noun) -> None:
    exporter = requires(EXPORTS[noun])

    @router.get("/", responses=_EXPORTED, response_class=StreamingResponse, name=f"export_{noun}")
    def export(request: Request, user: User = exporter) -> Response:
        """Return everything that the caller may read as a gzip tar; secrets are left out."""
        made = account_archives.export(noun, user)
        headers = {
            "ETag": f'"{made.tag}"',
            "Cache-Control": "private, no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match", "").strip().removeprefix("W/") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        account_archives.sent(made, user)
        headers["Content-Disposition"] = f'attachment; filename="couture-{noun}.tar.gz"'
        return StreamingResponse(
            _in_pieces(service.write(made)), media_type="application/gzip", headers=headers
        )


def _add_import(router: APIRouter, noun: Noun) -> None:
    importer = requires(IMPORTS[noun])

    @router.post("/", response_model=ImportModel, openapi_extra=BODY, name=f"import_{noun}")
    async def receive(
        request: Request,
        dry_run: Annotated[bool, Query(description="Return the plan and change nothing.")] = False,
        on_conflict: Annotated[
            OnConflict, Query(description="What to do about a file that is here with another content.")
        ] = "replace",
        override: Annotated[
            bool, Query(description="DAGs: save in spite of errors that the save gate finds.")
        ] = False,
        upgrade: Annotated[
            bool, Query(description="DAGs: rewrite files that were written for an older Airflow.")
        ] = False,
        message: Annotated[str, Query(max_length=2000, description="Why; for the history.")] = "",
        keep: Annotated[bool, Query(include_in_schema=False)] = False,
        user: User = importer,
    ) -> JSONResponse:
        """Import an archive, all or nothing."""
        choices = Choices(on_conflict, override, upgrade, message)

        def work(upload: ArchiveUpload) -> tuple[int, dict[str, Any]]:
            if dry_run:
                return _dry_run(noun, upload, choices, user, keep=keep)
            return _import(noun, upload, choices, user)

        status, body = await receive_archive(request, work)
        return JSONResponse(body, status_code=status)


def _dry_run(
    noun: Noun, upload: ArchiveUpload, choices: Choices, user: User, *, keep: bool
) -> tuple[int, dict[str, Any]]:
    source = service.load(store(), noun, upload.path)
    prepared = account_archives.plan(source, choices, user)
    archive_uploads.sweep(store())
    kept = upload.keep(noun, user=user.get_name()).id if keep else ""
    return 200, {**prepared.plan.json(), "applied": False, "commit": "", "kept": kept}


def _import(noun: Noun, upload: ArchiveUpload, choices: Choices, user: User) -> tuple[int, dict[str, Any]]:
    source = service.load(store(), noun, upload.path)
    prepared = account_archives.plan(source, choices, user, gate=False)
    try:
        applied = account_archives.apply(source, prepared, choices, user)
    except (ConflictError, GateError, InvalidError) as error:
        return _refused(error, prepared)
    return 200, {**applied.plan.json(), "applied": True, "commit": applied.commit, "kept": ""}


def _refused(error: CoutureError, prepared: Prepared) -> tuple[int, dict[str, Any]]:
    report = describe(error)
    return report.status, {**report.json(), "plan": prepared.plan.json()}


def _in_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces: each one that is sent costs a switch of threads."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
