"""REST API of the DAG repository, ``/api/dags``: single files for programs."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.dags.body import DagWrite, dag_write
from couture_workflow.api.if_match import conflict, tag_of
from couture_workflow.api.openapi import body_of
from couture_workflow.exceptions import ConflictError, InvalidError, NotFoundError
from couture_workflow.permissions import CREATE, DAG_FILES, DELETE, READ, Permission
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.saving.save import Saved
from couture_workflow.store.names import quote
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.dags.saving import save_dags
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, DAG_FILES))]
Writer = Annotated[User, requires(Permission(CREATE, DAG_FILES))]
Deleter = Annotated[User, requires(Permission(DELETE, DAG_FILES))]

_IF_MATCH = Header(
    description="ETag of the content that was read: refused with 412 if it is another one now."
)
IfMatch = Annotated[str | None, _IF_MATCH]
Sent = Annotated[DagWrite, Depends(dag_write)]
_BODY = body_of({"application/json": {"schema": DagWrite.model_json_schema()}})
Override = Annotated[bool, Query(description="Save in spite of errors that the save gate finds.")]


class DagFileModel(BaseModel):
    """One file of the DAG repository."""

    path: str = Field(description="Path in the repository.")
    size: int = Field(description="Size in bytes.")
    etag: str = Field(description="Id of the content, for If-Match.")
    submodule: str = Field(description="The submodule that alone can change it, empty for none.")


class DagFiles(BaseModel):
    """The DAG repository."""

    commit: str | None = Field(description="The version, null if nothing was ever saved.")
    files: list[DagFileModel] = Field(description="Its files, by path.")


class DagContent(DagFileModel):
    """A file with its content."""

    commit: str | None = Field(description="The version that it was read from.")
    content: str = Field(description="The content.")
    encoding: str = Field(description="utf-8, or base64 for what is no text.")


class DagSaved(BaseModel):
    """What a save did."""

    commit: str = Field(description="Id of the commit.")
    problems: list[dict[str, Any]] = Field(description="What the save gate has to say; errors come first.")


@router.get("/files")
def list_files(_user: Reader) -> DagFiles:
    """List the files of the newest version."""
    head = store().dags.head()
    found = dag_repository.files(store(), commit=head) if head else ()
    return DagFiles(commit=head, files=[DagFileModel(**_facts(file)) for file in found])


@router.get("/files/{path:path}", response_model=DagContent)
def read_file(path: str, _user: Reader) -> JSONResponse:
    """Return one file of the newest version; its ETag is for If-Match."""
    head = store().dags.head()
    file = _file(path, head)
    content = dag_repository.read(store(), path, commit=head)
    try:
        text, encoding = content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(content).decode("ascii"), "base64"
    body = DagContent(**_facts(file), commit=head, content=text, encoding=encoding)
    return JSONResponse(body.model_dump(), headers={"ETag": f'"{file.blob}"'})


@router.put("/files/{path:path}", response_model=DagSaved, openapi_extra=_BODY)
def save_file(
    path: str, body: Sent, user: Writer, if_match: IfMatch = None, override: Override = False
) -> JSONResponse:
    """Save one file through the save gate; to change a file that exists needs can edit too."""
    (path,) = store().dags.checked({path: _content(body)})
    return _save(path, _content(body), user, if_match, message=body.message, override=override)


@router.delete("/files/{path:path}", response_model=DagSaved)
def delete_file(
    path: str,
    user: Deleter,
    if_match: IfMatch = None,
    override: Override = False,
    message: Annotated[str, Query(max_length=2000, description="Why; for the history.")] = "",
) -> JSONResponse:
    """Delete one file through the save gate."""
    _file(path, store().dags.head())
    return _save(path, None, user, if_match, message=message, override=override)


def _save(
    path: str, content: bytes | None, user: User, if_match: str | None, *, message: str, override: bool
) -> JSONResponse:
    head = store().dags.head()
    wrong = _mismatch(path, head, if_match)
    if wrong is None:
        try:
            saved = save_dags({path: content}, user=user, message=message, base=head, override=override)
        except ConflictError as error:
            wrong = error
        else:
            return _saved(saved)
    return conflict(wrong, if_match)


def _mismatch(path: str, head: str | None, if_match: str | None) -> ConflictError | None:
    """Return why what If-Match names is not there, None if it is or nothing is named."""
    if if_match is None:
        return None
    wanted = tag_of(if_match)
    present = next((file.blob for file in _files(head) if file.path == path), "")
    if (wanted == "*" and present) or (wanted and wanted == present):
        return None
    return ConflictError(
        f"{quote(path)} is no longer what you read. Read it again, then save.",
        paths=(path,),
        base=wanted,
        theirs=present,
    )


def _saved(saved: Saved) -> JSONResponse:
    problems = [problem.json() for problem in saved.report.problems]
    return JSONResponse({"commit": saved.commit.id, "problems": problems})


def _content(body: DagWrite) -> bytes:
    if body.encoding == "utf-8":
        return body.content.encode("utf-8", "replace")
    try:
        return base64.b64decode(body.content, validate=True)
    except binascii.Error as error:
        raise InvalidError("The content is not base64. Encode it again.", field="content") from error


def _files(head: str | None) -> tuple[dag_repository.DagFile, ...]:
    return dag_repository.files(store(), commit=head) if head else ()


def _file(path: str, head: str | None) -> dag_repository.DagFile:
    for file in _files(head):
        if file.path == path:
            return file
    raise NotFoundError(f"There is no {quote(path)} among the DAG files. Choose one of GET /api/dags/files.")


def _facts(file: dag_repository.DagFile) -> dict[str, Any]:
    return {"path": file.path, "size": file.size, "etag": file.blob, "submodule": file.submodule}
